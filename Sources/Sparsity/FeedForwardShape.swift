public import PowerInferModel

/// How many feed-forward neurons a model has.
public struct FeedForwardShape: Sendable, Equatable {
  /// Transformer layers.
  public let layers: Int
  /// Neurons of each.
  public let neurons: Int

  public init(layers: Int, neurons: Int) {
    self.layers = layers
    self.neurons = neurons
  }

  /// The shape of a model's feed-forward layers.
  public init(_ configuration: ModelConfiguration) {
    self.init(layers: configuration.layerCount, neurons: configuration.feedForwardSize)
  }
}
