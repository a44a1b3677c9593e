import OrderedCollections
import PowerInfer
import PowerInferJinja

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
  var tools: [AnyValue]?
  var tool_choice: Choice?
  var stop: StopField?
  var metadata: [String: String]?
  // llama.cpp's.
  var enable_thinking: Bool?
  var chat_template_kwargs: Anything?

  /// A text, or items of a conversation.
  enum Input: Decodable, Sendable {
    case text(String)
    case items([ResponseInputItem])

    init(from decoder: any Decoder) throws {
      let single = try decoder.singleValueContainer()
      if let text = try? single.decode(String.self) {
        self = .text(text)
      } else {
        self = .items(try single.decode([ResponseInputItem].self))
      }
    }
  }

  /// A word, or an object that names a function: flat, unlike in chat completions.
  struct Choice: Decodable, Sendable {
    var choice: ToolChoice
    /// As it came.
    var value: AnyValue

    private enum CodingKeys: String, CodingKey { case type, name }

    init(from decoder: any Decoder) throws {
      value = try AnyValue(from: decoder)
      guard case .object = value else {
        choice = try ToolChoiceField(from: decoder).choice
        return
      }
      let values = try decoder.container(keyedBy: CodingKeys.self)
      let type = try values.decode(String.self, forKey: .type)
      guard type == "function" else {
        throw DecodingError.dataCorruptedError(
          forKey: .type, in: values, debugDescription: "expected function, found \(type.debugDescription).")
      }
      choice = .function(try values.decode(String.self, forKey: .name))
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
    for (index, tool) in (tools ?? []).enumerated() {
      guard case .object(let members) = tool, case .text(let type)? = members["type"], type != "function" else {
        continue
      }
      throw APIError(
        .notSupported, "The tool \(index) is of the type \(type.debugDescription), expected function.",
        parameter: "tools.\(index).type")
    }
    if tool_choice?.choice.isForced == true, tools?.isEmpty ?? true {
      throw APIError(.invalidRequest, "The tool_choice needs tools, but there are none.", parameter: "tool_choice")
    }
  }

  /// The tools, whose members stand beside their type here.
  ///
  /// - Throws: ``APIError`` where they are no tools.
  func tools(in body: [UInt8]) throws -> [Tool] {
    guard tools?.isEmpty == false else { return [] }
    return try AnswerTools.read(body) { tool in
      guard var function = tool.entries else { return tool }
      function["type"] = nil
      return .dictionary(["type": "function", "function": .dictionary(function)])
    }
  }

  /// The conversation in the form that templates know.
  ///
  /// - Throws: `MessageError`, ``APIError``.
  func messages() throws -> [Message] {
    let system = instructions.map { [Message(.system, $0)] } ?? []
    switch input {
    case .text(let text): return system + [Message(.user, text)]
    case .items(let items):
      guard !items.isEmpty else {
        throw APIError(.invalidRequest, "The input is empty, expected at least one item.", parameter: "input")
      }
      return system + ResponseInputItem.messages(items)
    }
  }
}
