import Foundation

/// How far a model's predictions are from a reference's, as far as the text has been read.
///
/// The figures are those of llama.cpp's perplexity tool with `--kl-divergence`.
public struct DivergenceScore: Sendable {
  /// What one position adds.
  public struct Sample: Sendable, Equatable {
    /// -ln p of the token that came, by the model.
    public var negativeLogLikelihood: Double
    /// The same by the reference.
    public var reference: Double
    /// Σ p_ref · ln(p_ref / p), in nats.
    public var divergence: Double
    /// Whether both find the same token likeliest.
    public var hasSameTop: Bool

    /// What one position adds.
    public init(negativeLogLikelihood: Double, reference: Double, divergence: Double, hasSameTop: Bool) {
      self.negativeLogLikelihood = negativeLogLikelihood
      self.reference = reference
      self.divergence = divergence
      self.hasSameTop = hasSameTop
    }
  }

  private var likelihoods = RunningMean()
  private var references = RunningMean()
  private var logRatios = RunningMean()
  private var divergences = RunningMean()
  private var differences = RunningMean()
  private var squaredDifferences = RunningMean()
  private var sameTops = 0
  private var allDivergences: [Double] = []

  /// A score of nothing yet.
  public init() {}

  /// Counts a position.
  public mutating func add(_ sample: Sample) {
    likelihoods.add(sample.negativeLogLikelihood)
    references.add(sample.reference)
    logRatios.add(sample.negativeLogLikelihood - sample.reference)
    divergences.add(sample.divergence)
    let difference = exp(-sample.negativeLogLikelihood) - exp(-sample.reference)
    differences.add(difference)
    squaredDifferences.add(difference * difference)
    if sample.hasSameTop { sameTops += 1 }
    allDivergences.append(sample.divergence)
  }

  /// Positions so far.
  public var count: Int { allDivergences.count }

  /// The reference's own perplexity on the same positions.
  public var referencePerplexity: Estimate { .exponential(of: references.estimate) }

  /// ln(perplexity / the reference's). Both come from the same tokens, so the error is that of the mean of differences.
  public var logRatio: Estimate { logRatios.estimate }

  /// Perplexity / the reference's.
  public var ratio: Estimate { .exponential(of: logRatio) }

  /// Pearson's correlation of the two models' -ln p; nil where one of them never varies.
  public var correlation: Double? {
    let (a, b) = (likelihoods.variance, references.variance)
    let product = (a * b).squareRoot()
    guard product > 0, product.isFinite else { return nil }
    // Var(a - b) = Var(a) + Var(b) - 2 Cov(a, b)
    return (a + b - logRatios.variance) / 2 / product
  }

  /// Mean Kullback-Leibler divergence from the reference, in nats.
  public var meanDivergence: Estimate { divergences.estimate }

  /// Mean of p - p_ref of the token that came.
  public var meanProbabilityDifference: Estimate { differences.estimate }

  /// Root of the mean square of p - p_ref of the token that came.
  public var rmsProbabilityDifference: Estimate { .squareRoot(of: squaredDifferences.estimate) }

  /// The share of positions at which both find the same token likeliest.
  public var sameTop: Estimate { .share(sameTops, of: count) }

  /// Everything, with the divergence's quantiles.
  public var result: DivergenceResult {
    let quantile = Quantiles(allDivergences)
    return DivergenceResult(
      referencePerplexity: referencePerplexity, logRatio: logRatio, ratio: ratio, correlation: correlation,
      mean: meanDivergence, maximum: quantile(1), percentile99_9: quantile(0.999), percentile99: quantile(0.99),
      percentile95: quantile(0.95), percentile90: quantile(0.9), median: quantile(0.5), minimum: quantile(0),
      meanProbabilityDifference: meanProbabilityDifference, rmsProbabilityDifference: rmsProbabilityDifference,
      sameTop: sameTop)
  }
}

/// How far a model's predictions are from a reference's; divergences in nats.
public struct DivergenceResult: Sendable, Equatable, Encodable {
  /// The reference's own perplexity on the same positions.
  public let referencePerplexity: Estimate
  /// ln(perplexity / the reference's), its error that of paired samples.
  public let logRatio: Estimate
  /// Perplexity / the reference's.
  public let ratio: Estimate
  /// Pearson's correlation of the two models' -ln p; nil where one of them never varies.
  public let correlation: Double?
  /// Mean Kullback-Leibler divergence from the reference.
  public let mean: Estimate
  /// The greatest of any position.
  public let maximum: Double
  /// 99.9 % of the positions have less than this, interpolated.
  public let percentile99_9: Double
  /// The same of 99 %.
  public let percentile99: Double
  /// The same of 95 %.
  public let percentile95: Double
  /// The same of 90 %.
  public let percentile90: Double
  /// The same of half of the positions.
  public let median: Double
  /// The least of any position.
  public let minimum: Double
  /// Mean of p - p_ref of the token that came.
  public let meanProbabilityDifference: Estimate
  /// Root of the mean square of p - p_ref of the token that came.
  public let rmsProbabilityDifference: Estimate
  /// The share of positions at which both find the same token likeliest.
  public let sameTop: Estimate
}
