import CPowerInferVulkan

/// What a device of version 1.3 says about itself beyond the first page.
struct VulkanProperties {
  private(set) var basic = VkPhysicalDeviceProperties()
  private(set) var vulkan11 = VkPhysicalDeviceVulkan11Properties()
  private(set) var maintenance4 = VkPhysicalDeviceMaintenance4Properties()
  private var driverProperties = VkPhysicalDeviceDriverProperties()
  private var subgroups = VkPhysicalDeviceSubgroupSizeControlProperties()
  private(set) var dot = VkPhysicalDeviceShaderIntegerDotProductProperties()

  init(_ device: VkPhysicalDevice, _ functions: InstanceFunctions) {
    vulkan11.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES)
    maintenance4.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES)
    driverProperties.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES)
    subgroups.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES)
    dot.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES)
    withScratch { scratch in
      let first = scratch.make(vulkan11)
      let second = scratch.make(maintenance4)
      let third = scratch.make(driverProperties)
      let fourth = scratch.make(subgroups)
      let fifth = scratch.make(dot)
      first.pointee.pNext = UnsafeMutableRawPointer(second)
      second.pointee.pNext = UnsafeMutableRawPointer(third)
      third.pointee.pNext = UnsafeMutableRawPointer(fourth)
      fourth.pointee.pNext = UnsafeMutableRawPointer(fifth)
      var all = VkPhysicalDeviceProperties2()
      all.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2)
      all.pNext = UnsafeMutableRawPointer(first)
      functions.getPhysicalDeviceProperties2(device, &all)
      basic = all.properties
      vulkan11 = first.pointee
      maintenance4 = second.pointee
      driverProperties = third.pointee
      subgroups = fourth.pointee
      dot = fifth.pointee
    }
  }

  var subgroupWidths: ClosedRange<Int> {
    let width = Int(max(1, vulkan11.subgroupSize))
    let (least, most) = (Int(subgroups.minSubgroupSize), Int(subgroups.maxSubgroupSize))
    return least > 0 && least <= most ? least...most : width...width
  }

  /// The driver's name and version.
  var driver: String {
    let name = text(driverProperties.driverName)
    let version = text(driverProperties.driverInfo)
    return version.isEmpty ? name : "\(name) \(version)"
  }

  /// Changes when the device or its driver does.
  var identity: [UInt8] {
    var bytes: [UInt8] = []
    for number in [basic.vendorID, basic.deviceID, basic.driverVersion, basic.apiVersion] {
      bytes += withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
    return bytes + elements(basic.pipelineCacheUUID, of: UInt8.self) + elements(vulkan11.driverUUID, of: UInt8.self)
      + elements(vulkan11.deviceUUID, of: UInt8.self)
  }
}

/// What a device of version 1.3 can do, as far as it is used here; also the request for it.
struct VulkanFeatures {
  private var basic = VkPhysicalDeviceFeatures2()
  private var vulkan11 = VkPhysicalDeviceVulkan11Features()
  private var vulkan12 = VkPhysicalDeviceVulkan12Features()
  private var vulkan13 = VkPhysicalDeviceVulkan13Features()

  /// Asks the device.
  init(_ device: VkPhysicalDevice, _ functions: InstanceFunctions) {
    self.init()
    withScratch { scratch in
      let chain = chain(scratch)
      functions.getPhysicalDeviceFeatures2(device, chain.basic)
      basic = chain.basic.pointee
      vulkan11 = chain.vulkan11.pointee
      vulkan12 = chain.vulkan12.pointee
      vulkan13 = chain.vulkan13.pointee
    }
  }

