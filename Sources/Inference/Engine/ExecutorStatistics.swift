public import PowerInferSparsity

/// What an executor has done: which neurons it computed, by what choice, and where the time went.
public struct ExecutorStatistics: Sendable {
  /// A layer's feed-forward while tokens were decoded.
  public struct Layer: Sendable, Equatable {
    /// What it decodes with now.
    public var source: ActivationSource
    /// Tokens that were decoded with a list of neurons.
    public var tokens = 0
    /// Neurons on those lists, all tokens together.
    public var computed = 0
    /// Listed neurons that gave something.
    public var fired = 0
    /// Mean microseconds per token, where times are kept.
    public var microsecondsPerToken: Double?
    /// Median microseconds per token of each source that was tried, where several were.
    public var tried: [SparsityMode: Double] = [:]
    /// Bytes of feed-forward weights that a decoded token reads on average.
    public var readBytes = ReadBytes()

    public init(source: ActivationSource) { self.source = source }
  }

  /// Bytes of feed-forward weights that decoding a token reads, averaged over the tokens counted so far.
  ///
  /// Exact for lists of neurons: the first matrix for all neurons that are asked by it, the others for those that fire. Layers
  /// that compute all neurons count all weights, which is a bound where rows of silent neurons in the down projection are skipped.
  public struct ReadBytes: Sendable, Equatable {
    public var predictor = 0.0
    /// Of gates, with their scales.
    public var leadingBits = 0.0
    /// But for leading bits that were read before.
    public var gateUp = 0.0
    public var down = 0.0

    public init(predictor: Double = 0, leadingBits: Double = 0, gateUp: Double = 0, down: Double = 0) {
      (self.predictor, self.leadingBits) = (predictor, leadingBits)
      (self.gateUp, self.down) = (gateUp, down)
    }

    static func + (a: ReadBytes, b: ReadBytes) -> ReadBytes {
      ReadBytes(
        predictor: a.predictor + b.predictor, leadingBits: a.leadingBits + b.leadingBits, gateUp: a.gateUp + b.gateUp,
        down: a.down + b.down)
    }
  }

  public var layers: [Layer]
  /// How neurons are chosen.
  public var mode = SparsityMode.dense
  /// Why the sources are what they are, as part of a sentence; `nil` where a source was asked for by name.
  public var reason: String?
  /// Whether sources still take turns to be measured.
  public var isDeciding = false
  /// Whether ``ReadBytes`` counts rows of silent neurons that were not read.
  public var bytesAreBound = false
  /// Where the time went, where the engine was asked to keep it.
  public var stages: StageTimes?
  /// What a GPU and the processor did together, where they share the model.
  public var hybrid: HybridStatistics?

  public init(layers: [Layer]) { self.layers = layers }

  /// Of all layers.
  public var readBytes: ReadBytes { layers.reduce(ReadBytes()) { $0 + $1.readBytes } }
}
