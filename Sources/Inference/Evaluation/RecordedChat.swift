import OrderedCollections
public import PowerInferJinja
public import PowerInferModel

/// A conversation that a file holds: its messages and the tools that were offered.
public struct RecordedChat: Sendable, Equatable {
  /// Oldest first.
  public var messages: [ChatMessage]
  /// Descriptions of functions as JSON schemas; nil for none.
  public var tools: [Value]?

  public init(messages: [ChatMessage], tools: [Value]? = nil) {
    self.messages = messages
    self.tools = tools
  }

  /// The conversations of a file as programs write them for training: a line of JSON for each (JSONL), or a JSON list of them.
  ///
  /// A conversation is a list of messages with `role` and `content`, or an object with that list in `messages` and perhaps `tools`, or
  /// with turns of `from` and `value` in `conversations`. A JSON list of messages is one conversation.
  ///
  /// - Throws: ``RecordedChatError``.
  public static func list(_ text: String) throws(RecordedChatError) -> [RecordedChat] {
    if let whole = try? Value(json: text) {
      if let elements = whole.elements, elements.first?.entries?["role"] == nil {
        return try chats(elements)
      }
      return try chats([whole])
    }
    var values: [Value] = []
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated()
    where !line.allSatisfy(\.isWhitespace) {
      guard let value = try? Value(json: String(line)) else { throw .notJSON(line: index + 1) }
      values.append(value)
    }
    return try chats(values)
  }

  private static func chats(_ values: [Value]) throws(RecordedChatError) -> [RecordedChat] {
    guard !values.isEmpty else { throw .empty }
    var chats: [RecordedChat] = []
    for (index, value) in values.enumerated() { chats.append(try RecordedChat(value, position: index + 1)) }
    return chats
  }

  private init(_ value: Value, position: Int) throws(RecordedChatError) {
    let entries = value.entries
    let turns = entries?["conversations"]?.elements
    guard let list = value.elements ?? entries?["messages"]?.elements ?? turns?.map(Self.message) else {
      throw .noMessages(conversation: position)
    }
    messages = []
    for (index, value) in list.enumerated() {
      do throws(ChatTemplateError) {
        messages.append(try ChatMessage(value))
      } catch {
        throw .notAMessage(conversation: position, message: index + 1)
      }
    }
    tools = entries?["tools"]?.elements.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// A turn of `from` and `value` with the usual names.
  private static func message(_ turn: Value) -> Value {
    guard let entries = turn.entries, let speaker = entries["from"]?.text, let text = entries["value"] else {
      return turn
    }
    let roles = ["human": "user", "gpt": "assistant"]
    return ["role": .string(roles[speaker] ?? speaker), "content": text]
  }
}

/// Why a file holds no conversations.
public enum RecordedChatError: Error, Equatable, CustomStringConvertible {
  case empty
  case notJSON(line: Int)
  case noMessages(conversation: Int)
  case notAMessage(conversation: Int, message: Int)

  public var description: String {
    switch self {
    case .empty:
      "It holds no conversation; expected a JSON list of messages, or a line of JSON for each conversation."
    case .notJSON(let line):
      "Line \(line) is no JSON; expected a conversation on each line, or one JSON list."
    case .noMessages(let conversation):
      "Conversation \(conversation) has no messages; expected a list of them, or an object with the list \"messages\"."
    case .notAMessage(let conversation, let message):
      "Message \(message) of conversation \(conversation) is no object with the text \"role\"."
    }
  }
}
