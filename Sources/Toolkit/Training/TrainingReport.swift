public import PowerInfer

/// What a training has given, measured by the engine on text that nothing was learnt from.
public struct TrainingReport: Sendable, Encodable {
  public let layers: [Layer]
  /// All layers together.
  public let overall: Shares
  /// Of all predictors.
  public let predictorBytes: Int
  /// Of the held-out text, with all neurons computed.
  public let densePerplexity: Estimate
  /// Of the held-out text, with the neurons computed that are predicted.
  public let perplexity: Estimate
  /// The second / the first - 1.
  public let change: Estimate
  public let text: String
  /// Tokens learnt from.
  public let tokens: Int
  /// Tokens measured with.
  public let heldOutTokens: Int
  public let threads: Int
  /// Of this run; of work that was interrupted, what was left.
  public let seconds: Double

  /// Shares of pairs of a token and a neuron, 0...1; nil where there is nothing to take a share of.
  public struct Shares: Sendable, Encodable {
    /// Share of neurons that fire.
    public let active: Double?
    /// Share of neurons that are predicted to.
    public let computed: Double?
    /// Share of those that fire that are predicted to.
    public let recall: Double?
    /// Share of those predicted to that fire.
    public let precision: Double?
    /// Share of Σ |h| · ‖row of the down projection‖ that comes from those predicted to fire.
    public let kept: Double?
    /// The same share of Σ (|h| · ‖row of the down projection‖)², which perplexity follows.
    public let keptSquares: Double?

    init(_ quality: NeuronQuality) {
      (active, computed) = (quality.activeShare, quality.computedShare)
      (recall, precision) = (quality.recall, quality.precision)
      (kept, keptSquares) = (quality.keptShare, quality.keptSquareShare)
    }
  }

  /// A layer's predictor.
  public struct Layer: Sendable, Encodable {
    /// Counted from 0.
    public let layer: Int
    public let rank: Int
    public let bytes: Int
    public let shares: Shares
  }

  init(
    layers: [TrainedLayer], check: PredictorCheck.Outcome, learntTokens: Int, heldOutTokens: Int, text: String,
    threads: Int, seconds: Double
  ) {
    self.layers = layers.enumerated().map { index, layer in
      Layer(
        layer: index, rank: layer.result.rank, bytes: check.bytes[index], shares: Shares(check.layers[index]))
    }
    overall = Shares(check.layers.reduce(NeuronQuality(), +))
    predictorBytes = check.bytes.reduce(0, +)
    densePerplexity = check.dense.perplexity
    perplexity = check.predicted.perplexity
    change = check.change
    self.text = text
    tokens = learntTokens
    self.heldOutTokens = heldOutTokens
    self.threads = threads
    self.seconds = seconds
  }
}
