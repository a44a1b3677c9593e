public import PowerInferGGUF

/// How often every neuron of a model fires, and how much it adds when it does, counted over a text.
///
/// In the metadata of a file: `powerinfer.profile.version` (1), `.tokens`, `.text`, `.frequency` and `.contribution`, F32
/// arrays of [layers · neurons].
public struct ActivationProfile: NeuronRecord {
  public static let kind = NeuronRecordKind.profile

  /// Share of tokens for which each neuron fires, 0...1: [layers][neurons], neurons in the order of the file.
  public let frequencies: [[Float]]
  /// Mean over all tokens of |h| · ‖row of the down projection‖, the length of what the neuron adds: [layers][neurons].
  public let contributions: [[Float]]
  /// Tokens counted.
  public let tokens: Int
  /// What the text is called.
  public let text: String

  /// A profile of these numbers.
  ///
  /// - Throws: ``NeuronRecordError`` for lists of different lengths, a number that is none or out of range, no tokens.
  public init(
    frequencies: [[Float]], contributions: [[Float]], tokens: Int, text: String
  ) throws(NeuronRecordError) {
    let neurons = frequencies.first?.count ?? 0
    guard contributions.count == frequencies.count else {
      throw .unequal(frequencies: frequencies.count, contributions: contributions.count)
    }
    for layer in frequencies.indices {
      for values in [frequencies[layer], contributions[layer]] where values.count != neurons {
        throw .uneven(layer: layer, expected: neurons, found: values.count)
      }
      for (neuron, value) in frequencies[layer].enumerated() where !(value >= 0 && value <= 1) {
        throw .frequency(layer: layer, neuron: neuron, value)
      }
      for (neuron, value) in contributions[layer].enumerated() where !(value >= 0 && value.isFinite) {
        throw .contribution(layer: layer, neuron: neuron, value)
      }
    }
    guard tokens > 0 else { throw .tokens(tokens) }
    self.frequencies = frequencies
    self.contributions = contributions
    self.tokens = tokens
    self.text = text
  }

  public init?(metadata: Metadata, shape: FeedForwardShape) throws(NeuronRecordError) {
    guard Self.isPresent(in: metadata) else { return nil }
    try Self.checkVersion(metadata)
    func layers(_ name: String) throws(NeuronRecordError) -> [[Float]] {
      let flat = try Self.floats(name, count: shape.layers * shape.neurons, in: metadata)
      return (0..<shape.layers).map { Array(flat[$0 * shape.neurons..<($0 + 1) * shape.neurons]) }
    }
    let origin = try Self.origin(metadata)
    try self.init(
      frequencies: layers(Self.frequencyName), contributions: layers(Self.contributionName), tokens: origin.tokens,
      text: origin.text)
  }

  public func write(to metadata: inout Metadata) {
    Self.set(tokens: tokens, text: text, in: &metadata)
    metadata.set(Self.key(Self.frequencyName), .array(MetadataArray(frequencies.flatMap { $0 })))
    metadata.set(Self.key(Self.contributionName), .array(MetadataArray(contributions.flatMap { $0 })))
  }

  public func check(_ shape: FeedForwardShape) throws(NeuronRecordError) {
    let own = FeedForwardShape(layers: frequencies.count, neurons: frequencies.first?.count ?? 0)
    guard own == shape else { throw .shape(expected: shape, found: own) }
  }

  private static let frequencyName = "frequency"
  private static let contributionName = "contribution"
}
