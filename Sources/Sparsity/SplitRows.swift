public import PowerInferKernels
import PowerInferPlatform

/// Rows of a matrix in two areas, made from one whose rows lie in one piece.
// Unchecked: nothing writes to the rows once they are made.
public final class SplitRows: @unchecked Sendable {
  public let matrix: SplitMatrix
  private let pages: HugePages

  /// Bytes of both areas: those of the matrix.
  var byteCount: Int { matrix.rows * (matrix.leadingBytes + matrix.restBytes) }

  static func byteCount(of matrix: Matrix) -> Int {
    matrix.rows * matrix.format.rowBytes(columns: matrix.columns)
  }

  /// Splits a matrix of codes.
  ///
  /// - Returns: nil where the system does not give so much memory.
  init?(splitting source: Matrix, team: ThreadTeam) {
    let leadingBytes = source.format.leadingBytes(columns: source.columns)
    let restBytes = source.format.restBytes(columns: source.columns)
    // The second area begins with a line of its own.
    let border = (source.rows * leadingBytes + 63) / 64 * 64
    guard let pages = HugePages(size: border + source.rows * restBytes + 64) else { return nil }
    // Every piece writes rows of its own.
    let target = Unguarded(pages.start)
    team.run { member in
      let width = 64
      member.pieces((source.rows + width - 1) / width) { piece in
        for row in piece * width..<min(source.rows, (piece + 1) * width) {
          source.split(
            row: row, leading: target.value + row * leadingBytes, rest: target.value + border + row * restBytes)
        }
      }
    }
    pages.protect()
    self.pages = pages
    matrix = SplitMatrix(
      format: source.format, rows: source.rows, columns: source.columns, leading: pages.start,
      rest: pages.start + border)
  }

  deinit { pages.giveBack() }
}

/// What of a layer the leading bits are asked of.
public struct LeadingWeights: Sendable {
  /// The gate; in families without gates the up projection.
  public let gate: SplitRows
  /// The up projection, where it can silence a neuron too.
  public let up: SplitRows?

  var byteCount: Int { gate.byteCount + (up?.byteCount ?? 0) }
}
