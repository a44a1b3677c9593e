public import PowerInferSparsity

/// What a profile says of each layer in two numbers, and of all of them.
public struct ProfileSummary: Sendable, Equatable, Encodable {
  /// In order of the layers.
  public let layers: [Layer]
  /// Share of all neurons of the model that make 80 % of all activations.
  public let overallSkew: Double

  public struct Layer: Sendable, Equatable, Encodable {
    /// Counted from 0.
    public let layer: Int
    /// Share of neurons that fire for a token, on average.
    public let active: Double
    /// Share of neurons that make 80 % of all activations: 0.8 where all fire equally often, less the more it is always the
    /// same ones that fire.
    public let skew: Double
  }

  /// Mean of the layers' shares.
  public var active: Double { layers.reduce(0) { $0 + $1.active } / Double(max(layers.count, 1)) }
  /// Mean of the layers' shares.
  public var skew: Double { layers.reduce(0) { $0 + $1.skew } / Double(max(layers.count, 1)) }

  public init(_ profile: ActivationProfile) {
    layers = profile.frequencies.enumerated().map { index, frequencies in
      let total = frequencies.reduce(0) { $0 + Double($1) }
      return Layer(
        layer: index, active: total / Double(max(frequencies.count, 1)),
        skew: SkewCurve(frequencies).share(making: Self.share))
    }
    overallSkew = SkewCurve(profile.frequencies.flatMap { $0 }).share(making: Self.share)
  }

  /// Of the activations that ``Layer/skew`` tells the makers of.
  private static let share = 0.8
}
