public import PowerInferKernels
import PowerInferPlatform

/// Rows of a matrix in two areas, made from one whose rows lie in one piece.
// Unchecked: nothing writes to the rows once they are made.
public final class SplitRows: @unchecked Sendable {
  public let matrix: SplitMatrix
  private let pages: HugePages

  /// Bytes of both areas.
  var byteCount: Int { Self.byteCount(of: matrix.format, matrix.rows, matrix.columns, isStriped: matrix.isStriped) }

  /// What both areas take: as many bytes as the rows, and what fills up the last stripe.
  ///
  /// - Parameter rows: how many of the matrix; `nil` for all.
  static func byteCount(of matrix: Matrix, rows: Int?) -> Int {
    byteCount(of: matrix.format, rows ?? matrix.rows, matrix.columns, isStriped: becomeStripes(matrix))
  }

  private static func byteCount(of format: WeightFormat, _ rows: Int, _ columns: Int, isStriped: Bool) -> Int {
    leadingRows(rows, isStriped: isStriped) * format.leadingBytes(columns: columns) + rows
      * format.restBytes(columns: columns)
  }

  /// Whether the leading bits of a matrix will lie side by side: only where its rows do, so that completed rows give the same sums.
  private static func becomeStripes(_ matrix: Matrix) -> Bool {
    matrix.layout == .stripes && matrix.format.hasLeadingStripes(columns: matrix.columns)
  }

  private static func leadingRows(_ rows: Int, isStriped: Bool) -> Int {
    let width = WeightFormat.stripeRows
    return isStriped ? (rows + width - 1) / width * width : rows
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
    let isStriped = Self.becomeStripes(source)
    let border = (Self.leadingRows(count, isStriped: isStriped) * leadingBytes + 63) / 64 * 64
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
