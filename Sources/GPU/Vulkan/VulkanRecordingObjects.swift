import CPowerInferVulkan

/// The driver's objects that a recording owns; whatever was made goes with this.
final class VulkanRecordingObjects {
  private let context: VulkanContext
  private var commandPool: VkCommandPool?
  private(set) var commandBuffers: [VkCommandBuffer] = []
  private var descriptorPool: VkDescriptorPool?
  private(set) var queryPool: VkQueryPool?
  private(set) var timestamps = 0
  private(set) var hostSemaphore: VkSemaphore?

  init(_ context: VulkanContext) { self.context = context }

  deinit {
    let (device, functions) = (context.device, context.functions)
    if let hostSemaphore {
      context.destroy("vkCreateSemaphore") { functions.destroySemaphore(device, hostSemaphore, nil) }
    }
    if let queryPool { context.destroy("vkCreateQueryPool") { functions.destroyQueryPool(device, queryPool, nil) } }
    if let descriptorPool {
      context.destroy("vkCreateDescriptorPool") { functions.destroyDescriptorPool(device, descriptorPool, nil) }
    }
    if let commandPool {
      context.destroy("vkCreateCommandPool") { functions.destroyCommandPool(device, commandPool, nil) }
    }
  }

  /// Makes everything a recording needs.
  ///
  /// - Parameters:
  ///   - commands: its steps.
  ///   - segments: how many command buffers.
  ///   - timestamps: how many.
  ///   - awaits: whether it ever waits for the host.
  func make(_ commands: [GPUCommand], segments: Int, timestamps: Int, awaits: Bool) throws(GPUError) {
    try makeCommandBuffers(segments)
    try makeDescriptorPool(commands)
    if timestamps > 0 { try makeQueryPool(timestamps) }
    if awaits { hostSemaphore = try VulkanQueue.semaphore(context.device, context.functions, context.calls) }
  }

  /// A set of bindings for a kernel.
  func descriptorSet(_ kernel: VulkanKernel, _ slices: [GPUBufferSlice]) throws(GPUError) -> VkDescriptorSet {
    try withScratch { (scratch) throws(GPUError) in
      var info = VkDescriptorSetAllocateInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO)
      info.descriptorPool = descriptorPool
      info.descriptorSetCount = 1
      info.pSetLayouts = UnsafePointer(scratch.make(Optional(kernel.setLayout)))
      var set: VkDescriptorSet?
      try context.calls.check("vkAllocateDescriptorSets") {
        context.functions.allocateDescriptorSets(context.device, &info, &set)
      }
      guard let set else { throw .call("vkAllocateDescriptorSets", code: 0, name: "no object") }
      let writes = slices.enumerated().compactMap { index, slice -> VkWriteDescriptorSet? in
        guard let buffer = slice.buffer as? VulkanBuffer else { return nil }
        var write = VkWriteDescriptorSet()
        write.sType = UInt32(VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET)
        write.dstSet = set
        write.dstBinding = UInt32(index)
        write.descriptorCount = 1
        write.descriptorType = UInt32(VK_DESCRIPTOR_TYPE_STORAGE_BUFFER)
        write.pBufferInfo = UnsafePointer(
          scratch.make(
            VkDescriptorBufferInfo(
              buffer: buffer.handle, offset: UInt64(slice.offset), range: UInt64(slice.byteCount))))
        return write
      }
      context.functions.updateDescriptorSets(context.device, UInt32(writes.count), scratch.array(writes), 0, nil)
      return set
    }
  }

  private func makeCommandBuffers(_ count: Int) throws(GPUError) {
    let (device, functions, calls) = (context.device, context.functions, context.calls)
    var poolInfo = VkCommandPoolCreateInfo()
    poolInfo.sType = UInt32(VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO)
    poolInfo.queueFamilyIndex = context.physical.queueFamily
    let pool = try calls.create("vkCreateCommandPool") { functions.createCommandPool(device, &poolInfo, nil, $0) }
    commandPool = pool
    var info = VkCommandBufferAllocateInfo()
    info.sType = UInt32(VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO)
    info.commandPool = pool
    info.level = UInt32(VK_COMMAND_BUFFER_LEVEL_PRIMARY)
    info.commandBufferCount = UInt32(count)
    var buffers = [VkCommandBuffer?](repeating: nil, count: count)
    try calls.check("vkAllocateCommandBuffers") { functions.allocateCommandBuffers(device, &info, &buffers) }
    commandBuffers = buffers.compactMap { $0 }
    guard commandBuffers.count == count else { throw .call("vkAllocateCommandBuffers", code: 0, name: "no object") }
  }

  private func makeDescriptorPool(_ commands: [GPUCommand]) throws(GPUError) {
    var (sets, bindings) = (0, 0)
    for case .dispatch(_, let slices, _, _) in commands where !slices.isEmpty {
      sets += 1
      bindings += slices.count
    }
    guard sets > 0 else { return }
    descriptorPool = try withScratch { (scratch) throws(GPUError) in
      var info = VkDescriptorPoolCreateInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO)
      info.maxSets = UInt32(sets)
      info.poolSizeCount = 1
      info.pPoolSizes = UnsafePointer(
        scratch.make(
          VkDescriptorPoolSize(
            type: UInt32(VK_DESCRIPTOR_TYPE_STORAGE_BUFFER), descriptorCount: UInt32(bindings))))
      return try context.calls.create("vkCreateDescriptorPool") {
        context.functions.createDescriptorPool(context.device, &info, nil, $0)
      }
    }
  }

  private func makeQueryPool(_ count: Int) throws(GPUError) {
    var info = VkQueryPoolCreateInfo()
    info.sType = UInt32(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO)
    info.queryType = UInt32(VK_QUERY_TYPE_TIMESTAMP)
    info.queryCount = UInt32(count)
    queryPool = try context.calls.create("vkCreateQueryPool") {
      context.functions.createQueryPool(context.device, &info, nil, $0)
    }
    timestamps = count
  }
}
