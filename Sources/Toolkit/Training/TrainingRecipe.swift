import Kernels

/// How predictors are trained: everything that decides what comes out, but for the model and the text.
public struct TrainingRecipe: Codable, Equatable, Sendable {
  /// What a predictor must find on held-out text.
  public enum Goal: Codable, Equatable, Sendable {
    /// This share of what neurons contribute, |h| · ‖row of the down projection‖.
    case kept(Double)
    /// This share of the neurons that fire, whatever they contribute.
    case recall(Double)

    /// The share.
    public var share: Double {
      switch self {
      case .kept(let share), .recall(let share): share
      }
    }

    /// Whether contributions count, and not only how many neurons there are.
    var countsContributions: Bool { if case .kept = self { true } else { false } }
  }

  /// What must be found.
  public var goal = Goal.kept(0.99)
  /// The share of neurons that may be computed: ranks grow until it is enough. Nil lets ranks grow while that makes a layer
  /// read fewer bytes for a token.
  public var computedLimit: Double?
  /// The rank of every layer; nil for each layer's own.
  public var rank: Int?
  /// The largest rank that is tried.
  public var largestRank = 512
  /// What the matrices are stored in, and trained to bear.
  public var format = PredictorType.q8_0
  /// Of everything random.
  public var seed: UInt64 = 1

  // MARK: Data

  /// Share of the text's chunks, at its end, that nothing is learnt from.
  public var heldOutShare = 0.1
  /// Held-out tokens that are looked at after every round, at most; evenly spaced.
  public var evaluationTokens = 8192

  // MARK: Loss

  /// Weight of a neuron's share of its token's contributions, in mean neurons that fire: 1 makes the mean of what fires 1.
  public var contributionWeight: Float = 1
  /// Weight of every neuron that fires, beside that.
  public var firingWeight: Float = 0.1
  /// The largest weight of a neuron.
  public var weightLimit: Float = 20
  /// Weight of a neuron that does not fire, at first.
  public var silentWeight: Float = 0.3
  /// How fast that weight follows the goal: the change of its logarithm per difference of log-odds.
  public var silentWeightGain = 0.7

  // MARK: Optimiser

  /// Tokens of a step.
  public var batch = 512
  /// Adam's rate while ranks are tried, and after the first steps of the training proper.
  public var rate: Float = 2e-3
  /// What is left of the rate at the end.
  public var finalRateShare: Float = 0.03
  /// Steps in which the rate rises from 0.
  public var warmUpSteps = 100
  /// Share of its value that a weight loses, in steps of the full rate.
  public var decay: Float = 1e-5
  /// Steps between two roundings of the weights to the type in which they are stored.
  public var roundingInterval = 1

  // MARK: Schedule

  /// Tokens of a round, after which a layer is measured.
  public var roundTokens = 65_536
  /// How often the training proper goes through the text.
  public var epochs = 12.0
  /// Rounds for each rank that is tried.
  public var probeRounds = 3
  /// Rounds after each reduction of the rank.
  public var trimRounds = 3
  /// Rounds without an improvement after which the training proper ends.
  public var patience = 16

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
