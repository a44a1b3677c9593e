import PowerInferSparsity

/// Neurons of a layer cut into pieces: long enough that what a piece costs by itself is little, so few that the sums of all pieces
/// are soon added. What a piece is depends on the layer alone, and with it the order in which its output is summed.
final class NeuronPieces: Sendable {
  /// Pieces of a layer at most, where its neurons lie together.
  static let most = 32
  private static let least = 384

  /// Every piece's neurons in the file's order; only those of `list` where there is one.
  let ranges: [Range<Int>]
  /// Every piece's part of the list of resident neurons; empty where pieces are whole stretches.
  let lists: [Range<Int>]
  let list: [UInt32]

  var count: Int { ranges.count }

  /// - Parameters:
  ///   - neurons: of the layer.
  ///   - resident: those that are computed here.
  init(neurons: Int, resident: ResidentNeurons = .all) {
    let perPiece = Self.perPiece(neurons: neurons)
    func cut(_ range: Range<Int>) -> [Range<Int>] {
      stride(from: range.lowerBound, to: range.upperBound, by: perPiece).map {
        $0..<min($0 + perPiece, range.upperBound)
      }
    }
    switch resident {
    case .all: (ranges, lists, list) = (cut(0..<neurons), [], [])
    case .ranges(let stretches): (ranges, lists, list) = (stretches.flatMap(cut), [], [])
    case .list(let numbers):
      let parts = cut(0..<numbers.count)
      ranges = parts.map { Int(numbers[$0.lowerBound])..<Int(numbers[$0.upperBound - 1]) + 1 }
      (lists, list) = (parts, numbers)
    }
  }

  /// A multiple of a row group.
  static func perPiece(neurons: Int) -> Int {
    let group = RowPieces.rowGroup
    return max(least, (neurons + most * group - 1) / (most * group) * group)
  }
}
