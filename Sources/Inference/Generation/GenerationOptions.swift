/// When an answer ends.
public struct GenerationOptions: Sendable, Equatable {
  /// The most tokens to generate; nil goes on to the model's own end or the end of the context.
  public var maxTokens: Int?
  /// Strings that end the answer where they first appear; they are not part of its text.
  public var stopStrings: [String] = []
  /// Forbids the tokens that would end the answer.
  public var ignoreEndOfGeneration = false
  /// What happens when the context is full in the middle of an answer.
  public var contextPolicy = ContextPolicy.stop

  public init() {}

  /// - Throws: `GenerationError` for an empty stop string or a negative number of tokens.
  public func validate() throws(GenerationError) {
    if stopStrings.contains("") { throw .emptyStopString }
    if let maxTokens, maxTokens < 0 { throw .negativeMaxTokens(maxTokens) }
    if case .slide(let keep) = contextPolicy, keep < -1 { throw .negativeKeep(keep) }
  }
}

/// What happens when the context is full in the middle of an answer.
public enum ContextPolicy: Sendable, Equatable {
  /// The answer ends and says so.
  case stop
  /// The first `keep` tokens and the newer half of the others stay, are read again, and the answer goes on; -1 keeps the prompt.
  case slide(keep: Int)
}

/// Why an answer ended.
public enum FinishReason: String, Sendable, Equatable, Codable {
  /// The model ended it.
  case stop
  /// A stop string appeared.
  case stopString
  /// The most tokens asked for were generated.
  case length
  /// The context is full.
  case contextFull
  /// The key/value cache has no room for another token, and no other request to take it from.
  case cacheFull
  /// Somebody asked for it.
  case cancelled
}

/// Why there is no answer.
public enum GenerationError: Error, Equatable, CustomStringConvertible {
  case emptyPrompt
  case promptTooLong(tokens: Int, contextSize: Int)
  case emptyStopString
  case negativeMaxTokens(Int)
  case negativeKeep(Int)
  case keepTooLong(keep: Int, contextSize: Int)
  case logProbabilitiesOutside(Int, most: Int)
  case queueFull(limit: Int)
  case engineStopped
  case noThread

  public var description: String {
    switch self {
    case .emptyPrompt:
      "The prompt is empty: at least one token is needed to go on from."
    case .promptTooLong(let tokens, let contextSize):
      "The prompt has \(tokens) tokens, but the context holds \(contextSize) and the answer needs room too."
    case .emptyStopString:
      "A stop string must have at least one character, but one is empty."
    case .negativeMaxTokens(let count):
      "The number of tokens to generate must be 0 or more, but it is \(count)."
    case .negativeKeep(let count):
      "The number of tokens to keep must be -1 (the prompt), 0 or more, but it is \(count)."
    case .keepTooLong(let keep, let contextSize):
      "The number of tokens to keep must leave room in the context of \(contextSize) tokens, but it is \(keep)."
    case .logProbabilitiesOutside(let count, let most):
      "Log-probabilities of \(count) tokens are asked for, expected 0 to \(most)."
    case .queueFull(let limit):
      "The engine is busy and \(limit) requests wait already, which is the limit: try again later."
    case .engineStopped:
      "The engine was stopped before the answer was complete."
    case .noThread:
      "The system gives no thread to run requests on."
    }
  }
}
