public import PowerInferGGUF

/// The hyperparameters of a model, read from its file's metadata and checked.
public struct ModelConfiguration: Sendable, Equatable {
  /// The family, named by `general.architecture`.
  public let architecture: Architecture
  /// `general.name`, or the architecture where the file has none.
  public let name: String

  /// Number of token ids, `V`.
  public let vocabularySize: Int
  /// Width of the residual stream, `d`.
  public let hiddenSize: Int
  /// Neurons in a feed-forward layer, `f`.
  public let feedForwardSize: Int
  /// Transformer layers.
  public let layerCount: Int
  /// Heads of queries.
  public let headCount: Int
  /// Heads of keys and values; each is shared by ``queriesPerKeyValueHead`` query heads.
  public let keyValueHeadCount: Int
  /// Elements in one head.
  public let headSize: Int
  /// The longest sequence the model was trained on, in tokens; with learned positions there can be none longer.
  public let contextLength: Int
  /// What a norm adds to the mean square, or to the variance.
  public let normEpsilon: Float
  /// How positions rotate queries and keys.
  public let rotary: RotaryConfiguration
  /// The non-linearity of feed-forward neurons: the file's own, or what its magic and architecture say.
  public let activation: Activation
  /// Factor on query · key before the softmax.
  public let attentionScale: Float
  /// The predictor's threshold (`powerinfer.sparse_threshold`), not NaN; 0 where the file has none (spec §1.2).
  public let sparseThreshold: Float

  /// Query heads that share one head of keys and values.
  public var queriesPerKeyValueHead: Int { headCount / keyValueHeadCount }
  /// Elements in a token's query vector.
  public var querySize: Int { headCount * headSize }
  /// Elements in a token's key vector, and in its value vector.
  public var keyValueSize: Int { keyValueHeadCount * headSize }

  /// Rows of `position_embd` where positions are learned, as `context_length` counts them; `nil` where they are not.
  public var learnedPositionCount: Int? {
    guard case .learned(let offset) = architecture.positions else { return nil }
    return contextLength + offset
  }

  /// Reads the hyperparameters.
  ///
  /// - Throws: `GGUFError` for a missing key or one of the wrong type, ``ModelError`` for a value that makes no model.
  public init(metadata: Metadata, magic: Magic) throws {
    let architecture = try Architecture.named(metadata.requireString("general.architecture"))
    let keys = Keys(metadata: metadata, prefix: architecture.name)

    self.architecture = architecture
    name = try metadata.string("general.name") ?? architecture.name
    vocabularySize = try keys.vocabularySize()
    hiddenSize = try keys.count("embedding_length", in: 1...(1 << 20))
    feedForwardSize = try keys.count("feed_forward_length", in: 1...(1 << 22), isPerLayer: true)
    layerCount = try keys.count("block_count", in: 1...4096)
    headCount = try keys.count("attention.head_count", in: 1...65536, isPerLayer: true)
    keyValueHeadCount = try keys.count(
      "attention.head_count_kv", in: 1...65536, default: headCount, isPerLayer: true)
    switch architecture.positions {
    case .rotary:
      contextLength = try keys.count("context_length", in: 1...(1 << 30))
    case .learned(let offset):
      // Counted with the rows that no position uses: 2050 for 2048 positions (spec §1.2).
      contextLength = try keys.count("context_length", in: offset + 1...(1 << 30)) - offset
    }
    normEpsilon = try keys.normEpsilon(architecture.norm)

    guard headCount % keyValueHeadCount == 0 else {
      throw keys.invalid("attention.head_count_kv", keyValueHeadCount, "a divisor of head_count (\(headCount))")
    }
    let evenHead = hiddenSize / headCount
    if metadata["\(architecture.name).attention.key_length"] == nil, hiddenSize % headCount != 0 {
      throw keys.invalid("attention.head_count", headCount, "a divisor of embedding_length (\(hiddenSize))")
    }
    headSize = try keys.count("attention.key_length", in: 1...8192, default: evenHead)
    let valueSize = try keys.count("attention.value_length", in: 1...8192, default: headSize)
    guard valueSize == headSize else {
      throw keys.invalid("attention.value_length", valueSize, "the key length (\(headSize))")
    }
    attentionScale = try keys.real(
      "attention.scale", default: 1 / Float(headSize).squareRoot(), expected: "a number above 0"
    ) { $0 > 0 }
    rotary =
      switch architecture.positions {
      case .rotary(let pairing):
        try RotaryConfiguration(keys: keys, pairing: pairing, headSize: headSize, contextLength: contextLength)
      case .learned: .none
      }
    activation =
      try keys.activation(of: architecture.gating.activations)
      ?? (magic == .powerInfer ? architecture.sparseActivation : architecture.activation)
    guard try metadata.bool("\(architecture.name).attention.causal") ?? true else {
      throw ModelError.unsupportedFeature("attention to later tokens (\(architecture.name).attention.causal is false)")
    }
    let experts = try keys.count("expert_count", in: 0...65536, default: 0)
    guard experts == 0 else {
      throw ModelError.unsupportedFeature("\(experts) experts per layer (a mixture of experts)")
    }
    let threshold = Float(try metadata.float("powerinfer.sparse_threshold") ?? 0)
    guard !threshold.isNaN else {
      throw ModelError.invalidValue(
        key: "powerinfer.sparse_threshold", value: "\(threshold)", expected: "a number or an infinity")
    }
    sparseThreshold = threshold
  }

