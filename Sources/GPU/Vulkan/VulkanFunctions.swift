import CPowerInferVulkan

/// Functions of an instance.
struct InstanceFunctions {
  let destroyInstance: PFN_vkDestroyInstance
  let enumeratePhysicalDevices: PFN_vkEnumeratePhysicalDevices
  let getPhysicalDeviceProperties: PFN_vkGetPhysicalDeviceProperties
  let getPhysicalDeviceProperties2: PFN_vkGetPhysicalDeviceProperties2
  let getPhysicalDeviceFeatures2: PFN_vkGetPhysicalDeviceFeatures2
  let getPhysicalDeviceMemoryProperties2: PFN_vkGetPhysicalDeviceMemoryProperties2
  let getPhysicalDeviceQueueFamilyProperties: PFN_vkGetPhysicalDeviceQueueFamilyProperties
  let enumerateDeviceExtensionProperties: PFN_vkEnumerateDeviceExtensionProperties
  let createDevice: PFN_vkCreateDevice
  let getDeviceProcAddr: PFN_vkGetDeviceProcAddr

  init(_ library: VulkanLibrary, _ instance: VkInstance) throws(GPUError) {
    destroyInstance = try library.find("vkDestroyInstance", of: instance)
    enumeratePhysicalDevices = try library.find("vkEnumeratePhysicalDevices", of: instance)
    getPhysicalDeviceProperties = try library.find("vkGetPhysicalDeviceProperties", of: instance)
    getPhysicalDeviceProperties2 = try library.find("vkGetPhysicalDeviceProperties2", of: instance)
    getPhysicalDeviceFeatures2 = try library.find("vkGetPhysicalDeviceFeatures2", of: instance)
    getPhysicalDeviceMemoryProperties2 = try library.find("vkGetPhysicalDeviceMemoryProperties2", of: instance)
    getPhysicalDeviceQueueFamilyProperties = try library.find("vkGetPhysicalDeviceQueueFamilyProperties", of: instance)
    enumerateDeviceExtensionProperties = try library.find("vkEnumerateDeviceExtensionProperties", of: instance)
    createDevice = try library.find("vkCreateDevice", of: instance)
    getDeviceProcAddr = try library.find("vkGetDeviceProcAddr", of: instance)
  }
}

/// Functions of a device, found at the driver itself, so that calls do not pass through the loader.
struct DeviceFunctions {
  let destroyDevice: PFN_vkDestroyDevice
  let getDeviceQueue: PFN_vkGetDeviceQueue
  let allocateMemory: PFN_vkAllocateMemory
  let freeMemory: PFN_vkFreeMemory
  let mapMemory: PFN_vkMapMemory
  let createBuffer: PFN_vkCreateBuffer
  let destroyBuffer: PFN_vkDestroyBuffer
  let getBufferMemoryRequirements: PFN_vkGetBufferMemoryRequirements
  let bindBufferMemory: PFN_vkBindBufferMemory
  let createShaderModule: PFN_vkCreateShaderModule
  let destroyShaderModule: PFN_vkDestroyShaderModule
  let createPipelineCache: PFN_vkCreatePipelineCache
  let destroyPipelineCache: PFN_vkDestroyPipelineCache
  let getPipelineCacheData: PFN_vkGetPipelineCacheData
  let createComputePipelines: PFN_vkCreateComputePipelines
  let destroyPipeline: PFN_vkDestroyPipeline
  let createPipelineLayout: PFN_vkCreatePipelineLayout
  let destroyPipelineLayout: PFN_vkDestroyPipelineLayout
  let createDescriptorSetLayout: PFN_vkCreateDescriptorSetLayout
  let destroyDescriptorSetLayout: PFN_vkDestroyDescriptorSetLayout
  let createDescriptorPool: PFN_vkCreateDescriptorPool
  let destroyDescriptorPool: PFN_vkDestroyDescriptorPool
  let allocateDescriptorSets: PFN_vkAllocateDescriptorSets
  let updateDescriptorSets: PFN_vkUpdateDescriptorSets
  let createCommandPool: PFN_vkCreateCommandPool
  let destroyCommandPool: PFN_vkDestroyCommandPool
  let allocateCommandBuffers: PFN_vkAllocateCommandBuffers
  let beginCommandBuffer: PFN_vkBeginCommandBuffer
  let endCommandBuffer: PFN_vkEndCommandBuffer
  let cmdBindPipeline: PFN_vkCmdBindPipeline
  let cmdBindDescriptorSets: PFN_vkCmdBindDescriptorSets
  let cmdPushConstants: PFN_vkCmdPushConstants
  let cmdDispatch: PFN_vkCmdDispatch
  let cmdDispatchIndirect: PFN_vkCmdDispatchIndirect
  let cmdCopyBuffer: PFN_vkCmdCopyBuffer
  let cmdFillBuffer: PFN_vkCmdFillBuffer
  let cmdPipelineBarrier2: PFN_vkCmdPipelineBarrier2
  let cmdResetQueryPool: PFN_vkCmdResetQueryPool
  let cmdWriteTimestamp2: PFN_vkCmdWriteTimestamp2
  let createQueryPool: PFN_vkCreateQueryPool
  let destroyQueryPool: PFN_vkDestroyQueryPool
  let getQueryPoolResults: PFN_vkGetQueryPoolResults
  let createSemaphore: PFN_vkCreateSemaphore
  let destroySemaphore: PFN_vkDestroySemaphore
  let waitSemaphores: PFN_vkWaitSemaphores
  let signalSemaphore: PFN_vkSignalSemaphore
  let getSemaphoreCounterValue: PFN_vkGetSemaphoreCounterValue
  let queueSubmit2: PFN_vkQueueSubmit2
  /// Only where validation layers watch.
  let setObjectName: PFN_vkSetDebugUtilsObjectNameEXT?

