import CPowerInferVulkan

/// A physical device as the driver describes it, with what is needed to open it.
struct VulkanPhysicalDevice {
  let handle: VkPhysicalDevice
  let description: GPUDescription
  /// Where kernels run.
  let queueFamily: UInt32
  /// Meaningful bits of a timestamp.
  let timestampBits: UInt32
  let memory: VkPhysicalDeviceMemoryProperties
  let extensions: Set<String>

  /// - Parameters:
  ///   - instance: which lists the device.
  ///   - index: its place in the list.
  init(_ handle: VkPhysicalDevice, of instance: VulkanInstance, index: Int, calls: VulkanCalls) throws(GPUError) {
    self.handle = handle
    let functions = instance.functions
    var basic = VkPhysicalDeviceProperties()
    functions.getPhysicalDeviceProperties(handle, &basic)
    // Nothing else may be asked of an older one.
    if let old = VulkanPhysicalDevice.tooOld(basic, index: index) {
      (queueFamily, timestampBits, memory, extensions) = (0, 0, VkPhysicalDeviceMemoryProperties(), [])
      description = old
      return
    }
    extensions = try VulkanPhysicalDevice.extensions(handle, functions, calls)
    let properties = VulkanProperties(handle, functions)
    let available = VulkanFeatures(handle, functions)
    let (memory, free) = VulkanPhysicalDevice.memory(
      handle, functions, hasBudget: extensions.contains("VK_EXT_memory_budget"))
    self.memory = memory

    let queue = VulkanPhysicalDevice.queue(handle, functions)
    queueFamily = queue?.family ?? 0
    timestampBits = queue?.timestampBits ?? 0

    let heap = memory.largestDeviceHeap
    var unsuited: String?
    if queue == nil { unsuited = "it has no queue for kernels" }
    if let missing = available.missing { unsuited = "its driver lacks \(missing)" }
    description = GPUDescription(
      index: index, name: text(basic.deviceName), kind: VulkanPhysicalDevice.kind(basic.deviceType),
      memory: .init(total: heap.map { Int(clamping: memory.heap($0).size) } ?? 0, free: heap.flatMap { free?[$0] }),
      limits: VulkanPhysicalDevice.limits(
        basic.limits, buffer: properties.maintenance4.maxBufferSize,
        allocation: properties.vulkan11.maxMemoryAllocationSize),
      features: available.features(properties),
      subgroupWidths: properties.subgroupWidths,
      nanosecondsPerTick: timestampBits > 0 ? Double(basic.limits.timestampPeriod) : nil,
      driver: properties.driver, unsuited: unsuited, identity: properties.identity)
  }

  /// What can be said of a device whose driver is older than this room; nil where it is not.
  static func tooOld(_ basic: VkPhysicalDeviceProperties, index: Int) -> GPUDescription? {
    guard basic.apiVersion < VulkanInstance.version else { return nil }
    let (major, minor) = (basic.apiVersion >> 22 & 0x7f, basic.apiVersion >> 12 & 0x3ff)
    return GPUDescription(
      index: index, name: text(basic.deviceName), kind: kind(basic.deviceType), memory: .init(total: 0, free: nil),
      limits: limits(basic.limits, buffer: 0, allocation: 0), features: [], subgroupWidths: 1...1,
      nanosecondsPerTick: nil, driver: "version \(basic.driverVersion)",
      unsuited: "its driver has Vulkan \(major).\(minor), and 1.3 is needed", identity: [])
  }

