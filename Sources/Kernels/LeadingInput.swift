import CPowerInferKernels

/// Vectors of some tokens as products with leading bits read them, [capacity, columns] in 8 bits.
///
/// Filled by ``Kernels/arrange(_:token:into:slot:)`` with the kernels that will read it. Several threads may fill and read different
/// slots at the same time.
public final class LeadingInput {
  /// Elements of a vector.
  public let columns: Int
  /// Vectors there is room for.
  public let capacity: Int

  let codes: UnsafeMutablePointer<Int8>  // [capacity, codeStride]
  let floats: UnsafeMutablePointer<Float>  // [capacity, 7, blockStride]: scales, three sums, three energies
  let codeStride: Int
  let blockStride: Int

  /// Zeroed space for `capacity` vectors of `columns` elements.
  public init(columns: Int, capacity: Int) {
    (self.columns, self.capacity) = (columns, capacity)
    codeStride = (columns + 255) / 256 * 256
    blockStride = (columns + 511) / 512 * 16
    let (bytes, numbers) = (capacity * codeStride, capacity * 7 * blockStride)
    codes = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 64).assumingMemoryBound(to: Int8.self)
    codes.initialize(repeating: 0, count: bytes)
    floats = UnsafeMutableRawPointer.allocate(byteCount: numbers * 4 + 64, alignment: 64)
      .assumingMemoryBound(to: Float.self)
    floats.initialize(repeating: 0, count: numbers)
  }

  deinit {
    codes.deallocate()
    floats.deallocate()
  }

  /// Bytes that such a vector takes.
  public static func byteCount(columns: Int) -> Int {
    (columns + 255) / 256 * 256 + (columns + 511) / 512 * 16 * 7 * MemoryLayout<Float>.stride
  }

  func view(slot: Int) -> pi_leading_input {
    let own = floats + slot * 7 * blockStride
    return pi_leading_input(
      codes: codes + slot * codeStride, scales: own, sums: own + blockStride, energies: own + 4 * blockStride,
      block_stride: blockStride)
  }
}

extension Kernels {
  /// Arranges a token's vector for products with leading bits.
  ///
  /// - Parameters:
  ///   - x: values and their 8-bit form in ``Activations/Order/rows``, filled by these kernels.
  ///   - token: of `x`.
  ///   - input: as many columns.
  ///   - slot: of `input`.
  public func arrange(_ x: Activations, token: Int, into input: LeadingInput, slot: Int) {
    assert(x.columns == input.columns && token < x.capacity && slot < input.capacity && token >= x.panelCount)
    let (stride, own) = (input.blockStride, input.floats + slot * 7 * input.blockStride)
    assert(stride == x.blockStride)
    table.arrange_leading(x.codes + token * x.codeStride, x.columns, input.codes + slot * input.codeStride)
    own.update(from: x.scales + token * stride, count: stride)
    (own + stride).update(from: x.sums + token * 3 * stride, count: 3 * stride)
    pi_block_energies(x.row(token), x.columns, own + 4 * stride, stride)
  }

  /// What the leading bits of rows say of their products with a token.
  ///
  /// `z[r - rows.lowerBound]` is the product of row `r` with every code in the middle of what its other bits can make of it;
  /// `deviation[r - rows.lowerBound]` is the standard deviation of what these bits add, if they are uniform and independent:
  /// √(Σ over blocks of scale² · |x|² · (step² - 1) / 12), where step is the number of codes with the same leading bits.
  ///
  /// - Parameters:
  ///   - w: the rows.
  ///   - rows: of `w`.
  ///   - x: the token's vector.
  ///   - slot: of `x`.
  ///   - z: room for `rows.count` numbers.
  ///   - deviation: as much room.
  public func leadingProducts(
    _ w: SplitMatrix, rows: Range<Int>, by x: LeadingInput, slot: Int, into z: UnsafeMutablePointer<Float>,
    deviation: UnsafeMutablePointer<Float>
  ) {
    assert(w.columns == x.columns && rows.upperBound <= w.rows && slot < x.capacity)
    precondition(!w.isStriped || hasStripes || instructionSet == .portable, "these kernels have no stripes")
    var (matrix, input) = (w.view, x.view(slot: slot))
    table.multiply_leading(&matrix, rows.lowerBound, rows.upperBound, &input, z, deviation)
  }

  /// `y[i] = Σ_c w[rows[i], c] · x[c]` for one token: the same bits as the product with the rows in one piece or, where nibbles lie in
  /// stripes, with a matrix in ``RowLayout/stripes``.
  ///
  /// - Parameters:
  ///   - w: the rows.
  ///   - rows: their numbers.
  ///   - x: the token's vector, its 8-bit form in ``Activations/Order/rows``.
  ///   - y: room for as many numbers.
  ///   - scratch: room for ``joinedBytes(_:)``, where some rows at a time are put together.
  public func multiply(
    _ w: SplitMatrix, listed rows: UnsafeBufferPointer<UInt32>, by x: Activations,
    into y: UnsafeMutablePointer<Float>, scratch: UnsafeMutableRawPointer
  ) {
    assert(rows.allSatisfy { $0 < w.rows } && w.columns == x.columns && x.panelCount == 0)
    guard let list = rows.baseAddress else { return }
    let group = Self.joinedRows(w)
    let layout: RowLayout =
      w.isStriped && w.format.isNibbles && hasStripes ? .stripes : w.format.hasPlanes ? .planes : .blocks
    let joined = Matrix(format: w.format, rows: group, columns: w.columns, data: scratch, layout: layout)
    var (split, matrix, activations) = (w.view, joined.view, x.view(.rows))
    (matrix.tile, matrix.ahead) = (4, Int(PI_NOT_AHEAD))
    for begin in stride(from: 0, to: rows.count, by: group) {
      let end = min(begin + group, rows.count)
      table.join_listed(&split, list, rows.count, begin, end, scratch.assumingMemoryBound(to: UInt8.self))
      table.multiply(&matrix, 0, end - begin, &activations, 0, 1, y + begin, 0)
    }
  }

  /// Bytes of scratch for products with listed rows.
  public static func joinedBytes(_ w: SplitMatrix) -> Int {
    let rows = joinedRows(w)
    // Leading bits that are taken out of stripes need room behind the rows.
    return rows * w.format.rowBytes(columns: w.columns) + (w.isStriped ? (rows + 24) * w.leadingBytes : 0)
  }

  /// Rows that are put together at a time: few enough for the first cache, in groups that products read together.
  private static func joinedRows(_ w: SplitMatrix) -> Int {
    let group = w.isStriped ? WeightFormat.stripeRows : 4
    let fitting = (16 << 10) / max(1, w.format.rowBytes(columns: w.columns)) / group * group
    return min(max(fitting, group), 32)
  }
}
