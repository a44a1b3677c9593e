import PowerInfer

/// The body of `/v1/responses`. Fields that are not named here are ignored.
struct ResponsesRequest: Decodable, Sendable {
  struct TextField: Decodable, Sendable {
    struct Format: Decodable, Sendable { var type: String }
    var format: Format?
  }

  var model: String?
  var input: Input
  var instructions: String?
  var max_output_tokens: Int?
  var stream: Bool?
  var previous_response_id: String?
  var text: TextField?
  var tools: [Anything]?
  var stop: StopField?
  var metadata: [String: String]?

  /// A text, or turns of a conversation.
  enum Input: Decodable, Sendable {
    case text(String)
    case items([Item])

    init(from decoder: any Decoder) throws {
      let single = try decoder.singleValueContainer()
      if let text = try? single.decode(String.self) {
        self = .text(text)
      } else {
        self = .items(try single.decode([Item].self))
      }
    }
  }

  /// A turn.
  struct Item: Decodable, Sendable {
    struct Part: Decodable, Sendable {
      var type: String
      var text: String?
    }

    var type: String?
    var role: String?
    var text = ""

    private enum CodingKeys: String, CodingKey { case type, role, content, summary }

    /// Whether it is what a model thought.
    var isReasoning: Bool { type == "reasoning" }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      type = try values.decodeIfPresent(String.self, forKey: .type)
      role = try values.decodeIfPresent(String.self, forKey: .role)
      if type == "reasoning" {
        let parts =
          try values.decodeIfPresent([Part].self, forKey: .content)
          ?? values.decodeIfPresent([Part].self, forKey: .summary) ?? []
        text = parts.compactMap(\.text).joined()
        return
      }
      guard type == nil || type == "message" else {
        throw MessageError.unsupportedPart(type ?? "")
      }
      if let parts = try? values.decode([Part].self, forKey: .content) {
        text = try parts.map { part in
          guard ["input_text", "output_text", "text"].contains(part.type), let text = part.text else {
            throw MessageError.unsupportedPart(part.type)
          }
          return text
        }.joined()
      } else {
        text = try values.decode(String.self, forKey: .content)
      }
    }

    /// - Throws: `MessageError.unknownRole`.
    func message() throws -> Message {
      let name = role == "developer" ? "system" : role ?? ""
      guard let role = Message.Role(rawValue: name), role != .tool else {
        throw MessageError.unknownRole(role ?? "")
      }
      return Message(role, text)
    }
  }

  /// - Throws: ``APIError`` for what is out of range or not done here.
  func validate() throws {
    try ChatRequest.check(max_output_tokens, atLeast: 1, "max_output_tokens")
    if previous_response_id != nil {
      throw APIError(
        .notSupported, "Responses are not kept here; expected the whole conversation in input.",
        parameter: "previous_response_id")
    }
    if tools?.isEmpty == false {
      throw APIError(
        .notSupported, "Tools are not supported in responses; see /v1/chat/completions.", parameter: "tools")
    }
  }

  /// - Throws: `MessageError`, ``APIError``.
  func messages() throws -> [Message] {
    var messages = instructions.map { [Message(.system, $0)] } ?? []
    switch input {
    case .text(let text): messages.append(Message(.user, text))
    case .items(let items):
      guard !items.isEmpty else {
        throw APIError(.invalidRequest, "The input is empty, expected at least one item.", parameter: "input")
      }
      var reasoning = ""
      for item in items {
        if item.isReasoning {
          reasoning += item.text
          continue
        }
        var message = try item.message()
        if message.role == .assistant, !reasoning.isEmpty { message.reasoning = reasoning }
        reasoning = ""
        messages.append(message)
      }
    }
    return messages
  }
}
