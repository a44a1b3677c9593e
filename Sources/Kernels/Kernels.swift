import CPowerInferKernels

/// The inner loops of one instruction set.
///
/// Nothing here allocates, locks or knows about threads. Every result depends only on its own row, token or head, never on
/// how rows, tokens or columns were divided into calls: the same bits for any number of threads.
// Unchecked: constants, but the compiler does not know that C functions may be called by any thread.
public struct Kernels: @unchecked Sendable {
  /// Which processor instructions these loops use.
  public let instructionSet: InstructionSet
  let table: pi_kernels
  /// How products of one token read weights.
  public var readings = RowReadings()
  /// Whether some of the weights are BF16. Where that matters, several tokens together go by panels from fewer of them on.
  public var takesBF16 = false

  /// The kernels of ``InstructionSet/active``.
  public static let active =
    Kernels(.active) ?? Kernels(instructionSet: .portable, table: pi_kernels_portable().pointee)

  /// - Returns: nil when this processor lacks the instruction set.
  public init?(_ instructionSet: InstructionSet) {
    guard let table = instructionSet.table else { return nil }
    self.init(instructionSet: instructionSet, table: table.pointee)
  }

  private init(instructionSet: InstructionSet, table: pi_kernels) {
    self.instructionSet = instructionSet
    self.table = table
  }

  /// The order of 8-bit forms that makes products with so many tokens at once fastest.
  public func order(forTokens count: Int) -> Activations.Order {
    func isReached(_ least: Int) -> Bool { least > 0 && count >= least }
    if takesBF16, table.bf16_panel_tokens > 0 { return isReached(table.bf16_panel_tokens) ? .panels : .rows }
    return isReached(table.panel_tokens) ? .panels : isReached(table.sixteen_tokens) ? .sixteens : .rows
  }

  /// Whether products by panels are ever faster.
  public var hasPanels: Bool { table.panel_tokens > 0 }

  /// `y[t * stride + r] = Σ_c w[r, c] · x[t, c]` for every row and token given.
  ///
  /// Quantised formats read the 8-bit form of `x`, which must have been filled by these kernels; others its floats.
  public func multiply(
    _ w: Matrix, rows: Range<Int>, by x: Activations, tokens: Range<Int>, into y: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    assert(w.columns == x.columns && rows.upperBound <= w.rows && tokens.upperBound <= x.capacity)
    let border = min(max(x.panelCount, tokens.lowerBound), tokens.upperBound)
    if border > tokens.lowerBound {
      multiply(w, rows: rows, by: x.view(x.panelOrder), tokens: tokens.lowerBound..<border, into: y, stride: stride)
    }
    if border < tokens.upperBound {
      multiply(w, rows: rows, by: x.view(.rows), tokens: border..<tokens.upperBound, into: y, stride: stride)
    }
  }

  private func multiply(
    _ w: Matrix, rows: Range<Int>, by x: pi_activations, tokens: Range<Int>, into y: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    var (matrix, activations) = (w.view, x)
    if w.layout == .stripes, !hasStripes {
      // Arranged for other kernels: a case for tests.
      for row in rows {
        w.withBlocks(ofStripedRow: row, columns: 0..<w.columns) { blocks in
          matrix.data = UnsafeRawPointer(blocks)
          matrix.format = w.format.rawValue
          table.multiply(
            &matrix, 0, 1, &activations, tokens.lowerBound, tokens.upperBound, y + row, stride)
        }
      }
      return
    }
    readings.apply(to: &matrix, of: w)
    table.multiply(
      &matrix, w.firstRow + rows.lowerBound, w.firstRow + rows.upperBound, &activations, tokens.lowerBound,
      tokens.upperBound, y - w.firstRow, stride)
  }

  /// Whether products with matrices in ``RowLayout/stripes`` are fast.
  public var hasStripes: Bool { table.has_stripes != 0 }

  /// A product with listed rows of a matrix in stripes. Of listed rows in one stripe, all between the first and the last are computed at
  /// once, because a few rows of a stripe cost as much as all of them.
  func multiplyStripes(
    _ w: Matrix, listed rows: UnsafeBufferPointer<UInt32>, by x: Activations, tokens: Range<Int>,
    into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let width = WeightFormat.stripeRows
    func stripe(_ index: Int) -> Int { (w.firstRow + Int(rows[index])) / width }
    var start = 0
    while start < rows.count {
      // As far as rows follow one another.
      var end = start + 1
      while end < rows.count, rows[end] == rows[end - 1] + 1 { end += 1 }
      var last = start + 1
      // Or as far as they ascend within a stripe.
      while last < rows.count, rows[last] > rows[last - 1], stripe(last) == stripe(start) { last += 1 }
      let first = Int(rows[start])
      guard last > end else {
        multiply(
          w, rows: first..<Int(rows[end - 1]) + 1, by: x.view(.rows), tokens: tokens, into: y + start - first,
          stride: stride)
        start = end
        continue
      }
      withUnsafeTemporaryAllocation(of: Float.self, capacity: tokens.count * width) { all in
        guard let values = all.baseAddress else { return }
        let target = values - first - tokens.lowerBound * width
        multiply(
          w, rows: first..<Int(rows[last - 1]) + 1, by: x.view(.rows), tokens: tokens, into: target, stride: width)
        for token in tokens {
          for index in start..<last { y[token * stride + index] = target[token * width + Int(rows[index])] }
        }
      }
      start = last
    }
  }