  /// Metadata keys under the architecture's prefix, with their ranges checked.
  struct Keys {
    let metadata: Metadata
    let prefix: String

    /// - Parameter isPerLayer: whether files may give a number for each layer, which here must all be the same.
    func count(
      _ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil, isPerLayer: Bool = false
    ) throws -> Int {
      let key = "\(prefix).\(key)"
      if metadata[key] == nil, let fallback { return fallback }
      let value: Int
      if isPerLayer, let values = metadata[key]?.array {
        guard let numbers = try metadata.integers(key), let first = numbers.first else {
          throw ModelError.invalidValue(
            key: key, value: "an array of \(values.count)", expected: "a number for every layer")
        }
        if let other = numbers.first(where: { $0 != first }) {
          throw ModelError.unsupportedFeature("layers of different sizes (\(key) is \(first) and \(other))")
        }
        value = first
      } else {
        value = try metadata.requireInteger(key)
      }
      guard range.contains(value) else {
        throw ModelError.invalidValue(
          key: key, value: "\(value)", expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }

    func real(
      _ key: String, default fallback: Float?, expected: String, where holds: (Float) -> Bool
    ) throws -> Float {
      let key = "\(prefix).\(key)"
      if metadata[key] == nil, let fallback { return fallback }
      let value = Float(try metadata.requireFloat(key))
      guard value.isFinite, holds(value) else {
        throw ModelError.invalidValue(key: key, value: "\(value)", expected: expected)
      }
      return value
    }

    func normEpsilon(_ kind: NormKind) throws -> Float {
      switch kind {
      case .rootMeanSquare:
        try real("attention.layer_norm_rms_epsilon", default: nil, expected: "a number above 0") { $0 > 0 }
      case .layer(let fallback):
        try real("attention.layer_norm_epsilon", default: fallback, expected: "a number of 0 or more") { $0 >= 0 }
      }
    }

    /// What `hidden_activation` names, `nil` where the file has no such key.
    func activation(of known: [Activation]) throws -> Activation? {
      let key = "\(prefix).hidden_activation"
      guard let named = try metadata.string(key) else { return nil }
      guard let activation = known.first(where: { $0.rawValue == named }) else {
        let names = known.map { "\"\($0.rawValue)\"" }.joined(separator: " or ")
        throw ModelError.invalidValue(key: key, value: shown(named), expected: names)
      }
      return activation
    }

    /// The token list decides where there is one; `vocab_size` serves files without a tokenizer.
    func vocabularySize() throws -> Int {
      if let tokens = metadata["tokenizer.ggml.tokens"], case .array(let array) = tokens {
        guard array.count > 0 else { throw invalid("tokenizer.ggml.tokens", 0, "at least one token", prefixed: false) }
        return array.count
      }
      return try count("vocab_size", in: 1...(1 << 28))
    }

    func invalid(_ key: String, _ value: Int, _ expected: String, prefixed: Bool = true) -> ModelError {
      .invalidValue(key: prefixed ? "\(prefix).\(key)" : key, value: "\(value)", expected: expected)
    }
  }
}
