public import OrderedCollections
public import PowerInferJinja

/// One turn of a conversation, as chat templates see it.
public struct ChatMessage: Sendable, Equatable {
  /// Who speaks: `system`, `user`, `assistant` or `tool`; templates may know others.
  public var role: String
  /// A text, a list of parts, or none for a turn that only calls tools.
  public var content: Value
  /// What else the turn carries, such as `tool_calls`, `tool_call_id`, `name` or `reasoning_content`.
  public var extras: OrderedDictionary<String, Value>

  /// A turn whose content is a text.
  public init(role: String, content: String, extras: OrderedDictionary<String, Value> = [:]) {
    self.init(role: role, content: .string(content), extras: extras)
  }

  /// A turn whose content may be a list of parts, or none.
  public init(role: String, content: Value, extras: OrderedDictionary<String, Value> = [:]) {
    self.role = role
    self.content = content
    self.extras = extras
  }

  /// What the model is told before the conversation.
  public static func system(_ text: String) -> ChatMessage { ChatMessage(role: "system", content: text) }
  /// What the user says.
  public static func user(_ text: String) -> ChatMessage { ChatMessage(role: "user", content: text) }
  /// What the model answered.
  public static func assistant(_ text: String) -> ChatMessage { ChatMessage(role: "assistant", content: text) }

  /// The message that a JSON object describes: `role`, `content` and any other entries.
  ///
  /// - Throws: `ChatTemplateError.notAMessage` when the value is not an object with a role.
  public init(_ value: Value) throws(ChatTemplateError) {
    guard var entries = value.entries, let role = entries.removeValue(forKey: "role")?.text else {
      throw .notAMessage(position: nil)
    }
    self.role = role
    content = entries.removeValue(forKey: "content") ?? .none
    extras = entries
  }

  /// The messages of a JSON text that holds a list of them.
  public static func list(json text: String) throws -> [ChatMessage] {
    guard let elements = try Value(json: text).elements else { throw ChatTemplateError.notAList }
    return try elements.enumerated().map { position, element in
      do {
        return try ChatMessage(element)
      } catch {
        throw ChatTemplateError.notAMessage(position: position + 1)
      }
    }
  }

  /// The message as the templates' variable.
  var value: Value {
    var entries: OrderedDictionary<String, Value> = ["role": .string(role), "content": content]
    for (key, value) in extras { entries[key] = value }
    return .dictionary(entries)
  }
}