  /// `y[t * stride + c] += Σ_r h[t * hStride + r] · w[r, c]` for the given columns (bounds are multiples of the format's
  /// block, and of 32, or the number of columns).
  ///
  /// Rows whose coefficient is 0 are not read. Rows are added in ascending order.
  public func accumulateRows(
    _ w: Matrix, coefficients h: UnsafePointer<Float>, hStride: Int, tokens: Range<Int>, columns: Range<Int>,
    into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    assert(columns.lowerBound % w.format.blockElements == 0 && columns.upperBound <= w.columns)
    precondition(w.layout != .stripes, "sums of rows need rows that lie by themselves")
    var matrix = w.view
    table.accumulate_rows(
      &matrix, w.rows, h, hStride, tokens.lowerBound, tokens.upperBound, columns.lowerBound, columns.upperBound, y,
      stride)
    // The vector loops take 32 columns at a time; rows of plain floats may be of any length.
    let whole = columns.upperBound / 32 * 32
    guard instructionSet != .portable, whole < columns.upperBound else { return }
    pi_kernels_portable().pointee.accumulate_rows(
      &matrix, w.rows, h, hStride, tokens.lowerBound, tokens.upperBound, max(whole, columns.lowerBound),
      columns.upperBound, y, stride)
  }

  /// `y = x / √(mean(x²) + epsilon) · weight`, all [count]. `y` may be `x`.
  public func rmsNorm(
    _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, epsilon: Float, count: Int,
    into y: UnsafeMutablePointer<Float>
  ) {
    table.rms_norm(x, weight, epsilon, count, y)
  }

  /// `y = (x - mean(x)) / √(variance(x) + epsilon) · weight + bias`, all [count]. `y` may be `x`. With an epsilon of 0 equal
  /// elements give NaN.
  public func layerNorm(
    _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>, epsilon: Float, count: Int,
    into y: UnsafeMutablePointer<Float>
  ) {
    table.layer_norm(x, weight, bias, epsilon, count, y)
  }

  /// `y += x`, both [count].
  public func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    table.add(x, y, count)
  }

  /// `y = gate · sigmoid(gate) · up`, all [count]. `y` may be either input.
  public func gateSiLU(
    _ gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.gate_silu(gate, up, y, count)
  }

  /// `y = max(gate, 0) · up`, all [count]. `y` may be either input. A NaN gate gives NaN.
  public func gateReLU(
    _ gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.gate_relu(gate, up, y, count)
  }

  /// `y = max(gate, 0) · max(up, 0)`, all [count]. `y` may be either input. NaN stays NaN.
  public func gateReLUBoth(
    _ gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    table.gate_relu_both(gate, up, y, count)
  }

  /// `y = max(x, 0)`, both [count]. `y` may be `x`. NaN stays NaN.
  public func relu(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int) {
    table.relu(x, y, count)
  }

  /// `y = x · Φ(x)`, Φ the normal distribution function, both [count]. `y` may be `x`. The exact form (Hendrycks and Gimpel
  /// 2016, arXiv:1606.08415), not the one by tanh.
  public func gelu(_ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, count: Int) {
    table.gelu(x, y, count)
  }

  /// Rotary position embedding in place of the first `rotaryDimensions` elements, paired by `pairing`, of each head of `x`
  /// [heads, headSize]; the rest of each head stays as it is. `cosines` and `sines` are [rotaryDimensions / 2].
  public func rotate(
    _ x: UnsafeMutablePointer<Float>, heads: Int, headSize: Int, rotaryDimensions: Int, pairing: RotaryPairing,
    cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>
  ) {
    table.rotate(x, heads, headSize, rotaryDimensions, pairing.rawValue, cosines, sines)
  }

  /// Rounds to half precision, to nearest even.
  public func storeF16(_ x: UnsafePointer<Float>, count: Int, into y: UnsafeMutablePointer<UInt16>) {
    table.store_f16(x, count, y)
  }

  /// Softmax in place over [count].
  public func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
    table.softmax(x, count)
  }

  /// `count` stored elements as floats; `count` is a multiple of the format's block.
  public func dequantize(
    _ format: WeightFormat, _ source: UnsafeRawPointer, count: Int, into y: UnsafeMutablePointer<Float>
  ) {
    pi_dequantize(format.rawValue, source, count, y)
  }

  /// Elements of a row as floats, whatever its layout. The bounds of `columns` are multiples of the format's block.
  public func dequantize(
    _ matrix: Matrix, row: Int, columns: Range<Int>? = nil, into y: UnsafeMutablePointer<Float>
  ) {
    let columns = columns ?? 0..<matrix.columns
    assert(row < matrix.rows && columns.upperBound <= matrix.columns)
    if matrix.layout == .stripes {
      // So little at a time that its blocks fit a buffer on the stack.
      for begin in stride(from: columns.lowerBound, to: columns.upperBound, by: 512) {
        let some = begin..<min(begin + 512, columns.upperBound)
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 64) { blocks in
          guard let blocks = blocks.baseAddress else { return }
          matrix.copyBlocks(ofStripedRow: row, columns: some, into: blocks)
          dequantize(matrix.format, blocks, count: some.count, into: y + begin - columns.lowerBound)
        }
      }
      return
    }
    let view = matrix.view
    pi_dequantize_part(
      view.format, matrix.row(row), matrix.columns, columns.lowerBound, columns.upperBound, y)
  }

  /// `count` floats stored in `format`; `count` is a multiple of the format's block.
  ///
  /// Blocks of up to 32 elements are the bytes of the GGUF reference encoder, each operation rounded by itself (as llama.cpp
  /// computes it on x86-64 without FMA; a build that fuses them differs in elements halfway between two codes). Blocks of 256,
  /// whose scales are a matter of search, leave no larger error than its own; in them NaN counts as 0 and values too large as
  /// the largest there is.
  public func quantize(
    _ format: WeightFormat, _ source: UnsafePointer<Float>, count: Int, into y: UnsafeMutableRawPointer
  ) {
    pi_quantize(format.rawValue, source, count, y)
  }
}
