public import PowerInferGGUF

/// From which magnitude of its gate on a neuron is computed, calibrated for each layer on a text (CATS, arXiv:2404.08763).
///
/// A neuron is left out where |act(gate)| is below its layer's threshold; in families without gates |act(up)| counts.
///
/// In the metadata of a file: `powerinfer.threshold.version` (1), `.tokens`, `.text`, `.target` (F32) and `.gate`, an F32
/// array of [layers].
public struct GateThresholds: NeuronRecord {
  public static let kind = NeuronRecordKind.thresholds

  /// The least |act(gate)| that is computed, 0 or more, one for each layer.
  public let thresholds: [Float]
  /// Share of the neurons that were to be left out, 0..<1.
  public let target: Float
  /// Tokens the thresholds were found on.
  public let tokens: Int
  /// What the text is called.
  public let text: String

  /// - Throws: ``NeuronRecordError`` for a threshold that is no number, negative or infinite, a target out of range, no
  ///   tokens.
  public init(thresholds: [Float], target: Float, tokens: Int, text: String) throws(NeuronRecordError) {
    for (layer, value) in thresholds.enumerated() where !(value >= 0 && value.isFinite) {
      throw .threshold(layer: layer, value)
    }
    guard target >= 0, target < 1 else { throw .target(target) }
    guard tokens > 0 else { throw .tokens(tokens) }
    self.thresholds = thresholds
    self.target = target
    self.tokens = tokens
    self.text = text
  }

  public init?(metadata: Metadata, shape: FeedForwardShape) throws(NeuronRecordError) {
    guard Self.isPresent(in: metadata) else { return nil }
    try Self.checkVersion(metadata)
    let target = try containing { () throws(GGUFError) in try metadata.requireFloat(Self.key(Self.targetName)) }
    let origin = try Self.origin(metadata)
    try self.init(
      thresholds: Self.floats(Self.gateName, count: shape.layers, in: metadata), target: Float(target),
      tokens: origin.tokens, text: origin.text)
  }

  public func write(to metadata: inout Metadata) {
    Self.set(tokens: tokens, text: text, in: &metadata)
    metadata.set(Self.key(Self.targetName), .float32(target))
    metadata.set(Self.key(Self.gateName), .array(MetadataArray(thresholds)))
  }

  public func check(_ shape: FeedForwardShape) throws(NeuronRecordError) {
    guard thresholds.count == shape.layers else { throw .layers(expected: shape.layers, found: thresholds.count) }
  }

  private static let targetName = "target"
  private static let gateName = "gate"
}
