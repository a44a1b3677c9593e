import PowerInfer

/// An item of a response's input: what somebody said, what a model thought, a call that it wished, or a call's result.
enum ResponseInputItem: Decodable, Sendable {
  case message(Message.Role, String)
  case reasoning(String)
  case call(ToolCall)
  case result(id: String, String)

  private struct Part: Decodable {
    var type: String
    var text: String?
  }

  private enum CodingKeys: String, CodingKey { case type, role, content, summary, call_id, name, arguments, output }

  /// - Throws: `MessageError`, `DecodingError`.
  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let type = try values.decodeIfPresent(String.self, forKey: .type) ?? "message"
    switch type {
    case "message":
      let role = try values.decodeIfPresent(String.self, forKey: .role) ?? ""
      guard let known = role == "developer" ? .system : Message.Role(rawValue: role), known != .tool else {
        throw MessageError.unknownRole(role)
      }
      self = .message(known, try Self.text(values, .content))
    case "reasoning":
      let parts =
        try values.decodeIfPresent([Part].self, forKey: .content)
        ?? values.decodeIfPresent([Part].self, forKey: .summary) ?? []
      self = .reasoning(parts.compactMap(\.text).joined())
    case "function_call":
      self = .call(
        ToolCall(
          id: try values.decode(String.self, forKey: .call_id), name: try values.decode(String.self, forKey: .name),
          arguments: try values.decode(String.self, forKey: .arguments)))
    case "function_call_output":
      self = .result(id: try values.decode(String.self, forKey: .call_id), try Self.text(values, .output))
    default: throw MessageError.unsupportedPart(type)
    }
  }

  /// A text, or parts of one.
  private static func text(_ values: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys) throws -> String {
    guard let parts = try? values.decode([Part].self, forKey: key) else {
      return try values.decode(String.self, forKey: key)
    }
    return try parts.map { part in
      guard ["input_text", "output_text", "text"].contains(part.type), let text = part.text else {
        throw MessageError.unsupportedPart(part.type)
      }
      return text
    }.joined()
  }

  /// The turns of a conversation: what a model thought, said and wished to have called, one after the other, is one.
  static func messages(_ items: [ResponseInputItem]) -> [Message] {
    var messages: [Message] = []
    var reasoning = ""
    /// Whether the last turn is the model's and may go on.
    var goesOn = false
    func add(_ message: Message) {
      var message = message
      if message.role == .assistant, !reasoning.isEmpty { message.reasoning = reasoning }
      reasoning = ""
      messages.append(message)
      goesOn = message.role == .assistant
    }
    for item in items {
      switch item {
      case .message(let role, let text): add(Message(role, text))
      case .reasoning(let text):
        reasoning += text
        goesOn = false
      case .call(let call):
        if goesOn { messages[messages.count - 1].toolCalls.append(call) } else { add(Message(calls: [call])) }
      case .result(let id, let text): add(Message(resultOf: id, text))
      }
    }
    return messages
  }
}
