import CPowerInferVulkan

/// A buffer and its place in the arena.
// Unchecked: nothing changes after `init`; who may touch the bytes is for the host and its recordings to agree on.
final class VulkanBuffer: GPUBuffer, @unchecked Sendable {
  let context: VulkanContext
  let handle: VkBuffer
  let byteCount: Int
  let role: GPUBufferRole
  let label: String
  private let piece: VulkanArena.Piece

  var hostBytes: UnsafeMutableRawBufferPointer? { role == .device ? nil : mappedBytes }

  /// The bytes wherever the host can reach them, whatever the role.
  var mappedBytes: UnsafeMutableRawBufferPointer? {
    piece.hostBytes.map { UnsafeMutableRawBufferPointer(start: $0, count: byteCount) }
  }

  init(_ context: VulkanContext, byteCount: Int, role: GPUBufferRole, label: String) throws(GPUError) {
    try context.calls.checkUsable()
    let limit = context.description.limits.bufferBytes
    guard byteCount > 0, byteCount <= limit else {
      throw .bufferSize(label: label, byteCount: byteCount, limit: limit)
    }
    let (device, functions, calls) = (context.device, context.functions, context.calls)
    var info = VkBufferCreateInfo()
    info.sType = UInt32(VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO)
    info.size = UInt64(byteCount)
    info.usage = UInt32(
      VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT
        | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT)
    info.sharingMode = UInt32(VK_SHARING_MODE_EXCLUSIVE)
    let handle = try calls.create("vkCreateBuffer") { functions.createBuffer(device, &info, nil, $0) }
    var piece: VulkanArena.Piece?
    do {
      var requirements = VkMemoryRequirements()
      functions.getBufferMemoryRequirements(device, handle, &requirements)
      let taken = try context.arena.take(requirements, role: role, byteCount: byteCount, label: label)
      piece = taken
      try calls.check("vkBindBufferMemory") {
        functions.bindBufferMemory(device, handle, taken.memory, UInt64(taken.range.lowerBound))
      }
      self.piece = taken
    } catch {
      functions.destroyBuffer(device, handle, nil)
      calls.destroyed("vkCreateBuffer")
      if let piece { context.arena.give(piece, byteCount: byteCount, frees: true) }
      throw error
    }
    self.context = context
    self.handle = handle
    self.byteCount = byteCount
    self.role = role
    self.label = label
    context.name(handle, VK_OBJECT_TYPE_BUFFER, label)
  }

  deinit {
    context.destroy("vkCreateBuffer") { context.functions.destroyBuffer(context.device, handle, nil) }
    context.arena.give(piece, byteCount: byteCount, frees: !context.queue.isStuck)
  }
}
