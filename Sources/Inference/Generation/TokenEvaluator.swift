/// What generation needs of a model that runs: logits for tokens, and a memory of the tokens so far.
public protocol TokenEvaluator: AnyObject {
  /// How many tokens the memory holds.
  var contextSize: Int { get }
  /// How many tokens are in the memory.
  var position: Int { get }
  /// Appends tokens and gives `body` the logits after the last of them, [vocabulary], valid until it returns.
  ///
  /// - Parameters:
  ///   - tokens: at least one.
  ///   - phase: what the tokens are; by itself one is decoded, more are a prompt.
  ///   - progress: told how many of the tokens are done; returns false to stop. `position` then says how far it came.
  ///   - body: what to do with the logits; it must not call the evaluator.
  /// - Returns: what `body` returns; nil where `progress` stopped early.
  @discardableResult
  func evaluate<Result>(
    _ tokens: [Int32], phase: Batch.Phase?, progress: ((Int) -> Bool)?,
    body: (UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> Result?
  /// Forgets all tokens from `position` on.
  func truncate(to position: Int)
}

extension TokenSequence: TokenEvaluator {
  /// Most positions.
  public var contextSize: Int { engine.contextSize }
}

/// What generation needs of a tokenizer.
public protocol TokenVocabulary: Sendable {
  /// The tokens that end an answer.
  var endOfGenerationTokens: [Int32] { get }
  /// Turns tokens into text as they come.
  func makeTextAssembler() -> any TextAssembler
}

/// Turns tokens into text as they come, never giving out half a character.
public protocol TextAssembler: Sendable {
  /// The text that this token completes; empty while a character is incomplete.
  mutating func append(_ token: Int32) -> String
  /// What is left of an incomplete character at the end, repaired.
  mutating func finish() -> String
}
