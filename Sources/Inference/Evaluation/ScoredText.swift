public import PowerInferModel

/// A text cut into chunks of one context each, of whose second halves every token is to be predicted.
///
/// The cut is that of llama.cpp's perplexity tool, so that figures compare: each chunk is read from an empty cache, and
/// positions contextSize / 2 to contextSize - 2 predict the token that follows them, so that every prediction has at
/// least half a context to go by. What is left at the end of the text and fills no chunk is not used.
public struct ScoredText: Sendable, Equatable {
  /// Tokens in a chunk.
  public let contextSize: Int
  /// Chunks to score.
  public let chunkCount: Int
  /// The text's own tokens, [chunkCount · contextSize].
  public let tokens: [Int32]
  /// What every chunk begins with in place of its first token; nil for models that are not used to one.
  public let beginning: Int32?

  /// What a chunk may hold: with fewer than three tokens none would be scored.
  public static let contextSizeRange = 3...EngineOptions.contextSizeRange.upperBound

  /// - Parameters:
  ///   - tokens: the whole text, tokenised at once.
  ///   - contextSize: tokens in a chunk.
  ///   - beginning: the token that begins a text, where the model expects one.
  ///   - chunkLimit: at most so many chunks; nil for all.
  /// - Throws: ``EvaluationError`` for a context size or limit out of range, and for a text of fewer than two chunks,
  ///   which is too little to say anything about its error.
  public init(
    tokens: [Int32], contextSize: Int, beginning: Int32?, chunkLimit: Int? = nil
  ) throws(EvaluationError) {
    guard Self.contextSizeRange.contains(contextSize) else { throw .contextSize(contextSize) }
    if let chunkLimit, chunkLimit < 1 { throw .chunkLimit(chunkLimit) }
    guard tokens.count / 2 >= contextSize else {
      throw .textTooShort(tokens: tokens.count, contextSize: contextSize)
    }
    self.contextSize = contextSize
    chunkCount = min(tokens.count / contextSize, chunkLimit ?? .max)
    self.tokens = Array(tokens.prefix(chunkCount * contextSize))
    self.beginning = beginning
  }

  /// Tokenises a text whole and cuts it, with the token at the beginning of each chunk that the model expects.
  ///
  /// - Throws: ``EvaluationError``, as ``init(tokens:contextSize:beginning:chunkLimit:)``.
  public init(
    _ text: String, tokenizer: Tokenizer, contextSize: Int, chunkLimit: Int? = nil
  ) throws(EvaluationError) {
    var tokens = tokenizer.encode(text, addSpecial: true, parseSpecial: false)
    // An end belongs after a text, not into its last chunk's score.
    if tokenizer.addsEOS { tokens.removeLast() }
    try self.init(
      tokens: tokens, contextSize: contextSize, beginning: tokenizer.addsBOS ? tokenizer.bos : nil,
      chunkLimit: chunkLimit)
  }

  /// A text that was checked before: `tokens` are whole chunks, at least one.
  init(chunks tokens: [Int32], contextSize: Int, beginning: Int32?) {
    self.contextSize = contextSize
    chunkCount = tokens.count / contextSize
    self.tokens = tokens
    self.beginning = beginning
  }

  /// Positions of a chunk that are scored: each predicts the token after it.
  public var scoredPositions: Range<Int> { contextSize / 2..<contextSize - 1 }

  /// Predictions in all.
  public var scoredCount: Int { chunkCount * scoredPositions.count }

  /// What the model reads for a chunk, [contextSize].
  public func input(ofChunk chunk: Int) -> [Int32] {
    var input = Array(tokens[chunk * contextSize..<(chunk + 1) * contextSize])
    if let beginning { input[0] = beginning }
    return input
  }

  /// The tokens that follow some positions of a chunk.
  func targets(ofChunk chunk: Int, after positions: Range<Int>) -> ArraySlice<Int32> {
    let start = chunk * contextSize + 1
    return tokens[start + positions.lowerBound..<start + positions.upperBound]
  }

  /// The last `count` chunks, or all where there are not so many; at least one.
  public func suffix(chunks count: Int) -> ScoredText {
    let count = max(1, min(count, chunkCount))
    return ScoredText(chunks: Array(tokens.suffix(count * contextSize)), contextSize: contextSize, beginning: beginning)
  }

  /// The first `count` chunks, or all where there are not so many; at least one.
  public func prefix(chunks count: Int) -> ScoredText {
    let count = max(1, min(count, chunkCount))
    return ScoredText(chunks: Array(tokens.prefix(count * contextSize)), contextSize: contextSize, beginning: beginning)
  }
}
