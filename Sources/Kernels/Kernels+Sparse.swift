import CKernels

/// Which values stay on a list.
public enum SelectionRule: Sendable, Equatable {
  /// Not below it: `!(v < threshold)`, so that NaN stays.
  case from(Float)
  /// Not at or below it: `!(v <= threshold)`, so that NaN stays.
  case above(Float)
  /// Of no smaller magnitude: `!(|v| < threshold)`, so that NaN stays.
  case magnitude(Float)
}

extension Kernels {
  public func multiply(
    _ w: Matrix, listed rows: UnsafeBufferPointer<UInt32>, by x: Activations, tokens: Range<Int>,
    into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    var matrix = w.view
    var activations = x.view
    for (i, row) in rows.enumerated() {
      table.multiply(
        &matrix, Int(row), Int(row) + 1, &activations, tokens.lowerBound, tokens.upperBound, y + i - Int(row), stride)
    }
  }

  public func select(
    _ values: UnsafePointer<Float>, of list: UnsafePointer<UInt32>?, first: Int, count: Int, keeping rule: SelectionRule,
    into kept: UnsafeMutablePointer<UInt32>, values keptValues: UnsafeMutablePointer<Float>?
  ) -> Int {
    var n = 0
    for i in 0..<count {
      let v = values[i]
      let keep =
        switch rule {
        case .from(let t): !(v < t)
        case .above(let t): !(v <= t)
        case .magnitude(let t): !(abs(v) < t)
        }
      kept[n] = list?[i] ?? UInt32(truncatingIfNeeded: first + i)
      keptValues?[n] = v
      n += keep ? 1 : 0
    }
    return n
  }

  public func product(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    for i in 0..<count { y[i] = a[i] * b[i] }
  }
}
