/// Neurons of a layer cut into pieces of equal length, a multiple of a row group: long enough that what a piece costs by itself
/// is little, so few that the sums of all pieces are soon added.
struct NeuronPieces {
  /// Pieces of a layer at most.
  static let most = 32
  private static let least = 384
  let perPiece: Int
  private let neurons: Int

  /// - Parameter most: pieces at most.
  init(neurons: Int, most: Int = NeuronPieces.most) {
    self.neurons = neurons
    let group = RowPieces.rowGroup
    perPiece = max(Self.least, (neurons + most * group - 1) / (most * group) * group)
  }

  var count: Int { (neurons + perPiece - 1) / perPiece }

  subscript(piece: Int) -> Range<Int> { piece * perPiece..<min(neurons, (piece + 1) * perPiece) }
}
