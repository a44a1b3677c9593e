/// Why a model cannot be measured on a text.
public enum EvaluationError: Error, Equatable, CustomStringConvertible {
  case contextSize(Int)
  case chunkLimit(Int)
  case textTooShort(tokens: Int, contextSize: Int)
  case notFinite(chunk: Int, position: Int)
  /// No conversation has an answer of an assistant.
  case noAnswers
  /// No conversation's answer fits the context.
  case answersTooLong(contextSize: Int)
  /// The chat template refuses a conversation; they count from 1.
  case refused(conversation: Int, reason: String)

  public var description: String {
    switch self {
    case .contextSize(let size):
      let range = ScoredText.contextSizeRange
      return "The context size is \(size), expected \(range.lowerBound) to \(range.upperBound)."
    case .chunkLimit(let limit):
      return "The number of chunks is \(limit), expected at least 1."
    case .textTooShort(let tokens, let contextSize):
      return
        "The text has \(tokens) \(tokens == 1 ? "token" : "tokens"), but a context of \(contextSize) tokens needs "
        + "a text of at least \(2 * contextSize), two chunks of it."
    case .notFinite(let chunk, let position):
      return
        "The logits at position \(position) of chunk \(chunk + 1) hold infinity or a value that is not a number; "
        + "the model is damaged."
    case .noAnswers:
      return "The conversations have no message of the role \"assistant\", of which at least one was expected."
    case .answersTooLong(let contextSize):
      return "No conversation is as short as the context of \(contextSize) tokens up to its first answer's end."
    case .refused(let conversation, let reason):
      return "Conversation \(conversation): \(reason)"
    }
  }
}
