import CPowerInferKernels

/// Loops so light that memory alone limits them: what measures it.
extension Kernels {
  /// The sum of `lines` cache lines of 64 bytes as 64-bit words, modulo 2⁶⁴: the same from every instruction set.
  public func sumLines(_ data: UnsafeRawPointer, count lines: Int) -> UInt64 {
    table.sum_lines(data, lines)
  }

  /// `y = a + factor · b`, all [count]: the triad of STREAM (McCalpin 1995).
  public func triad(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, factor: Float, count: Int,
    into y: UnsafeMutablePointer<Float>
  ) {
    table.triad(a, b, factor, count, y)
  }
}
