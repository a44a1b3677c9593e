import CPowerInferVulkan
import Synchronization

/// An open device as its buffers, kernels and recordings see it; it goes when the last of them does.
// Unchecked: the driver's handles are used from any thread; what changes is behind locks.
final class VulkanContext: @unchecked Sendable {
  let instance: VulkanInstance
  let physical: VulkanPhysicalDevice
  let options: GPUOptions
  let device: VkDevice
  let functions: DeviceFunctions
  let calls: VulkanCalls
  let arena: VulkanArena
  let queue: VulkanQueue
  let layouts: VulkanLayouts

  var description: GPUDescription { physical.description }

  init(_ physical: VulkanPhysicalDevice, of instance: VulkanInstance, options: GPUOptions, calls: VulkanCalls)
    throws(GPUError)
  {
    self.instance = instance
    self.physical = physical
    self.options = options
    self.calls = calls
    let handle = try VulkanContext.create(physical, instance, calls)
    let functions: DeviceFunctions
    do {
      functions = try DeviceFunctions(instance, handle)
    } catch {
      if let destroy = instance.functions.getDeviceProcAddr(handle, "vkDestroyDevice") {
        withLoaderLock { unsafeBitCast(destroy, to: PFN_vkDestroyDevice.self)(handle, nil) }
        calls.destroyed("vkCreateDevice")
      }
      throw error
    }
    self.functions = functions
    device = handle
    do {
      queue = try VulkanQueue(
        device: device, functions: functions, calls: calls, family: physical.queueFamily, options: options,
        isSoftware: physical.description.kind == .software)
    } catch {
      withLoaderLock { functions.destroyDevice(handle, nil) }
      calls.destroyed("vkCreateDevice")
      throw error
    }
    arena = VulkanArena(device: device, functions: functions, calls: calls, physical: physical, options: options)
    layouts = VulkanLayouts(device: device, functions: functions, calls: calls)
  }

  deinit {
    guard queue.drain() else {
      // What the device still works on must stay, and with it what that hangs on.
      _ = Unmanaged.passRetained(instance)
      return
    }
    layouts.destroy()
    queue.destroy()
    withLoaderLock { functions.destroyDevice(device, nil) }
    calls.destroyed("vkCreateDevice")
  }

  /// Destroys an object, unless the device may still be using it and does not answer any more: then it stays until the
  /// process ends.
  func destroy(_ creator: String, _ body: () -> Void) {
    guard !queue.isStuck else { return }
    body()
    calls.destroyed(creator)
  }

  /// Names an object for the messages of validation layers.
  func name(_ object: OpaquePointer, _ type: Int, _ label: String) {
    guard let setObjectName = functions.setObjectName else { return }
    withScratch { scratch in
      var info = VkDebugUtilsObjectNameInfoEXT()
      info.sType = UInt32(VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT)
      info.objectType = UInt32(type)
      info.objectHandle = UInt64(UInt(bitPattern: object))
      info.pObjectName = scratch.text(label)
      _ = withLoaderLock { setObjectName(device, &info) }
    }
  }

  private static func create(
    _ physical: VulkanPhysicalDevice, _ instance: VulkanInstance, _ calls: VulkanCalls
  ) throws(GPUError) -> VkDevice {
    // A device that is not a full implementation demands that one knows.
    let extensions = ["VK_KHR_portability_subset", "VK_EXT_memory_budget"].filter(physical.extensions.contains)
    let features = VulkanFeatures(using: VulkanFeatures(physical.handle, instance.functions))
    return try withScratch { (scratch) throws(GPUError) in
      var queue = VkDeviceQueueCreateInfo()
      queue.sType = UInt32(VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO)
      queue.queueFamilyIndex = physical.queueFamily
      queue.queueCount = 1
      queue.pQueuePriorities = UnsafePointer(scratch.make(Float(1)))
      var info = VkDeviceCreateInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO)
      info.pNext = UnsafeRawPointer(features.chain(scratch).basic)
      info.queueCreateInfoCount = 1
      info.pQueueCreateInfos = UnsafePointer(scratch.make(queue))
      info.enabledExtensionCount = UInt32(extensions.count)
      info.ppEnabledExtensionNames = scratch.texts(extensions)
      return try calls.create("vkCreateDevice") { handle in
        withLoaderLock { instance.functions.createDevice(physical.handle, &info, nil, handle) }
      }
    }
  }
}
