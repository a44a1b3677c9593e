import CPowerInferKernels

extension Kernels {
  /// `h[i * columns + j] += Σ_t x[t * stride + i] · x[t * stride + j]` for the rows `i` given and all `j ≥ i`: the upper triangle
  /// of the second moments of `tokens` vectors of `columns` elements. What stands below the diagonal is of no use afterwards.
  public func accumulateGram(
    _ x: UnsafePointer<Float>, stride: Int, tokens: Int, columns: Int, rows: Range<Int>,
    into h: UnsafeMutablePointer<Float>
  ) {
    assert(rows.upperBound <= columns)
    table.accumulate_gram(x, stride, tokens, columns, rows.lowerBound, rows.upperBound, h)
  }
}
