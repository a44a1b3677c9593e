import PowerInferKernels

/// The rows of up to three matrices with the same input, cut into pieces of about the same number of bytes, so that workers
/// with equally many pieces read equally much whatever the formats are.
struct RowPieces {
  /// A row group of the kernels: fewer rows at a time leave vector lanes empty.
  static let rowGroup = 32
  /// Bytes of a piece while one token is computed: long enough for memory to stream (32 KiB was up to a tenth slower), short
  /// enough that the last piece keeps nobody waiting for long.
  static let streamedBytes = 128 << 10

  private struct Part {
    var rows = 0
    var rowsPerPiece = 1
    var pieces: Int { (rows + rowsPerPiece - 1) / rowsPerPiece }

    init(_ matrix: Matrix?, tokens: Int, atLeast count: Int) {
      guard let matrix else { return }
      rows = matrix.rows
      let group = RowPieces.rowGroup
      let fewest = max(1, rows / (count * group)) * group
      // Many tokens make even one group of rows long work.
      rowsPerPiece =
        tokens > 1 ? group : min(fewest, max(1, RowPieces.streamedBytes / max(matrix.rowBytes * group, 1)) * group)
    }
  }

  private let parts: (Part, Part, Part)

  /// Pieces for products of these matrices with `tokens` tokens at a time, of each at least `count` where its rows allow it.
  init(_ first: Matrix, _ second: Matrix? = nil, _ third: Matrix? = nil, tokens: Int, atLeast count: Int = 1) {
    parts = (
      Part(first, tokens: tokens, atLeast: count), Part(second, tokens: tokens, atLeast: count),
      Part(third, tokens: tokens, atLeast: count)
    )
  }

  /// Pieces of all matrices together.
  var count: Int { parts.0.pieces + parts.1.pieces + parts.2.pieces }

  /// Which matrix (0, 1 or 2) the piece belongs to, and which of its rows it is.
  subscript(piece: Int) -> (matrix: Int, rows: Range<Int>) {
    var piece = piece
    if piece < parts.0.pieces { return (0, Self.rows(piece, of: parts.0)) }
    piece -= parts.0.pieces
    if piece < parts.1.pieces { return (1, Self.rows(piece, of: parts.1)) }
    return (2, Self.rows(piece - parts.1.pieces, of: parts.2))
  }

  private static func rows(_ piece: Int, of part: Part) -> Range<Int> {
    piece * part.rowsPerPiece..<min(part.rows, (piece + 1) * part.rowsPerPiece)
  }
}
