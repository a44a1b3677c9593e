import CPowerInferVulkan

/// Puts a recording's steps into command buffers.
struct VulkanEncoder {
  private let context: VulkanContext
  private let objects: VulkanRecordingObjects
  // Timestamps written so far, over all command buffers.
  private var timestamps = 0
  // Of the current command buffer: dispatches of one kernel in a row bind it once.
  private var boundPipeline: VkPipeline?

  init(_ context: VulkanContext, _ objects: VulkanRecordingObjects) {
    self.context = context
    self.objects = objects
  }

  /// Fills one command buffer.
  ///
  /// It begins with a wait for all earlier ones, and for what the host wrote, and ends with what the host can read.
  mutating func encode(
    _ commands: ArraySlice<GPUCommand>, into buffer: VkCommandBuffer, isFirst: Bool, isLast: Bool
  ) throws(GPUError) {
    let functions = context.functions
    var begin = VkCommandBufferBeginInfo()
    begin.sType = UInt32(VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO)
    try context.calls.check("vkBeginCommandBuffer") { functions.beginCommandBuffer(buffer, &begin) }
    boundPipeline = nil
    barrier(buffer, fromHost: true)
    if isFirst, let pool = objects.queryPool {
      functions.cmdResetQueryPool(buffer, pool, 0, UInt32(objects.timestamps))
    }
    for command in commands { try encode(command, into: buffer) }
    if isLast { timestamp(buffer) }
    barrier(buffer, toHost: true)
    try context.calls.check("vkEndCommandBuffer") { functions.endCommandBuffer(buffer) }
  }

  private mutating func encode(_ command: GPUCommand, into buffer: VkCommandBuffer) throws(GPUError) {
    let functions = context.functions
    switch command {
    case .dispatch(let kernel, let slices, let constants, let grid):
      guard let kernel = kernel as? VulkanKernel else { return }
      if boundPipeline != kernel.pipeline {
        functions.cmdBindPipeline(buffer, UInt32(VK_PIPELINE_BIND_POINT_COMPUTE), kernel.pipeline)
        boundPipeline = kernel.pipeline
      }
      if !slices.isEmpty {
        var set: VkDescriptorSet? = try objects.descriptorSet(kernel, slices)
        functions.cmdBindDescriptorSets(
          buffer, UInt32(VK_PIPELINE_BIND_POINT_COMPUTE), kernel.layout, 0, 1, &set, 0, nil)
      }
      if !constants.isEmpty {
        functions.cmdPushConstants(
          buffer, kernel.layout, UInt32(VK_SHADER_STAGE_COMPUTE_BIT), 0, UInt32(constants.count), constants)
      }
      switch grid {
      case .direct(let grid): functions.cmdDispatch(buffer, UInt32(grid.x), UInt32(grid.y), UInt32(grid.z))
      case .indirect(let counts):
        guard let source = counts.buffer as? VulkanBuffer else { return }
        functions.cmdDispatchIndirect(buffer, source.handle, UInt64(counts.offset))
      }
    case .copy(let source, let target):
      guard let from = source.buffer as? VulkanBuffer, let to = target.buffer as? VulkanBuffer else { return }
      var region = VkBufferCopy(
        srcOffset: UInt64(source.offset), dstOffset: UInt64(target.offset), size: UInt64(source.byteCount))
      functions.cmdCopyBuffer(buffer, from.handle, to.handle, 1, &region)
    case .fill(let target, let value):
      guard let to = target.buffer as? VulkanBuffer else { return }
      functions.cmdFillBuffer(buffer, to.handle, UInt64(target.offset), UInt64(target.byteCount), value)
    case .barrier: barrier(buffer)
    case .stage: timestamp(buffer)
    // These end a command buffer.
    case .signalHost, .waitForHost: break
    }
  }

  private mutating func timestamp(_ buffer: VkCommandBuffer) {
    guard let pool = objects.queryPool else { return }
    context.functions.cmdWriteTimestamp2(buffer, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, pool, UInt32(timestamps))
    timestamps += 1
  }

  /// All before is done, and what it wrote is seen by all after. One barrier for all of memory: drivers do no more for a
  /// part of it.
  private func barrier(_ buffer: VkCommandBuffer, fromHost: Bool = false, toHost: Bool = false) {
    let stages =
      VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT
      | VK_PIPELINE_STAGE_2_DRAW_INDIRECT_BIT
    let writes = VK_ACCESS_2_SHADER_WRITE_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT
    withScratch { scratch in
      var memory = VkMemoryBarrier2()
      memory.sType = UInt32(VK_STRUCTURE_TYPE_MEMORY_BARRIER_2)
      memory.srcStageMask = stages | (fromHost ? VK_PIPELINE_STAGE_2_HOST_BIT : 0)
      memory.srcAccessMask = writes | (fromHost ? VK_ACCESS_2_HOST_WRITE_BIT : 0)
      memory.dstStageMask = stages | (toHost ? VK_PIPELINE_STAGE_2_HOST_BIT : 0)
      memory.dstAccessMask =
        writes | VK_ACCESS_2_SHADER_READ_BIT | VK_ACCESS_2_TRANSFER_READ_BIT | VK_ACCESS_2_INDIRECT_COMMAND_READ_BIT
        | (toHost ? VK_ACCESS_2_HOST_READ_BIT : 0)
      var info = VkDependencyInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_DEPENDENCY_INFO)
      info.memoryBarrierCount = 1
      info.pMemoryBarriers = UnsafePointer(scratch.make(memory))
      context.functions.cmdPipelineBarrier2(buffer, &info)
    }
  }
}
