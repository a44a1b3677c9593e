import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// What choosing neurons writes: lists, what is computed of them, predictions.
final class NeuronScratch {
  /// Tokens whose lists of neurons may be united.
  static let unionCapacity = 4

  /// A worker's own. A piece is of one token's neurons, or a row group of a few tokens'.
  struct Own {
    let list: UnsafeMutablePointer<UInt32>  // [piece]
    let tokens: UnsafeMutablePointer<UInt8>  // [piece], for which tokens a neuron is active: bit t
    let gate: UnsafeMutablePointer<Float>  // [piece], or [union, row group]
    let up: UnsafeMutablePointer<Float>  // [piece], or [union, row group]
    let predictorInput: Activations  // [1, d], or empty
    let scores: UnsafeMutablePointer<Float>  // [B, row group], predictions of a piece

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
  let sums: UnsafeMutablePointer<Float>  // [pieces, d], what each piece adds to the residual
  /// Tokens that predictions can be made for at once.
  let capacity: Int
  let predictorInput: Activations  // [B, d], or empty
  let scores: UnsafeMutablePointer<Float>  // [B, f], predictions
  let ranks: [Rank]  // per layer; empty without predictors

  init(configuration c: ModelConfiguration, plan: SparsityPlan, batchSize: Int, workers: Int, isObserved: Bool) {
    let layerRanks = plan.layers.compactMap { $0.predictor?.rank }
    let isPredicting = !layerRanks.isEmpty
    capacity = plan.masksPrompts || isObserved ? batchSize : min(batchSize, Self.unionCapacity)
    let (capacity, piece) = (capacity, Self.pieceCapacity(neurons: c.feedForwardSize))
    own = (0..<workers).map { _ in
      Own(
        list: .allocate(capacity: piece), tokens: .allocate(capacity: piece),
        gate: .allocate(capacity: piece),
        up: .allocate(capacity: piece),
        predictorInput: Activations(columns: c.hiddenSize, capacity: isPredicting ? 1 : 0),
        scores: .allocate(capacity: capacity * RowPieces.rowGroup))
    }
    ones = .allocate(capacity: piece)
    ones.initialize(repeating: 1, count: piece)
    sums = .allocate(capacity: NeuronPieces.most * c.hiddenSize)
    predictorInput = Activations(columns: c.hiddenSize, capacity: isPredicting ? capacity : 0)
    scores = .allocate(capacity: isPredicting ? capacity * c.feedForwardSize : 1)
    var byRank: [Int: Rank] = [:]
    ranks = layerRanks.map { rank in
      let scratch = byRank[rank] ?? Rank(rank, capacity: capacity, workers: workers)
      byRank[rank] = scratch
      return scratch
    }
  }

  deinit {
    for own in own {
      own.list.deallocate()
      own.tokens.deallocate()
      own.gate.deallocate()
      own.up.deallocate()
      own.scores.deallocate()
    }
    ones.deallocate()
    sums.deallocate()
    scores.deallocate()
  }

  /// Neurons of a piece at most, or values of a few tokens' row group.
  private static func pieceCapacity(neurons: Int) -> Int {
    max(NeuronPieces(neurons: neurons, most: NeuronPieces.most / 2).perPiece, unionCapacity * RowPieces.rowGroup)
  }

  /// Floats of lists that a worker has, and of all sums.
  static func floats(configuration c: ModelConfiguration) -> (own: Int, sums: Int) {
    (pieceCapacity(neurons: c.feedForwardSize) * 5, NeuronPieces.most * c.hiddenSize)
  }

  /// Floats that predictions of a token take, with 8-bit forms counted as another half of their values.
  static func predictionFloats(configuration c: ModelConfiguration, ranks: [Int]) -> Int {
    c.hiddenSize * 3 / 2 + c.feedForwardSize + RowPieces.rowGroup + Set(ranks).reduce(0) { $0 + $1 * 5 / 2 + 512 }
  }
}
