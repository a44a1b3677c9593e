import CPowerInferKernels

/// How the parts of a weight row lie in memory.
public enum RowLayout: Sendable, Equatable {
  /// As in the file: block after block, each with its scale and codes.
  case blocks
  /// Taken apart: first the scales of all blocks, then the minima, the fifth bits and the codes, as far as the format has them. The
  /// same number of bytes, but vectors of scales and codes are loaded at once.
  case planes
  /// 16 rows side by side, taken apart as ``planes`` are: where one row would have a scale or four bytes of codes, each of the 16 has
  /// its own in turn. The fastest for one token and for many, but a single row is expensive to read: for matrices that are
  /// always read whole.
  case stripes
}

extension WeightFormat {
  /// Whether rows of this format can be ``RowLayout/planes``. Blocks of 256 are long enough as they are.
  public var hasPlanes: Bool {
    switch self {
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: true
    case .f32, .f16, .bf16, .q4_K, .q5_K, .q6_K: false
    }
  }

  /// Rearranges rows that follow one another from ``RowLayout/blocks`` to ``RowLayout/planes``, in place.
  ///
  /// - Parameters:
  ///   - rows: whole rows of a format that ``hasPlanes``.
  ///   - columns: of a row.
  public func makePlanes(_ rows: UnsafeMutableRawBufferPointer, columns: Int) {
    precondition(hasPlanes && columns % blockElements == 0, "rows of a format with planes hold whole blocks")
    let width = rowBytes(columns: columns)
    guard let start = rows.baseAddress, width > 0 else { return }
    // Several rows are copied before the first is arranged: bytes that were just stored in pieces of another size load slowly.
    let some = max(1, Self.copiedBytes / width) * width
    withUnsafeTemporaryAllocation(byteCount: min(some, rows.count), alignment: 64) { scratch in
      guard let scratch = scratch.baseAddress else { return }
      for begin in stride(from: 0, through: rows.count - width, by: some) {
        let count = min(some, rows.count - begin) / width
        scratch.copyMemory(from: start + begin, byteCount: count * width)
        for row in 0..<count { pi_make_planar(rawValue, scratch + row * width, columns, start + begin + row * width) }
      }
    }
  }

  /// Rows of a stripe. Matrices with ``RowLayout/stripes`` have a multiple of them.
  public static let stripeRows = Int(PI_STRIPE)

  /// Rearranges rows that follow one another from ``RowLayout/blocks`` to ``RowLayout/stripes``, in place.
  ///
  /// - Parameters:
  ///   - rows: a multiple of ``stripeRows`` whole rows of a format that ``hasPlanes``.
  ///   - columns: of a row.
  public func makeStripes(_ rows: UnsafeMutableRawBufferPointer, columns: Int) {
    precondition(hasPlanes && columns % blockElements == 0, "rows of a format with planes hold whole blocks")
    let stripe = Self.stripeRows * rowBytes(columns: columns)
    guard let start = rows.baseAddress, stripe > 0 else { return }
    precondition(rows.count % stripe == 0, "stripes are whole")
    withUnsafeTemporaryAllocation(byteCount: stripe, alignment: 64) { scratch in
      guard let scratch = scratch.baseAddress else { return }
      for begin in stride(from: 0, to: rows.count, by: stripe) {
        scratch.copyMemory(from: start + begin, byteCount: stripe)
        pi_make_stripe(rawValue, scratch, columns, start + begin)
      }
    }
  }

  /// Of rows that are copied together; with what becomes of them they fit a core's second cache.
  private static let copiedBytes = 1 << 16
}

extension Matrix {
  /// Writes row `index` as a file has it, ``rowBytes`` or fewer bytes, whatever the matrix's own ``layout``.
  public func copyBlocks(ofRow index: Int, into target: UnsafeMutableRawPointer) {
    let width = format.rowBytes(columns: columns)
    switch layout {
    case .blocks: target.copyMemory(from: row(index), byteCount: width)
    case .planes: pi_make_blocks(format.rawValue, row(index), columns, target)
    case .stripes: copyBlocks(ofStripedRow: index, columns: 0..<columns, into: target)
    }
  }

  /// The same for some columns of a row in a stripe; their bounds are multiples of the format's block.
  func copyBlocks(ofStripedRow index: Int, columns some: Range<Int>, into target: UnsafeMutableRawPointer) {
    let (row, size) = (firstRow + index, WeightFormat.stripeRows)
    let stripe = data + row / size * size * rowBytes
    pi_read_stripe(format.rawValue, stripe, row % size, columns, some.lowerBound, some.upperBound, target)
  }

  /// Lets `body` see the blocks of some columns of a row in a stripe, in memory of their own.
  func withBlocks<Result>(
    ofStripedRow index: Int, columns some: Range<Int>, _ body: (UnsafeMutableRawPointer) -> Result
  ) -> Result {
    // Vector loops may look a little past the end.
    let scratch = UnsafeMutableRawPointer.allocate(
      byteCount: format.rowBytes(columns: some.count) + 64, alignment: 64)
    defer { scratch.deallocate() }
    copyBlocks(ofStripedRow: index, columns: some, into: scratch)
    return body(scratch)
  }
}
