/// How well a model predicts a text, as far as it has been read.
public struct PerplexityScore: Sendable {
  private var likelihoods = RunningMean()
  /// Predictions so far.
  public private(set) var count = 0

  /// A score of nothing yet.
  public init() {}

  /// Counts a prediction.
  ///
  /// - Parameter negativeLogLikelihood: -ln of the probability that the model gave the token that came.
  public mutating func add(negativeLogLikelihood: Double) {
    count += 1
    likelihoods.add(negativeLogLikelihood)
  }

  /// Mean of -ln p over the predictions, in nats, with its standard error.
  public var negativeLogLikelihood: Estimate { likelihoods.estimate }

  /// e to the power of ``negativeLogLikelihood``: among how many equally likely tokens the model might as well have
  /// chosen. The error is that of the mean times the perplexity.
  public var perplexity: Estimate { .exponential(of: negativeLogLikelihood) }
}
