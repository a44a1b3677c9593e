import Synchronization

/// Carries bytes between the host and memory that the host cannot reach, or should not in tests.
// Unchecked: what changes is behind the lock.
final class VulkanStaging: @unchecked Sendable {
  private struct Slot {
    let buffer: VulkanBuffer
    // The copy out of it that is still under way.
    var run: VulkanRun?
  }

  private let context: VulkanContext
  // Buffers at rest; whoever uploads takes them out, so that two uploads at once do not meet.
  private let resting = Mutex<[[VulkanBuffer]]>([])

  init(_ context: VulkanContext) { self.context = context }

  private var pieceBytes: Int { max(1, context.options.stagingBytes) }

  /// The bytes as the host may write them straight away; nil where they must be carried.
  private func direct(_ slice: GPUBufferSlice, _ buffer: VulkanBuffer) -> UnsafeMutableRawBufferPointer? {
    guard buffer.role != .device || (context.arena.sharesMemory && !context.options.forcesStaging),
      let bytes = buffer.mappedBytes
    else { return nil }
    return UnsafeMutableRawBufferPointer(rebasing: bytes[slice.offset..<(slice.offset + slice.byteCount)])
  }

  func upload(
    to target: GPUBufferSlice, of buffer: VulkanBuffer, inMultiplesOf multiple: Int,
    _ fill: (UnsafeMutableRawBufferPointer, Int) throws -> Void
  ) throws {
    if let bytes = direct(target, buffer) {
      // An earlier run may still be reading what is about to be replaced.
      try context.queue.waitForAll(label: "work before filling \(buffer.label)")
      return try fill(bytes, 0)
    }
    let piece = pieceBytes / multiple * multiple
    guard piece > 0 else {
      throw GPUError.uploadMultiple(buffer: buffer.label, multiple: multiple, limit: pieceBytes)
    }
    var slots = try take(pieceBytes, .hostWritten).map { Slot(buffer: $0) }
    // On every way out: no copy is under way any more.
    defer {
      let buffers = slots.map(\.buffer)
      slots = []
      resting.withLock { $0.append(buffers) }
    }
    var (offset, next) = (0, 0)
    while offset < target.byteCount {
      try slots[next].run?.finish(limit: nil)
      let count = min(piece, target.byteCount - offset)
      let source = slots[next].buffer
      guard let bytes = source.mappedBytes else { throw GPUError.notVisible(buffer: source.label) }
      try fill(UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]), offset)
      slots[next].run = try copy(
        GPUBufferSlice(source, offset: 0, byteCount: count),
        GPUBufferSlice(buffer, offset: target.offset + offset, byteCount: count))
      offset += count
      next = (next + 1) % slots.count
    }
    for slot in slots { try slot.run?.finish(limit: nil) }
  }

  func download(_ source: GPUBufferSlice, of buffer: VulkanBuffer) throws(GPUError) -> [UInt8] {
    guard source.byteCount > 0 else { return [] }
    if let bytes = direct(source, buffer) {
      try context.queue.waitForAll(label: "work before reading \(buffer.label)")
      return Array(bytes)
    }
    let target = try VulkanBuffer(
      context, byteCount: min(pieceBytes, source.byteCount), role: .hostRead, label: "staging for reading")
    guard let bytes = target.mappedBytes else { throw .notVisible(buffer: target.label) }
    var result: [UInt8] = []
    result.reserveCapacity(source.byteCount)
    while result.count < source.byteCount {
      let count = min(target.byteCount, source.byteCount - result.count)
      try copy(
        GPUBufferSlice(buffer, offset: source.offset + result.count, byteCount: count),
        GPUBufferSlice(target, offset: 0, byteCount: count)
      ).finish(limit: nil)
      result.append(contentsOf: bytes[..<count])
    }
    return result
  }

  private func copy(_ source: GPUBufferSlice, _ target: GPUBufferSlice) throws(GPUError) -> VulkanRun {
    var recorder = GPURecorder(
      limits: context.description.limits, options: GPURecordingOptions(), device: ObjectIdentifier(context),
      owner: { [context] _ in ObjectIdentifier(context) })
    try recorder.copy(from: source, to: target)
    let label = "copy from \(source.buffer.label) to \(target.buffer.label)"
    return try VulkanRun([VulkanRecording(context, label, recorder.commands)], context)
  }

  private func take(_ byteCount: Int, _ role: GPUBufferRole) throws(GPUError) -> [VulkanBuffer] {
    if let buffers = resting.withLock({ $0.popLast() }) { return buffers }
    let first = try VulkanBuffer(context, byteCount: byteCount, role: role, label: "staging 0")
    return [first, try VulkanBuffer(context, byteCount: byteCount, role: role, label: "staging 1")]
  }
}
