public import PowerInferGGUF

/// What a file's predictors were found to do on a text that nothing was learnt from.
///
/// In the metadata: `powerinfer.predictor.version` (1), `.tokens`, `.held_out_tokens`, `.text`, `.dense_perplexity` and
/// `.perplexity` (F32), and F32 arrays of [layers], `.computed`, `.recall`, `.precision`, `.kept` and
/// `.kept_squares`.
public struct PredictorQuality: Sendable, Equatable {
  /// Tokens that were learnt from.
  public var tokens: Int
  /// Tokens that the rest was measured on.
  public var heldOutTokens: Int
  /// What the text is called.
  public var text: String
  /// Of the held-out text, with all neurons computed.
  public var densePerplexity: Float
  /// Of the held-out text, with the neurons computed that are predicted.
  public var perplexity: Float
  /// Share of neurons that are predicted. [layers]
  public var computed: [Float]
  /// Share of neurons that fire that are predicted. [layers]
  public var recall: [Float]
  /// Share of neurons predicted that fire. [layers]
  public var precision: [Float]
  /// Share of Σ |h| · ‖row of the down projection‖ that comes from neurons predicted. [layers]
  public var kept: [Float]
  /// The same share of Σ (|h| · ‖row of the down projection‖)². [layers]
  public var keptSquares: [Float]

  public init(
    tokens: Int, heldOutTokens: Int, text: String, densePerplexity: Float, perplexity: Float, computed: [Float],
    recall: [Float], precision: [Float], kept: [Float], keptSquares: [Float]
  ) {
    self.tokens = tokens
    self.heldOutTokens = heldOutTokens
    self.text = text
    self.densePerplexity = densePerplexity
    self.perplexity = perplexity
    self.computed = computed
    self.recall = recall
    self.precision = precision
    self.kept = kept
    self.keptSquares = keptSquares
  }

  private static let prefix = "powerinfer.predictor."

  /// Reads the keys; nil where there are none, or those of another version.
  ///
  /// - Throws: `GGUFError` for a key that is missing, of the wrong type or below 0.
  public init?(metadata: Metadata) throws(GGUFError) {
    let prefix = Self.prefix
    guard try metadata.integer(prefix + "version") == 1 else { return nil }
    func count(_ name: String) throws(GGUFError) -> Int {
      let count = try metadata.requireInteger(prefix + name)
      guard count >= 0 else { throw .outOfRange(key: prefix + name, value: "the number \(count)") }
      return count
    }
    tokens = try count("tokens")
    heldOutTokens = try count("held_out_tokens")
    text = try metadata.requireString(prefix + "text")
    densePerplexity = Float(try metadata.requireFloat(prefix + "dense_perplexity"))
    perplexity = Float(try metadata.requireFloat(prefix + "perplexity"))
    computed = try metadata.requireFloats(prefix + "computed")
    recall = try metadata.requireFloats(prefix + "recall")
    precision = try metadata.requireFloats(prefix + "precision")
    kept = try metadata.requireFloats(prefix + "kept")
    keptSquares = try metadata.requireFloats(prefix + "kept_squares")
  }

  /// Removes the keys, of a model that is no longer the one that was measured.
  public static func remove(from metadata: inout Metadata) {
    for key in metadata.keys where key.hasPrefix(prefix) { metadata.remove(key) }
  }

  /// Sets the keys.
  public func write(to metadata: inout Metadata) {
    let prefix = Self.prefix
    metadata.set(prefix + "version", .uint32(1))
    metadata.set(prefix + "tokens", .uint64(UInt64(clamping: tokens)))
    metadata.set(prefix + "held_out_tokens", .uint64(UInt64(clamping: heldOutTokens)))
    metadata.set(prefix + "text", .string(text))
    metadata.set(prefix + "dense_perplexity", .float32(densePerplexity))
    metadata.set(prefix + "perplexity", .float32(perplexity))
    let shares = [
      ("computed", computed), ("recall", recall), ("precision", precision), ("kept", kept),
      ("kept_squares", keptSquares),
    ]
    for (name, values) in shares {
      metadata.set(prefix + name, .array(MetadataArray(values)))
    }
  }
}
