public import PowerInferKernels
import PowerInferPlatform

/// Rows of a matrix in two areas, made from one whose rows lie in one piece.
// Unchecked: nothing writes to the rows once they are made.
public final class SplitRows: @unchecked Sendable {
  public let matrix: SplitMatrix
  private let pages: HugePages

  /// Bytes of both areas.
  var byteCount: Int {
    let leading = Self.leadingRows(matrix.rows, of: matrix.format, columns: matrix.columns) * matrix.leadingBytes
    return leading + matrix.rows * matrix.restBytes
  }

  /// What both areas take: as many bytes as the rows, and what fills up the last stripe.
  ///
  /// - Parameter rows: how many of the matrix; `nil` for all.
  static func byteCount(of matrix: Matrix, rows: Int?) -> Int {
    let (format, columns, rows) = (matrix.format, matrix.columns, rows ?? matrix.rows)
    let leading = leadingRows(rows, of: format, columns: columns) * format.leadingBytes(columns: columns)
    return leading + rows * format.restBytes(columns: columns)
  }

  /// Whether the leading bits of rows lie side by side. The product with all rows is then up to twice as fast, while a few rows out of a
  /// stripe take longer to complete, as all of it is read again: measured, it pays with 576 columns, makes no difference with 2048 and
  /// costs a fifth with 4096.
  private static func hasStripes(_ format: WeightFormat, columns: Int) -> Bool {
    Kernels.active.hasStripes && (format == .q4_0 || format == .q4_1) && columns <= 1024
  }

  private static func leadingRows(_ rows: Int, of format: WeightFormat, columns: Int) -> Int {
    let width = WeightFormat.stripeRows
    return hasStripes(format, columns: columns) ? (rows + width - 1) / width * width : rows
  }

  /// Splits a matrix of codes.
  ///
  /// - Parameters:
  ///   - source: of a format that has leading bits.
  ///   - rows: those that are taken, one after the other; `nil` for all.
  ///   - team: what does it.
  /// - Returns: nil where the system does not give so much memory.
  init?(splitting source: Matrix, rows: [UInt32]?, team: ThreadTeam) {
    let leadingBytes = source.format.leadingBytes(columns: source.columns)
    let restBytes = source.format.restBytes(columns: source.columns)
    // The second area begins with a line of its own.
    let count = rows?.count ?? source.rows
    let isStriped = Self.hasStripes(source.format, columns: source.columns)
    let border = (Self.leadingRows(count, of: source.format, columns: source.columns) * leadingBytes + 63) / 64 * 64
    guard let pages = HugePages(size: border + count * restBytes + 64) else { return nil }
    // Every piece writes rows of its own.
    let target = Unguarded(pages.start)
    let (format, columns, width) = (source.format, source.columns, WeightFormat.stripeRows)
    team.run { member in
      let side = UnsafeMutableRawPointer.allocate(byteCount: width * leadingBytes, alignment: 64)
      defer { side.deallocate() }
      side.initializeMemory(as: UInt8.self, repeating: 0, count: width * leadingBytes)
      member.pieces((count + width - 1) / width) { piece in
        let leading = target.value + piece * width * leadingBytes
        for row in piece * width..<min(count, (piece + 1) * width) {
          source.split(
            row: rows.map { Int($0[row]) } ?? row,
            leading: (isStriped ? side : leading) + (row - piece * width) * leadingBytes,
            rest: target.value + border + row * restBytes)
        }
        if isStriped { format.makeLeadingStripe(side, columns: columns, into: leading) }
      }
    }
    pages.protect()
    self.pages = pages
    matrix = SplitMatrix(
      format: source.format, rows: count, columns: source.columns, leading: pages.start,
      rest: pages.start + border, isStriped: isStriped)
  }

  deinit { pages.giveBack() }
}

/// What of a layer the leading bits are asked of.
public struct LeadingWeights: Sendable {
  /// The gate; in families without gates the up projection.
  public let gate: SplitRows
  /// The up projection, where it can silence a neuron too.
  public let up: SplitRows?
  /// The neurons whose rows these are, ascending, where they are not all: row `i` is of neuron `neurons[i]`.
  public let neurons: [UInt32]?

  var byteCount: Int { gate.byteCount + (up?.byteCount ?? 0) }

  /// The rows of the neurons in a range: of those among them that are here.
  public func rows(of range: Range<Int>) -> Range<Int> {
    guard let neurons else { return range }
    return neurons.withUnsafeBufferPointer { neurons in
      func first(from neuron: Int) -> Int {
        var (low, high) = (0, neurons.count)
        while low < high {
          let middle = (low + high) / 2
          if neurons[middle] < neuron { low = middle + 1 } else { high = middle }
        }
        return low
      }
      return first(from: range.lowerBound)..<first(from: range.upperBound)
    }
  }
}