  /// Bytes free in each heap now; nil where the driver does not say.
  static func memory(
    _ device: VkPhysicalDevice, _ functions: InstanceFunctions, hasBudget: Bool
  ) -> (VkPhysicalDeviceMemoryProperties, free: [Int]?) {
    var budget = VkPhysicalDeviceMemoryBudgetPropertiesEXT()
    budget.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT)
    var memory = VkPhysicalDeviceMemoryProperties2()
    memory.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2)
    guard hasBudget else {
      functions.getPhysicalDeviceMemoryProperties2(device, &memory)
      return (memory.memoryProperties, nil)
    }
    withUnsafeMutablePointer(to: &budget) {
      memory.pNext = UnsafeMutableRawPointer($0)
      functions.getPhysicalDeviceMemoryProperties2(device, &memory)
    }
    let (most, used) = (elements(budget.heapBudget, of: UInt64.self), elements(budget.heapUsage, of: UInt64.self))
    return (memory.memoryProperties, zip(most, used).map { Int(clamping: $0 > $1 ? $0 - $1 : 0) })
  }

  private static func kind(_ type: UInt32) -> GPUDescription.Kind {
    switch Int(type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: .discrete
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: .integrated
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: .virtual
    case VK_PHYSICAL_DEVICE_TYPE_CPU: .software
    default: .other
    }
  }

  private static func limits(
    _ limits: VkPhysicalDeviceLimits, buffer: UInt64, allocation: UInt64
  ) -> GPUDescription.Limits {
    let groups = limits.maxComputeWorkGroupCount
    return GPUDescription.Limits(
      bindingBytes: Int(limits.maxStorageBufferRange), bufferBytes: Int(clamping: min(buffer, allocation)),
      bindingAlignment: max(4, Int(clamping: limits.minStorageBufferOffsetAlignment)),
      bindings: Int(
        min(
          limits.maxPerStageDescriptorStorageBuffers, limits.maxDescriptorSetStorageBuffers,
          limits.maxPerStageResources)),
      constantBytes: Int(limits.maxPushConstantsSize), sharedBytes: Int(limits.maxComputeSharedMemorySize),
      workgroupInvocations: Int(limits.maxComputeWorkGroupInvocations),
      grid: GPUGrid(Int(groups.0), Int(groups.1), Int(groups.2)),
      allocations: Int(limits.maxMemoryAllocationCount))
  }

  /// A queue that computes; rather one that does nothing else, which the desktop leaves alone.
  private static func queue(
    _ device: VkPhysicalDevice, _ functions: InstanceFunctions
  ) -> (family: UInt32, timestampBits: UInt32)? {
    var count: UInt32 = 0
    functions.getPhysicalDeviceQueueFamilyProperties(device, &count, nil)
    var families = [VkQueueFamilyProperties](repeating: VkQueueFamilyProperties(), count: Int(count))
    functions.getPhysicalDeviceQueueFamilyProperties(device, &count, &families)
    let computing = families.prefix(Int(count)).indices.filter {
      Int(families[$0].queueFlags) & VK_QUEUE_COMPUTE_BIT != 0 && families[$0].queueCount > 0
    }
    let best = computing.first { Int(families[$0].queueFlags) & VK_QUEUE_GRAPHICS_BIT == 0 } ?? computing.first
    return best.map { (UInt32($0), families[$0].timestampValidBits) }
  }

  private static func extensions(
    _ device: VkPhysicalDevice, _ functions: InstanceFunctions, _ calls: VulkanCalls
  ) throws(GPUError) -> Set<String> {
    var count: UInt32 = 0
    try calls.check("vkEnumerateDeviceExtensionProperties") {
      functions.enumerateDeviceExtensionProperties(device, nil, &count, nil)
    }
    var list = [VkExtensionProperties](repeating: VkExtensionProperties(), count: Int(count))
    try calls.check("vkEnumerateDeviceExtensionProperties", allowed: VK_INCOMPLETE) {
      functions.enumerateDeviceExtensionProperties(device, nil, &count, &list)
    }
    return Set(list.prefix(Int(count)).map { text($0.extensionName) })
  }
}

/// The elements of a C array, which Swift sees as a tuple.
func elements<Tuple: BitwiseCopyable, Element: BitwiseCopyable>(_ tuple: Tuple, of type: Element.Type) -> [Element] {
  withUnsafeBytes(of: tuple) { Array($0.bindMemory(to: Element.self)) }
}

extension VkPhysicalDeviceMemoryProperties {
  /// Types in the driver's order, which puts faster ones first.
  var types: [VkMemoryType] { Array(elements(memoryTypes, of: VkMemoryType.self).prefix(Int(memoryTypeCount))) }

  func heap(_ index: Int) -> VkMemoryHeap { elements(memoryHeaps, of: VkMemoryHeap.self)[index] }

  /// Heaps of the device's own.
  func isDeviceHeap(_ index: Int) -> Bool { Int(heap(index).flags) & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT != 0 }

  /// Where weights go. A card can have a second, small heap that the host sees, too.
  var largestDeviceHeap: Int? {
    (0..<Int(memoryHeapCount)).filter(isDeviceHeap).max { heap($0).size < heap($1).size }
  }
}
