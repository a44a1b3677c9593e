/// What happens while a request is answered.
public enum GenerationEvent: Sendable, Equatable {
  /// The prompt is being read. Comes once, first, when the request's turn has come.
  case started(GenerationStart)
  /// So many tokens of the prompt are read, of those that have to be. A consumer that is slow sees only the latest.
  case progress(done: Int, of: Int)
  /// The answer goes on.
  case text(TextPiece)
  /// The answer is complete. Comes once, last.
  case finished(GenerationResult)
}

/// A request whose turn has come.
public struct GenerationStart: Sendable, Equatable {
  /// The tokens of the prompt.
  public var promptTokens: Int
  /// Those of them that were known from earlier requests.
  public var reusedTokens: Int
  /// What the random numbers begin with: the request's seed, or the one taken from the system.
  public var seed: UInt64
  /// The marks of a reasoning that the prompt has opened, so that the answer begins inside; nil where it has not.
  public var openReasoning: ReasoningFormat?

  public init(promptTokens: Int, reusedTokens: Int, seed: UInt64, openReasoning: ReasoningFormat? = nil) {
    self.promptTokens = promptTokens
    self.reusedTokens = reusedTokens
    self.seed = seed
    self.openReasoning = openReasoning
  }
}

/// A piece of an answer: whole characters, never a part of a stop string.
public struct TextPiece: Sendable, Equatable {
  /// Never empty.
  public var text: String
  /// The tokens chosen since the piece before, but for one that ended the answer.
  public var tokens: [Int32]
  /// The same tokens with their log-probabilities; empty where those were not asked for.
  public var choices: [TokenChoice]
  /// What the neurons did for the same tokens, but for those that came out of the prompt's pass; empty unless the engine records it
  /// (``Engine/recordsActivity``).
  public var activity: [TokenActivity]

  public init(
    text: String, tokens: [Int32], choices: [TokenChoice] = [], activity: [TokenActivity] = []
  ) {
    self.text = text
    self.tokens = tokens
    self.choices = choices
    self.activity = activity
  }
}