  /// Those of another that are used here; all others off.
  init(using available: VulkanFeatures) {
    self.init()
    basic.features.shaderInt16 = available.basic.features.shaderInt16
    basic.features.shaderInt64 = available.basic.features.shaderInt64
    vulkan11.storageBuffer16BitAccess = available.vulkan11.storageBuffer16BitAccess
    vulkan12.storageBuffer8BitAccess = available.vulkan12.storageBuffer8BitAccess
    vulkan12.shaderFloat16 = available.vulkan12.shaderFloat16
    vulkan12.shaderInt8 = available.vulkan12.shaderInt8
    vulkan12.scalarBlockLayout = available.vulkan12.scalarBlockLayout
    vulkan12.shaderSubgroupExtendedTypes = available.vulkan12.shaderSubgroupExtendedTypes
    vulkan12.timelineSemaphore = available.vulkan12.timelineSemaphore
    vulkan12.vulkanMemoryModel = available.vulkan12.vulkanMemoryModel
    vulkan12.vulkanMemoryModelDeviceScope = available.vulkan12.vulkanMemoryModelDeviceScope
    vulkan13.synchronization2 = available.vulkan13.synchronization2
    vulkan13.shaderIntegerDotProduct = available.vulkan13.shaderIntegerDotProduct
    vulkan13.subgroupSizeControl = available.vulkan13.subgroupSizeControl
    vulkan13.computeFullSubgroups = available.vulkan13.computeFullSubgroups
    vulkan13.maintenance4 = available.vulkan13.maintenance4
  }

  struct Chain {
    let basic: UnsafeMutablePointer<VkPhysicalDeviceFeatures2>
    let vulkan11: UnsafeMutablePointer<VkPhysicalDeviceVulkan11Features>
    let vulkan12: UnsafeMutablePointer<VkPhysicalDeviceVulkan12Features>
    let vulkan13: UnsafeMutablePointer<VkPhysicalDeviceVulkan13Features>
  }

  /// Puts the structures into memory that lives as long as `scratch`, each pointing at the next.
  func chain(_ scratch: Scratch) -> Chain {
    let chain = Chain(
      basic: scratch.make(basic), vulkan11: scratch.make(vulkan11), vulkan12: scratch.make(vulkan12),
      vulkan13: scratch.make(vulkan13))
    chain.basic.pointee.pNext = UnsafeMutableRawPointer(chain.vulkan11)
    chain.vulkan11.pointee.pNext = UnsafeMutableRawPointer(chain.vulkan12)
    chain.vulkan12.pointee.pNext = UnsafeMutableRawPointer(chain.vulkan13)
    chain.vulkan13.pointee.pNext = nil
    return chain
  }

  /// Something without which nothing works; nil where all is there.
  var missing: String? {
    if vulkan12.timelineSemaphore == 0 { return "timeline semaphores" }
    if vulkan13.synchronization2 == 0 { return "the second kind of barriers" }
    return nil
  }

  /// In the words of the face.
  func features(_ properties: VulkanProperties) -> GPUFeatures {
    var features: GPUFeatures = []
    func add(_ feature: GPUFeatures, _ present: Bool) { if present { features.insert(feature) } }
    add(.storage16, vulkan11.storageBuffer16BitAccess != 0)
    add(.storage8, vulkan12.storageBuffer8BitAccess != 0)
    add(.float16, vulkan12.shaderFloat16 != 0)
    add(.int8, vulkan12.shaderInt8 != 0)
    add(.int16, basic.features.shaderInt16 != 0)
    add(.int64, basic.features.shaderInt64 != 0)
    add(.dot8, vulkan13.shaderIntegerDotProduct != 0)
    add(
      .fastDot8,
      vulkan13.shaderIntegerDotProduct != 0
        && properties.dot.integerDotProduct4x8BitPackedSignedAccelerated != 0)
    let computes = Int(properties.vulkan11.subgroupSupportedStages) & VK_SHADER_STAGE_COMPUTE_BIT != 0
    func subgroup(_ bit: Int) -> Bool { computes && Int(properties.vulkan11.subgroupSupportedOperations) & bit != 0 }
    add(.subgroupArithmetic, subgroup(VK_SUBGROUP_FEATURE_ARITHMETIC_BIT))
    add(.subgroupBallot, subgroup(VK_SUBGROUP_FEATURE_BALLOT_BIT) && subgroup(VK_SUBGROUP_FEATURE_VOTE_BIT))
    add(.subgroupShuffle, subgroup(VK_SUBGROUP_FEATURE_SHUFFLE_BIT))
    add(.memoryModel, vulkan12.vulkanMemoryModel != 0)
    return features
  }

  private init() {
    basic.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2)
    vulkan11.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES)
    vulkan12.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES)
    vulkan13.sType = UInt32(VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES)
  }
}
