import PowerInferKernels

/// How predictors are trained: everything that decides what comes out, but for the model and the text.
public struct TrainingRecipe: Codable, Equatable, Sendable {
  /// What all layers' predictors together are to do on held-out text. Layers share it out among them so that a neuron more
  /// is worth the same in each.
  public enum Goal: Codable, Equatable, Sendable {
    /// Compute this share of all neurons, and find as much as can be with so many.
    case computed(Double)
    /// Find this share of what neurons contribute, (|h| · ‖row of the down projection‖)².
    case kept(Double)
    /// Find this share of the neurons that fire, whatever they contribute.
    case recall(Double)

    /// The share.
    public var share: Double {
      switch self {
      case .computed(let share), .kept(let share), .recall(let share): share
      }
    }

    /// The power of a neuron's contribution that it is weighed by. The square is what perplexity follows.
    var power: Int { if case .recall = self { 0 } else { 2 } }
  }

  /// What is wanted.
  public var goal = Goal.computed(0.25)
  /// The share of a layer's neurons that may be computed while a share is to be found: ranks grow until it is enough.
  public var computedLimit: Double?
  /// The rank of every layer; nil for each layer's own.
  public var rank: Int?
  /// The largest rank that is tried.
  public var largestRank = 512
  /// What the matrices are stored in, and trained to bear.
  public var format = PredictorType.q8_0
  /// Of everything random.
  public var seed: UInt64 = 1
  /// Whether predictors that the model has are what training begins with.
  public var startsFromModel = true
  /// How often all layers are trained: the first time on what they read while all neurons are computed, then on what they read
  /// while those are left out that the predictors so far leave out, for errors of one layer move what the next ones read.
  public var passes = 2

  // MARK: Data

  /// Share of the text's chunks, at its end, that nothing is learnt from.
  public var heldOutShare = 0.1
  /// Held-out tokens that are looked at after every round, at most; evenly spaced.
  public var evaluationTokens = 8192

  // MARK: Loss

  /// What computing all neurons costs, beside the 1 that missing all contributions of a token costs, at first.
  public var price: Float = 0.05
  /// How fast the price follows what is wanted: 1 for at once.
  public var priceGain: Float = 0.7

  // MARK: Optimiser

  /// Tokens of a step.
  public var batch = 512
  /// Adam's rate, at the beginning.
  public var rate: Float = 1e-3
  /// The same where training begins with random weights.
  public var freshRate: Float = 2e-3
  /// The same of all passes but the first, as a share.
  public var laterRateShare: Float = 0.4
  /// What is left of the rate at the end.
  public var finalRateShare: Float = 0.03
  /// Steps in which the rate rises from 0.
  public var warmUpSteps = 100
  /// Share of its value that a weight loses, in steps of the full rate.
  public var decay: Float = 1e-5
  /// Steps between two roundings of the weights to the type in which they are stored.
  public var roundingInterval = 2

  // MARK: Schedule

  /// Tokens of a round, after which a layer is measured.
  public var roundTokens = 65_536
  /// How often the first pass goes through the text.
  public var epochs = 8.0
  /// How often later ones do, as a share of that.
  public var laterEpochsShare = 0.6
  /// Rounds for each rank that is tried.
  public var probeRounds = 3
  /// Rounds after each reduction of the rank.
  public var trimRounds = 3
  /// Rounds without an improvement after which a pass comes to its end.
  public var patience = 12
  /// Rounds in which the rate then falls.
  public var settlingRounds = 4

  /// The defaults.
  public init() {}

  /// Ranks are multiples of it, the length of a quantised block.
  public static let rankStep = 32
  /// Ranks that can be asked for.
  public static let rankRange = rankStep...4096
}

/// What a predictor's matrices can be stored in.
public enum PredictorType: String, Codable, Sendable, CaseIterable {
  case q8_0
  case q5_0
  case q4_0
  case f16

  var format: WeightFormat {
    switch self {
    case .q8_0: .q8_0
    case .q5_0: .q5_0
    case .q4_0: .q4_0
    case .f16: .f16
    }
  }

  /// The type for rows of so many columns: what does not fill blocks is stored as F16.
  func format(columns: Int) -> WeightFormat { columns % format.blockElements == 0 ? format : .f16 }
}

extension TrainingRecipe {
  /// - Throws: ``TrainingError`` for what is out of range.
  public func check() throws(TrainingError) {
    guard goal.share > 0, goal.share < 1 else { throw .goal(goal.share) }
    if let computedLimit, !(computedLimit > 0 && computedLimit <= 1) { throw .computedLimit(computedLimit) }
    for rank in [rank, largestRank].compactMap({ $0 }) {
      guard Self.rankRange.contains(rank), rank % Self.rankStep == 0 else { throw .rank(rank) }
    }
    guard epochs > 0, epochs <= 1000 else { throw .epochs(epochs) }
    guard heldOutShare > 0, heldOutShare <= 0.5 else { throw .heldOut(heldOutShare) }
    guard Self.passRange.contains(passes) else { throw .passes(passes) }
  }

  /// Passes that can be asked for.
  public static let passRange = 1...8
}
