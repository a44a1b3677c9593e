/// An answer, why it ended and what it cost.
public struct GenerationResult: Sendable, Equatable {
  /// The text that was given out, without the stop string.
  public var text: String
  /// The generated tokens, with the one that ended the answer.
  public var tokens: [Int32]
  /// Why it ended.
  public var finishReason: FinishReason
  /// The stop string that ended the answer.
  public var stopString: String?
  /// How often the oldest tokens were dropped to make room (`ContextPolicy.slide`).
  public var contextSlides: Int
  /// What it cost.
  public var statistics: GenerationStatistics

  public init(
    text: String, tokens: [Int32], finishReason: FinishReason, stopString: String? = nil, contextSlides: Int = 0,
    statistics: GenerationStatistics
  ) {
    self.text = text
    self.tokens = tokens
    self.finishReason = finishReason
    self.stopString = stopString
    self.contextSlides = contextSlides
    self.statistics = statistics
  }
}

/// What an answer cost. All times are in seconds.
public struct GenerationStatistics: Sendable, Equatable, Codable {
  /// The tokens of the prompt, those from the cache included.
  public var promptTokens = 0
  /// The tokens of the prompt that were still in the cache and were not read again.
  public var reusedTokens = 0
  /// The tokens of the prompt that were read; fewer than the rest where the request was cancelled.
  public var readTokens = 0
  /// From the call to the first token being computed: how long others came first.
  public var queueTime = 0.0
  /// Reading the rest of the prompt, or as much of it as was read.
  public var promptTime = 0.0
  /// From the call to the first token of the answer; nil where there is none.
  public var timeToFirstToken: Double?
  /// The tokens of the answer, with the one that ended it.
  public var generatedTokens = 0
  /// From the first token to the last.
  public var decodeTime = 0.0

  public init() {}

  /// Tokens of the prompt read in a second; nil where none were read or no time passed.
  public var promptTokensPerSecond: Double? {
    readTokens > 0 && promptTime > 0 ? Double(readTokens) / promptTime : nil
  }

  /// Tokens decoded in a second. The first token comes with the prompt and does not count.
  public var decodeTokensPerSecond: Double? {
    generatedTokens > 1 && decodeTime > 0 ? Double(generatedTokens - 1) / decodeTime : nil
  }
}
