public import PowerInferGGUF

/// By how many standard deviations the leading bits of a layer's gates may be wrong before a neuron that fires is missed, calibrated on a
/// text so that all layers miss the same share of what neurons add, squared.
///
/// In the metadata of a file: `powerinfer.bits.version` (1), `.tokens`, `.text`, `.loss` (F32) and `.margin`, an F32 array of
/// [layers].
public struct LeadingBitMargins: NeuronRecord {
  public static let kind = NeuronRecordKind.margins

  /// Standard deviations, 0 or more, one number for each layer.
  public let margins: [Float]
  /// Share by which perplexity was allowed to rise, above 0 and less than 1.
  public let loss: Float
  /// Tokens the margins were found on.
  public let tokens: Int
  /// What the text is called.
  public let text: String

  /// - Throws: ``NeuronRecordError`` for a margin that is no number, negative or infinite, a loss out of range, no tokens.
  public init(margins: [Float], loss: Float, tokens: Int, text: String) throws(NeuronRecordError) {
    for (layer, value) in margins.enumerated() where !(value >= 0 && value.isFinite) {
      throw .margin(layer: layer, value)
    }
    guard loss > 0, loss < 1 else { throw .loss(loss) }
    guard tokens > 0 else { throw .tokens(tokens) }
    (self.margins, self.loss) = (margins, loss)
    (self.tokens, self.text) = (tokens, text)
  }

  public init?(metadata: Metadata, shape: FeedForwardShape) throws(NeuronRecordError) {
    guard Self.isPresent(in: metadata) else { return nil }
    try Self.checkVersion(metadata)
    let loss = try containing { () throws(GGUFError) in try metadata.requireFloat(Self.key(Self.lossName)) }
    let origin = try Self.origin(metadata)
    try self.init(
      margins: Self.floats(Self.marginName, count: shape.layers, in: metadata), loss: Float(loss),
      tokens: origin.tokens, text: origin.text)
  }

  public func write(to metadata: inout Metadata) {
    Self.set(tokens: tokens, text: text, in: &metadata)
    metadata.set(Self.key(Self.lossName), .float32(loss))
    metadata.set(Self.key(Self.marginName), .array(MetadataArray(margins)))
  }

  public func check(_ shape: FeedForwardShape) throws(NeuronRecordError) {
    guard margins.count == shape.layers else { throw .marginLayers(expected: shape.layers, found: margins.count) }
  }

  private static let lossName = "loss"
  private static let marginName = "margin"
}
