/// Floats at an address that stays, aligned to a cache line, 0 at first.
final class FloatBuffer {
  let start: UnsafeMutablePointer<Float>
  let count: Int

  init(_ count: Int) {
    self.count = count
    // A line to spare, so that an empty buffer has an address too.
    start = UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Float>.stride + 64, alignment: 64)
      .assumingMemoryBound(to: Float.self)
    start.initialize(repeating: 0, count: count)
  }

  deinit { start.deallocate() }

  /// A buffer of the same numbers.
  func copy() -> FloatBuffer {
    let result = FloatBuffer(count)
    result.start.update(from: start, count: count)
    return result
  }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count * MemoryLayout<Float>.stride) }
}
