import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// What choosing neurons writes: lists, what is computed of them, predictions.
final class NeuronScratch {
  /// A worker's own. Every piece has at most as many neurons as one of a row alone.
  struct Own {
    let list: UnsafeMutablePointer<UInt32>  // [piece]
    let other: UnsafeMutablePointer<UInt32>  // [piece], scratch for as many numbers as the list
    let gate: UnsafeMutablePointer<Float>  // [piece]
    let up: UnsafeMutablePointer<Float>  // [piece]
    let predictorInput: Activations  // [1, d], or empty
    let scores: UnsafeMutablePointer<Float>  // [B, row group] or [piece], predictions of a piece
    let rowForm: Activations  // [1, d], a row for products by rows; or empty
    let leading: LeadingInput  // [1, d], a row alone for products with leading bits; or empty
    let joined: UnsafeMutableRawPointer  // rows of two areas that are put together

    /// The first numbers of the list.
    func listed(_ count: Int) -> UnsafeBufferPointer<UInt32> {
      UnsafeBufferPointer(start: UnsafePointer(list), count: count)
    }

    /// Lists all of them and returns how many they are.
    func list(all numbers: Range<UInt32>) -> Int {
      for (entry, number) in numbers.enumerated() { list[entry] = number }
      return numbers.count
    }
  }

  /// What the predictors of one rank write.
  final class Rank {
    let hidden: UnsafeMutablePointer<Float>  // [B, rank], fc1 · p
    let rectified: Activations  // [B, rank]
    let own: [Activations]  // per worker, [1, rank]

    init(_ rank: Int, capacity: Int, workers: Int) {
      hidden = .allocate(capacity: rank * capacity)
      rectified = Activations(columns: rank, capacity: capacity)
      own = (0..<workers).map { _ in Activations(columns: rank, capacity: 1) }
    }

    deinit { hidden.deallocate() }
  }

  let own: [Own]
  let ones: UnsafeMutablePointer<Float>  // [piece]
  /// What each piece of a row alone adds to the output, [pieces, d]; for several rows [B, d], what one piece adds.
  let sums: UnsafeMutablePointer<Float>
  let predictorInput: Activations  // [B, d], or empty
  let scores: UnsafeMutablePointer<Float>  // [B, f], predictions, or what leading bits say
  let leading: LeadingInput  // [B, d], rows for products with leading bits; or empty
  let ranks: [Rank]  // per layer; empty without predictors

  /// - Parameter pieces: of a layer at most.
  init(configuration c: ModelConfiguration, plan: SparsityPlan, pieces: Int, batchSize: Int, workers: Int) {
    let layerRanks = plan.layers.compactMap { $0.predictor?.rank }
    let isPredicting = !layerRanks.isEmpty || plan.mode == .predictor
    let split = plan.layers.compactMap(\.leading).flatMap { [$0.gate, $0.up].compactMap { $0 } }
    let joinedBytes = split.map { Kernels.joinedBytes($0.matrix) }.max() ?? 0
    let piece = NeuronPieces.perPiece(neurons: c.feedForwardSize)
    own = (0..<workers).map { _ in
      Own(
        list: .allocate(capacity: piece), other: .allocate(capacity: piece),
        gate: .allocate(capacity: piece),
        up: .allocate(capacity: piece),
        predictorInput: Activations(columns: c.hiddenSize, capacity: isPredicting ? 1 : 0),
        scores: .allocate(capacity: max(piece, (isPredicting ? batchSize : 1) * RowPieces.rowGroup)),
        rowForm: Activations(columns: c.hiddenSize, capacity: split.isEmpty ? 0 : 1),
        leading: LeadingInput(columns: c.hiddenSize, capacity: split.isEmpty ? 0 : 1),
        joined: .allocate(byteCount: joinedBytes + 64, alignment: 64))
    }
    ones = .allocate(capacity: piece)
    ones.initialize(repeating: 1, count: piece)
    sums = .allocate(capacity: max(pieces, batchSize) * c.hiddenSize)
    predictorInput = Activations(columns: c.hiddenSize, capacity: isPredicting ? batchSize : 0)
    scores = .allocate(capacity: isPredicting || !split.isEmpty ? batchSize * c.feedForwardSize : 1)
    leading = LeadingInput(columns: c.hiddenSize, capacity: split.isEmpty ? 0 : batchSize)
    var byRank: [Int: Rank] = [:]
    ranks = layerRanks.map { rank in
      let scratch = byRank[rank] ?? Rank(rank, capacity: batchSize, workers: workers)
      byRank[rank] = scratch
      return scratch
    }
  }

  deinit {
    for own in own {
      own.list.deallocate()
      own.other.deallocate()
      own.gate.deallocate()
      own.up.deallocate()
      own.scores.deallocate()
      own.joined.deallocate()
    }
    ones.deallocate()
    sums.deallocate()
    scores.deallocate()
  }

  /// Floats that a worker has, and that all rows of a batch take.
  static func floats(configuration c: ModelConfiguration, batchSize: Int) -> (own: Int, sums: Int) {
    (NeuronPieces.perPiece(neurons: c.feedForwardSize) * 6, max(NeuronPieces.most, batchSize) * c.hiddenSize)
  }

  /// Floats that products with leading bits take of a row of the batch, and of each worker: a row, and rows that are put together, of
  /// which 32 are 16 KiB or four are more; short ones from stripes need room for their leading bits behind them.
  static func leadingFloats(configuration c: ModelConfiguration) -> (row: Int, own: Int) {
    let input = LeadingInput.byteCount(columns: c.hiddenSize) / MemoryLayout<Float>.stride + 1
    return (input + c.feedForwardSize, input + c.hiddenSize * 3 / 2 + 512 + max(10 << 10, 8 * c.hiddenSize))
  }

  /// Floats that predictions of a row take, with 8-bit forms counted as another half of their values.
  static func predictionFloats(configuration c: ModelConfiguration, ranks: [Int]) -> Int {
    c.hiddenSize * 3 / 2 + c.feedForwardSize + RowPieces.rowGroup + Set(ranks).reduce(0) { $0 + $1 * 5 / 2 + 512 }
  }
}