  init(_ instance: VulkanInstance, _ device: VkDevice) throws(GPUError) {
    func find<Function>(_ name: String) throws(GPUError) -> Function {
      guard let function = instance.functions.getDeviceProcAddr(device, name) else {
        throw .brokenLoader(library: instance.library.name, missing: name)
      }
      return unsafeBitCast(function, to: Function.self)
    }
    destroyDevice = try find("vkDestroyDevice")
    getDeviceQueue = try find("vkGetDeviceQueue")
    allocateMemory = try find("vkAllocateMemory")
    freeMemory = try find("vkFreeMemory")
    mapMemory = try find("vkMapMemory")
    createBuffer = try find("vkCreateBuffer")
    destroyBuffer = try find("vkDestroyBuffer")
    getBufferMemoryRequirements = try find("vkGetBufferMemoryRequirements")
    bindBufferMemory = try find("vkBindBufferMemory")
    createShaderModule = try find("vkCreateShaderModule")
    destroyShaderModule = try find("vkDestroyShaderModule")
    createPipelineCache = try find("vkCreatePipelineCache")
    destroyPipelineCache = try find("vkDestroyPipelineCache")
    getPipelineCacheData = try find("vkGetPipelineCacheData")
    createComputePipelines = try find("vkCreateComputePipelines")
    destroyPipeline = try find("vkDestroyPipeline")
    createPipelineLayout = try find("vkCreatePipelineLayout")
    destroyPipelineLayout = try find("vkDestroyPipelineLayout")
    createDescriptorSetLayout = try find("vkCreateDescriptorSetLayout")
    destroyDescriptorSetLayout = try find("vkDestroyDescriptorSetLayout")
    createDescriptorPool = try find("vkCreateDescriptorPool")
    destroyDescriptorPool = try find("vkDestroyDescriptorPool")
    allocateDescriptorSets = try find("vkAllocateDescriptorSets")
    updateDescriptorSets = try find("vkUpdateDescriptorSets")
    createCommandPool = try find("vkCreateCommandPool")
    destroyCommandPool = try find("vkDestroyCommandPool")
    allocateCommandBuffers = try find("vkAllocateCommandBuffers")
    beginCommandBuffer = try find("vkBeginCommandBuffer")
    endCommandBuffer = try find("vkEndCommandBuffer")
    cmdBindPipeline = try find("vkCmdBindPipeline")
    cmdBindDescriptorSets = try find("vkCmdBindDescriptorSets")
    cmdPushConstants = try find("vkCmdPushConstants")
    cmdDispatch = try find("vkCmdDispatch")
    cmdDispatchIndirect = try find("vkCmdDispatchIndirect")
    cmdCopyBuffer = try find("vkCmdCopyBuffer")
    cmdFillBuffer = try find("vkCmdFillBuffer")
    cmdPipelineBarrier2 = try find("vkCmdPipelineBarrier2")
    cmdResetQueryPool = try find("vkCmdResetQueryPool")
    cmdWriteTimestamp2 = try find("vkCmdWriteTimestamp2")
    createQueryPool = try find("vkCreateQueryPool")
    destroyQueryPool = try find("vkDestroyQueryPool")
    getQueryPoolResults = try find("vkGetQueryPoolResults")
    createSemaphore = try find("vkCreateSemaphore")
    destroySemaphore = try find("vkDestroySemaphore")
    waitSemaphores = try find("vkWaitSemaphores")
    signalSemaphore = try find("vkSignalSemaphore")
    getSemaphoreCounterValue = try find("vkGetSemaphoreCounterValue")
    queueSubmit2 = try find("vkQueueSubmit2")
    setObjectName =
      instance.validates
      ? try? instance.library.find("vkSetDebugUtilsObjectNameEXT", of: instance.handle) : nil
  }
}
