import CPowerInferVulkan

/// A connection to the installed drivers.
// Unchecked: handles and function pointers never change after `init`, and the driver takes these calls from any thread.
final class VulkanInstance: @unchecked Sendable {
  let library: VulkanLibrary
  let handle: VkInstance
  /// Whether validation layers watch.
  let validates: Bool
  let messages = VulkanMessages()
  let functions: InstanceFunctions

  private let calls: VulkanCalls
  private var messenger: VkDebugUtilsMessengerEXT?

  /// The interface's version this room is written for.
  static let version = apiVersion(1, 3)

  static func apiVersion(_ major: UInt32, _ minor: UInt32) -> UInt32 { major << 22 | minor << 12 }

  init(validates: Bool = false, libraries: [String] = VulkanLibrary.names, calls: VulkanCalls? = nil) throws(GPUError) {
    library = try VulkanLibrary(names: libraries)
    let calls = calls ?? VulkanCalls(device: "The GPU")
    self.calls = calls
    self.validates = validates

    let extensions = try VulkanInstance.extensions(library, calls, layer: nil)
    var wanted: [String] = []
    var flags: UInt32 = 0
    // Without it MoltenVK's devices are not listed.
    if extensions.contains("VK_KHR_portability_enumeration") {
      wanted.append("VK_KHR_portability_enumeration")
      flags = UInt32(VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR)
    }
    var layers: [String] = []
    if validates {
      let layer = "VK_LAYER_KHRONOS_validation"
      guard try VulkanInstance.layers(library, calls).contains(layer) else { throw .noValidationLayers }
      layers.append(layer)
      wanted.append("VK_EXT_debug_utils")
      if try VulkanInstance.extensions(library, calls, layer: layer).contains("VK_EXT_validation_features") {
        wanted.append("VK_EXT_validation_features")
      }
    }

    let create: PFN_vkCreateInstance = try library.find("vkCreateInstance", of: nil)
    let messages = messages
    let handle = try withScratch { (scratch) throws(GPUError) in
      var application = VkApplicationInfo()
      application.sType = UInt32(VK_STRUCTURE_TYPE_APPLICATION_INFO)
      application.pApplicationName = scratch.text("powerinfer")
      application.apiVersion = VulkanInstance.version
      var info = VkInstanceCreateInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO)
      info.flags = flags
      info.pApplicationInfo = UnsafePointer(scratch.make(application))
      info.enabledLayerCount = UInt32(layers.count)
      info.ppEnabledLayerNames = scratch.texts(layers)
      info.enabledExtensionCount = UInt32(wanted.count)
      info.ppEnabledExtensionNames = scratch.texts(wanted)
      if validates {
        // Here too, so that what is left behind at the very end is reported.
        var messenger = messages.messenger()
        if wanted.contains("VK_EXT_validation_features") {
          var features = VkValidationFeaturesEXT()
          features.sType = UInt32(VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT)
          features.enabledValidationFeatureCount = 1
          features.pEnabledValidationFeatures = UnsafePointer(
            scratch.make(Int32(VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT)))
          messenger.pNext = UnsafeRawPointer(scratch.make(features))
        }
        info.pNext = UnsafeRawPointer(scratch.make(messenger))
      }
      do throws(GPUError) {
        return try calls.create("vkCreateInstance") { handle in withLoaderLock { create(&info, nil, handle) } }
      } catch .call(_, let code, _) where Int(code) == VK_ERROR_INCOMPATIBLE_DRIVER {
        // The loader's word for "there is no driver at all".
        throw .noDevice
      }
    }
    self.handle = handle
    do {
      functions = try InstanceFunctions(library, handle)
    } catch {
      // Without its own function there is no way to give it back.
      if let destroy: PFN_vkDestroyInstance = try? library.find("vkDestroyInstance", of: handle) {
        withLoaderLock { destroy(handle, nil) }
        calls.destroyed("vkCreateInstance")
      }
      throw error
    }
    if validates {
      let create: PFN_vkCreateDebugUtilsMessengerEXT = try library.find("vkCreateDebugUtilsMessengerEXT", of: handle)
      var info = messages.messenger()
      messenger = try calls.create("vkCreateDebugUtilsMessengerEXT") { create(handle, &info, nil, $0) }
    }
  }

  deinit {
    if let messenger,
      let destroy: PFN_vkDestroyDebugUtilsMessengerEXT = try? library.find(
        "vkDestroyDebugUtilsMessengerEXT", of: handle)
    {
      destroy(handle, messenger, nil)
      calls.destroyed("vkCreateDebugUtilsMessengerEXT")
    }
    withLoaderLock { functions.destroyInstance(handle, nil) }
    calls.destroyed("vkCreateInstance")
  }

  /// All devices, in the drivers' order.
  func devices() throws(GPUError) -> [VkPhysicalDevice] {
    var count: UInt32 = 0
    // Some loaders fail where no driver is installed, others find none.
    do {
      try calls.check("vkEnumeratePhysicalDevices") { functions.enumeratePhysicalDevices(handle, &count, nil) }
    } catch GPUError.call(_, let code, _) where Int(code) == VK_ERROR_INITIALIZATION_FAILED {
      return []
    }
    var devices = [VkPhysicalDevice?](repeating: nil, count: Int(count))
    try calls.check("vkEnumeratePhysicalDevices", allowed: VK_INCOMPLETE) {
      functions.enumeratePhysicalDevices(handle, &count, &devices)
    }
    return devices.prefix(Int(count)).compactMap { $0 }
  }

  private static func extensions(
    _ library: VulkanLibrary, _ calls: VulkanCalls, layer: String?
  ) throws(GPUError) -> Set<String> {
    let enumerate: PFN_vkEnumerateInstanceExtensionProperties = try library.find(
      "vkEnumerateInstanceExtensionProperties", of: nil)
    return try withScratch { (scratch) throws(GPUError) in
      let layer = layer.map(scratch.text)
      var count: UInt32 = 0
      try calls.check("vkEnumerateInstanceExtensionProperties") { enumerate(layer, &count, nil) }
      var list = [VkExtensionProperties](repeating: VkExtensionProperties(), count: Int(count))
      try calls.check("vkEnumerateInstanceExtensionProperties", allowed: VK_INCOMPLETE) {
        enumerate(layer, &count, &list)
      }
      return Set(list.prefix(Int(count)).map { text($0.extensionName) })
    }
  }

  private static func layers(_ library: VulkanLibrary, _ calls: VulkanCalls) throws(GPUError) -> Set<String> {
    let enumerate: PFN_vkEnumerateInstanceLayerProperties = try library.find(
      "vkEnumerateInstanceLayerProperties", of: nil)
    var count: UInt32 = 0
    try calls.check("vkEnumerateInstanceLayerProperties") { enumerate(&count, nil) }
    var list = [VkLayerProperties](repeating: VkLayerProperties(), count: Int(count))
    try calls.check("vkEnumerateInstanceLayerProperties", allowed: VK_INCOMPLETE) { enumerate(&count, &list) }
    return Set(list.prefix(Int(count)).map { text($0.layerName) })
  }
}

/// The text in a C array of characters, which Swift sees as a tuple. Stops at its end if nothing ends it before.
func text<Characters: BitwiseCopyable>(_ characters: Characters) -> String {
  withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
