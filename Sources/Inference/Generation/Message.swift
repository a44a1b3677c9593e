/// One turn of a conversation, in the form that chat APIs agree on.
///
/// ```swift
/// let messages = [
///   Message(.system, "Answer briefly."),
///   Message(.user, "How warm is it in Oslo?"),
///   Message(calls: [ToolCall(id: "1", name: "weather", arguments: #"{"city": "Oslo"}"#)]),
///   Message(resultOf: "1", name: "weather", "7 degrees"),
/// ]
/// ```
///
/// As JSON it is OpenAI's message: `role`, `content` (a text, a list of text parts or null), `name`, `tool_calls`,
/// `tool_call_id` and `reasoning_content`.
public struct Message: Sendable, Equatable {
  /// Who speaks.
  public enum Role: String, Sendable, Codable, CaseIterable {
    case system, user, assistant, tool
  }

  /// Who spoke.
  public var role: Role
  /// What was said; empty for a turn that only calls tools.
  public var content: String
  /// The speaker's name, or the tool's whose result this is.
  public var name: String?
  /// What a model thought before it answered, where it keeps that apart.
  public var reasoning: String?
  /// What a model wants to have called.
  public var toolCalls: [ToolCall]
  /// Whose result this is, for the role `tool`.
  public var toolCallID: String?

  /// What one side said.
  public init(_ role: Role, _ content: String) {
    self.role = role
    self.content = content
    toolCalls = []
  }

  /// A model's wish to have tools called, with what it says beside.
  public init(calls: [ToolCall], _ content: String = "") {
    self.init(.assistant, content)
    toolCalls = calls
  }

  /// The result of a tool call.
  public init(resultOf id: String, name: String? = nil, _ content: String) {
    self.init(.tool, content)
    toolCallID = id
    self.name = name
  }
}

/// A model's wish to have a function called.
public struct ToolCall: Sendable, Equatable {
  /// What the result refers to.
  public var id: String
  /// The function's name.
  public var name: String
  /// A JSON object as the model wrote it, which need not be valid.
  public var arguments: String

  /// A call of a function.
  public init(id: String, name: String, arguments: String) {
    self.id = id
    self.name = name
    self.arguments = arguments
  }
}

/// Why a JSON value is not a message.
public enum MessageError: Error, Equatable, CustomStringConvertible {
  case unknownRole(String)
  case unsupportedPart(String)
  case unsupportedToolCall(String)
  case notATool(found: String)

  public var description: String {
    switch self {
    case .unknownRole(let role):
      "The role of a message is \(role.debugDescription), expected system, developer, user, assistant or tool."
    case .unsupportedPart(let type):
      "A part of a message is of the type \(type.debugDescription), expected text: models here read nothing else."
    case .unsupportedToolCall(let type):
      "A tool call is of the type \(type.debugDescription), expected function."
    case .notATool(let found):
      "Expected a tool as an object with the text function.name, found \(found)."
    }
  }
}

extension Message: Codable {
  private enum CodingKeys: String, CodingKey {
    case role, content, name
    case reasoning = "reasoning_content"
    case toolCalls = "tool_calls"
    case toolCallID = "tool_call_id"
  }

  private struct Part: Decodable {
    var type: String
    var text: String?
  }

  /// - Throws: ``MessageError`` for another role, a part that is no text or a call that is none of a function; `DecodingError`.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let role = try values.decode(String.self, forKey: .role)
    // "developer" is the newer name of the system's role, which templates do not know.
    guard let known = role == "developer" ? .system : Role(rawValue: role) else { throw MessageError.unknownRole(role) }
    self.init(known, try Self.content(values))
    name = try values.decodeIfPresent(String.self, forKey: .name)
    reasoning = try values.decodeIfPresent(String.self, forKey: .reasoning)
    toolCalls = try values.decodeIfPresent([ToolCall].self, forKey: .toolCalls) ?? []
    toolCallID = try values.decodeIfPresent(String.self, forKey: .toolCallID)
  }

  private static func content(_ values: KeyedDecodingContainer<CodingKeys>) throws -> String {
    guard values.contains(.content), try !values.decodeNil(forKey: .content) else { return "" }
    guard let parts = try? values.decode([Part].self, forKey: .content) else {
      return try values.decode(String.self, forKey: .content)
    }
    return try parts.map { part in
      guard part.type == "text", let text = part.text else { throw MessageError.unsupportedPart(part.type) }
      return text
    }.joined()
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(role, forKey: .role)
    if content.isEmpty, !toolCalls.isEmpty {
      try values.encodeNil(forKey: .content)
    } else {
      try values.encode(content, forKey: .content)
    }
    try values.encodeIfPresent(name, forKey: .name)
    try values.encodeIfPresent(reasoning, forKey: .reasoning)
    if !toolCalls.isEmpty { try values.encode(toolCalls, forKey: .toolCalls) }
    try values.encodeIfPresent(toolCallID, forKey: .toolCallID)
  }
}

extension ToolCall: Codable {
  private enum CodingKeys: String, CodingKey { case id, type, function }
  private enum FunctionKeys: String, CodingKey { case name, arguments }

  /// - Throws: ``MessageError/unsupportedToolCall(_:)``, `DecodingError`.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let type = try values.decodeIfPresent(String.self, forKey: .type) ?? "function"
    guard type == "function" else { throw MessageError.unsupportedToolCall(type) }
    let function = try values.nestedContainer(keyedBy: FunctionKeys.self, forKey: .function)
    // Some programs write the arguments as the object itself instead of its text.
    let text = try? function.decode(String.self, forKey: .arguments)
    self.init(
      id: try values.decodeIfPresent(String.self, forKey: .id) ?? "",
      name: try function.decode(String.self, forKey: .name),
      arguments: try text ?? function.decode(AnyJSON.self, forKey: .arguments).text())
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(id, forKey: .id)
    try values.encode("function", forKey: .type)
    var function = values.nestedContainer(keyedBy: FunctionKeys.self, forKey: .function)
    try function.encode(name, forKey: .name)
    try function.encode(arguments, forKey: .arguments)
  }
}
