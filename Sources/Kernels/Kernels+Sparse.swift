import CPowerInferKernels

/// Which entries ``Kernels/select(_:numbers:by:into:values:)`` keeps. An entry that is not a number is kept by every rule, and
/// a threshold that is not a number keeps everything.
public enum SelectionRule: Sendable, Equatable {
  /// Values that are not below the threshold: what a predictor calls active.
  case from(Float)
  /// Values that are not at or below the threshold: with 0, what ReLU lets through.
  case above(Float)
  /// Magnitudes that are not below the threshold: a calibrated cut.
  case magnitude(Float)

  var code: UInt32 {
    switch self {
    case .from: UInt32(PI_KEEP_FROM)
    case .above: UInt32(PI_KEEP_ABOVE)
    case .magnitude: UInt32(PI_KEEP_MAGNITUDE)
    }
  }

  var threshold: Float {
    switch self {
    case .from(let threshold), .above(let threshold), .magnitude(let threshold): threshold
    }
  }
}

/// Loops over lists of neurons: those that fire.
extension Kernels {
  /// `y[t * stride + i] = Σ_c w[rows[i], c] · x[t, c]` for every row of the list and token given: the same bits as
  /// ``multiply(_:rows:by:tokens:into:stride:)`` gives for that row and token.
  ///
  /// The list may be in any order and name a row several times; ascending is fastest. Of a matrix in ``RowLayout/stripes`` a row costs as
  /// much as the 16 of its stripe, unless they follow one another on the list. Quantised formats read the 8-bit form of
  /// `x`, which must have been filled by these kernels in the order of rows or of sixteens; others its floats.
  public func multiply(
    _ w: Matrix, listed rows: UnsafeBufferPointer<UInt32>, by x: Activations, tokens: Range<Int>,
    into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    assert(w.columns == x.columns && tokens.upperBound <= x.capacity)
    assert(rows.allSatisfy { $0 < w.rows })
    let border = min(max(x.panelCount, tokens.lowerBound), tokens.upperBound)
    assert(!w.format.usesQuantizedActivations || border == tokens.lowerBound || x.panelOrder == .sixteens)
    guard w.layout != .stripes else {
      return multiplyStripes(w, listed: rows, by: x, tokens: tokens, into: y, stride: stride)
    }
    guard let list = rows.baseAddress else { return }
    var matrix = w.view
    if border > tokens.lowerBound {
      var activations = x.view(x.panelOrder)
      table.multiply_listed(&matrix, list, rows.count, &activations, tokens.lowerBound, border, y, stride)
    }
    if border < tokens.upperBound {
      var activations = x.view(.rows)
      table.multiply_listed(&matrix, list, rows.count, &activations, border, tokens.upperBound, y, stride)
    }
  }

  /// Writes the numbers of those `values` that the rule keeps, ascending, and returns how many they are.
  ///
  /// - Parameters:
  ///   - values: one for each of `numbers`.
  ///   - numbers: of the entries.
  ///   - rule: which are kept.
  ///   - kept: room for `numbers.count` numbers; what lies behind the kept ones is overwritten.
  ///   - keptValues: the kept ones' values, if wanted; as much room, and may be `values`.
  public func select(
    _ values: UnsafePointer<Float>, numbers: Range<UInt32>, by rule: SelectionRule,
    into kept: UnsafeMutablePointer<UInt32>, values keptValues: UnsafeMutablePointer<Float>? = nil
  ) -> Int {
    table.select(values, nil, numbers.lowerBound, numbers.count, rule.code, rule.threshold, kept, keptValues)
  }

  /// Writes those numbers of a list whose `values` the rule keeps, in the list's order, and returns how many they are.
  ///
  /// - Parameters:
  ///   - values: one for each number of the list.
  ///   - list: [count]
  ///   - count: of the list.
  ///   - rule: which are kept.
  ///   - kept: room for `count` numbers, and may be `list`; what lies behind the kept ones is overwritten.
  ///   - keptValues: the kept ones' values, if wanted; as much room, and may be `values`.
  public func select(
    _ values: UnsafePointer<Float>, list: UnsafePointer<UInt32>, count: Int, by rule: SelectionRule,
    into kept: UnsafeMutablePointer<UInt32>, values keptValues: UnsafeMutablePointer<Float>? = nil
  ) -> Int {
    table.select(values, list, 0, count, rule.code, rule.threshold, kept, keptValues)
  }

  /// `y[c] += Σ_i h[i] · w[rows[i], c]` for all columns, in the order of the list.
  public func accumulate(
    _ w: Matrix, listed rows: UnsafeBufferPointer<UInt32>, coefficients h: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    assert(rows.allSatisfy { $0 < w.rows })
    precondition(w.layout != .stripes, "sums of rows need rows that lie by themselves")
    guard let list = rows.baseAddress else { return }
    var matrix = w.view
    table.accumulate_listed(&matrix, list, rows.count, h, y)
    // The vector loops take 32 columns at a time; rows of plain floats may be of any length.
    let whole = w.columns / 32 * 32
    guard instructionSet != .portable, whole < w.columns else { return }
    var rest = pi_matrix(
      data: w.data + w.format.rowBytes(columns: whole), row_bytes: w.rowBytes, columns: w.columns - whole,
      format: matrix.format, tile: 0, ahead: 0, cache: 0)
    pi_kernels_portable().pointee.accumulate_listed(&rest, list, rows.count, h, y + whole)
  }

  /// Asks the memory for the listed rows, which will be read soon.
  public func prefetch(_ w: Matrix, listed rows: UnsafeBufferPointer<UInt32>) {
    guard w.layout != .stripes, let list = rows.baseAddress else { return }
    var matrix = w.view
    pi_prefetch_listed(&matrix, list, rows.count)
  }

  /// `y = a · b` element by element, all [count]. `y` may be either input.
  public func multiplyElements(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.multiply_elements(a, b, y, count)
  }
}
