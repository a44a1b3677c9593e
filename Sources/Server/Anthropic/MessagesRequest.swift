import OrderedCollections
import PowerInfer
import PowerInferJinja

/// The body of `/v1/messages`. Fields that are not named here are ignored.
struct MessagesRequest: Decodable, Sendable {
  struct Turn: Decodable, Sendable {
    var role: String
    var content: Content
  }

  /// A text, or blocks.
  struct Content: Decodable, Sendable {
    var blocks: [Block]

    init(from decoder: any Decoder) throws {
      let single = try decoder.singleValueContainer()
      if let text = try? single.decode(String.self) {
        blocks = [.text(text)]
      } else {
        blocks = try single.decode([Block].self)
      }
    }

    /// The text of all blocks.
    var text: String { blocks.map { if case .text(let text) = $0 { text } else { "" } }.joined() }
  }

  enum Block: Decodable, Sendable {
    case text(String)
    case thinking(String)
    case toolUse(ToolCall)
    case toolResult(id: String, text: String)

    private enum CodingKeys: String, CodingKey { case type, text, thinking, id, name, input, tool_use_id, content }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      let type = try values.decode(String.self, forKey: .type)
      switch type {
      case "text": self = .text(try values.decode(String.self, forKey: .text))
      case "thinking": self = .thinking(try values.decodeIfPresent(String.self, forKey: .thinking) ?? "")
      // What only its author can read.
      case "redacted_thinking": self = .thinking("")
      case "tool_use":
        let input = try values.decodeIfPresent(AnyValue.self, forKey: .input)?.json() ?? "{}"
        self = .toolUse(
          ToolCall(
            id: try values.decode(String.self, forKey: .id), name: try values.decode(String.self, forKey: .name),
            arguments: input))
      case "tool_result":
        self = .toolResult(
          id: try values.decode(String.self, forKey: .tool_use_id),
          text: try values.decodeIfPresent(Content.self, forKey: .content)?.text ?? "")
      default: throw MessageError.unsupportedPart(type)
      }
    }
  }

  var model: String?
  var max_tokens: Int?
  var messages: [Turn]
  var system: Content?
  var stop_sequences: StopField?
  var stream: Bool?
  var tools: [Anything]?
  var tool_choice: Choice?
  var thinking: Thinking?

  /// Whether the model is to think first. How much is the model's business.
  struct Thinking: Decodable, Sendable {
    var isWanted: Bool
    var budget_tokens: Int?

    private enum CodingKeys: String, CodingKey { case type, budget_tokens }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      budget_tokens = try values.decodeIfPresent(Int.self, forKey: .budget_tokens)
      let type = try values.decode(String.self, forKey: .type)
      switch type {
      case "enabled", "adaptive": isWanted = true
      case "disabled": isWanted = false
      default:
        throw DecodingError.dataCorruptedError(
          forKey: .type, in: values,
          debugDescription: "expected enabled, adaptive or disabled, found \(type.debugDescription).")
      }
    }
  }

  /// Whether and which tools are to be called.
  struct Choice: Decodable, Sendable {
    var choice: ToolChoice

    private enum CodingKeys: String, CodingKey { case type, name }

    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      let type = try values.decode(String.self, forKey: .type)
      switch type {
      case "auto": choice = .auto
      case "any": choice = .required
      case "none": choice = .none
      case "tool": choice = .function(try values.decode(String.self, forKey: .name))
      default:
        throw DecodingError.dataCorruptedError(
          forKey: .type, in: values,
          debugDescription: "expected auto, any, tool or none, found \(type.debugDescription).")
      }
    }
  }

  static let noMessages = APIError(
    .invalidRequest, "messages: at least one message is required.", parameter: "messages")

  /// - Throws: ``APIError`` for what is out of range.
  func validate() throws {
    guard !messages.isEmpty else { throw Self.noMessages }
    guard let max_tokens else {
      throw APIError(.invalidRequest, "max_tokens: Field required.", parameter: "max_tokens")
    }
    try ChatRequest.check(max_tokens, atLeast: 1, "max_tokens")
    if tool_choice?.choice.isForced == true, tools?.isEmpty ?? true {
      throw APIError(.invalidRequest, "The tool_choice needs tools, but there are none.", parameter: "tool_choice")
    }
  }

  /// The conversation in the form that templates know.
  ///
  /// - Throws: `MessageError.unknownRole`.
  func conversation() throws -> [Message] {
    var conversation = system.map { [Message(.system, $0.text)] } ?? []
    for turn in messages {
      switch turn.role {
      case "user":
        var text: [String] = []
        for block in turn.content.blocks {
          switch block {
          case .text(let part): text.append(part)
          case .toolResult(let id, let result): conversation.append(Message(resultOf: id, result))
          case .toolUse: throw MessageError.unsupportedPart("tool_use")
          case .thinking: throw MessageError.unsupportedPart("thinking")
          }
        }
        if !text.isEmpty { conversation.append(Message(.user, text.joined())) }
      case "assistant":
        let calls = turn.content.blocks.compactMap { if case .toolUse(let call) = $0 { call } else { nil } }
        var message = Message(.assistant, turn.content.text)
        message.toolCalls = calls
        let thoughts = turn.content.blocks.compactMap { if case .thinking(let text) = $0 { text } else { nil } }
        let reasoning = thoughts.joined()
        message.reasoning = reasoning.isEmpty ? nil : reasoning
        conversation.append(message)
      default: throw MessageError.unknownRole(turn.role)
      }
    }
    return conversation
  }

  /// The tools, which Anthropic describes a little differently.
  ///
  /// - Throws: ``APIError`` where they are no tools.
  func tools(in body: [UInt8]) throws -> [Tool] {
    guard tools?.isEmpty == false else { return [] }
    return try AnswerTools.read(body) { tool in
      guard var function = tool.entries else { return tool }
      function["type"] = nil
      if let schema = function.removeValue(forKey: "input_schema") { function["parameters"] = schema }
      return .dictionary(["type": "function", "function": .dictionary(function)])
    }
  }
}
