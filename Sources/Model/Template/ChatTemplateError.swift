import PowerInferGGUF

/// Why a conversation cannot be turned into a prompt, beyond what the template itself says (`JinjaError`).
public enum ChatTemplateError: Error, Equatable, CustomStringConvertible, Sendable {
  /// The model's file carries no template.
  case missing
  /// A JSON value is not a message; `position` counts from 1.
  case notAMessage(position: Int?)
  /// A JSON text does not hold a list of messages.
  case notAList
  /// Neither the name of a built-in template nor the text of one.
  case unknownName(String, known: [String])

  public var description: String {
    switch self {
    case .missing:
      "The model has no chat template (tokenizer.chat_template); give one, or ask for the common form ChatML."
    case .notAMessage(let position):
      "Expected \(position.map { "message \($0)" } ?? "a message") to be an object with the text 'role', found another value."
    case .notAList:
      "Expected a JSON list of messages, found another value."
    case .unknownName(let name, let known):
      "There is no chat template of the name \(shown(name)), and it is not the text of one; known are "
        + known.joined(separator: ", ") + "."
    }
  }
}
