/// What generation needs of a model that runs: logits for tokens, and a memory of the tokens so far.
public protocol TokenEvaluator: AnyObject {
  /// How many tokens the memory holds.
  var contextSize: Int { get }
  /// How many tokens are in the memory.
  var position: Int { get }
  /// Appends the tokens and gives the logits after the last of them, [vocabulary]; valid until the next call.
  ///
  /// - Parameters:
  ///   - tokens: at least one.
  ///   - progress: told how many of the tokens are done; returns false to stop. What is returned or thrown after a
  ///     stop means nothing; `position` says how far it came.
  func evaluate(_ tokens: [Int32], progress: ((Int) -> Bool)?) throws -> UnsafeBufferPointer<Float>
  /// Forgets all tokens from `position` on.
  func truncate(to position: Int)
}

extension Session: TokenEvaluator {}

/// What generation needs of a tokenizer.
public protocol TokenVocabulary {
  /// The tokens that end an answer.
  var endOfGenerationTokens: [Int32] { get }
  /// Turns tokens into text as they come.
  func makeTextAssembler() -> any TextAssembler
}

/// Turns tokens into text as they come, never giving out half a character.
public protocol TextAssembler {
  /// The text that this token completes; empty while a character is incomplete.
  mutating func append(_ token: Int32) -> String
  /// What is left of an incomplete character at the end, repaired.
  mutating func finish() -> String
}
