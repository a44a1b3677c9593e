public import PowerInferSparsity

/// What a ``SourceComparison`` has found about an activation source.
public struct SourceQuality: Sendable, Equatable {
  public let mode: SparsityMode
  /// What each layer decoded with.
  public let sources: [ActivationSource]
  /// Tokens per second of every turn.
  public let speeds: [Double]
  /// What was seen of each layer.
  public let layers: [NeuronQuality]
  /// How well the text is predicted.
  public let perplexity: PerplexityResult
  /// Perplexity / that of all neurons - 1; 0 for these themselves. Both come from the same tokens, so the error is that of the
  /// mean of differences, far below those of the two perplexities.
  public let change: Estimate

  /// The median of ``speeds``; of an even number the mean of the two in the middle.
  public var speed: Double { speeds.isEmpty ? 0 : Quantiles(speeds)(0.5) }

  /// What was seen of all layers together.
  public var overall: NeuronQuality { layers.reduce(NeuronQuality(), +) }

  /// How much a perplexity is above another of the same positions.
  ///
  /// - Parameters:
  ///   - likelihoods: -ln p of every position.
  ///   - others: the same of the other.
  public static func change(_ likelihoods: [Double], from others: [Double]) -> Estimate {
    var logRatio = RunningMean()
    for (one, other) in zip(likelihoods, others) { logRatio.add(one - other) }
    var change = Estimate.exponential(of: logRatio.estimate)
    change.value -= 1
    return change
  }
}
