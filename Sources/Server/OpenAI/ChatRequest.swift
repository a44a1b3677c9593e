import PowerInfer

/// The body of `/v1/chat/completions`. Fields that are not named here are ignored.
struct ChatRequest: Decodable, Sendable {
  struct StreamOptions: Decodable, Sendable { var include_usage: Bool? }

  var model: String?
  var messages: [Message]
  var stream: Bool?
  var stream_options: StreamOptions?
  var max_tokens: Int?
  var max_completion_tokens: Int?
  var n: Int?
  var stop: StopField?
  var logprobs: Bool?
  var top_logprobs: Int?
  var response_format: Anything?
  var grammar: Anything?
  var json_schema: Anything?
  var tools: [Anything]?
  var tool_choice: ToolChoiceField?
  var cache_prompt: Bool?
  // llama.cpp's.
  var reasoning_format: ReasoningField?
  var enable_thinking: Bool?
  var chat_template_kwargs: Anything?

  var count: Int { n ?? 1 }
  /// Whether something is said of the answer's form.
  var hasForm: Bool { response_format != nil || grammar != nil || json_schema != nil }
  var includesUsage: Bool { stream_options?.include_usage ?? false }

  /// Most answers to one request.
  static let countRange = 1...128

  /// - Throws: ``APIError`` for what is out of range or not done here.
  func validate() throws {
    guard !messages.isEmpty else {
      throw APIError(.invalidRequest, "The list of messages is empty, expected at least one.", parameter: "messages")
    }
    try Self.check(count, in: Self.countRange, "n")
    try Self.check(max_completion_tokens, atLeast: 1, "max_completion_tokens")
    try Self.check(max_tokens, atLeast: 1, "max_tokens")
    if let top_logprobs {
      try Self.check(top_logprobs, in: 0...20, "top_logprobs")
      guard logprobs == true else {
        throw APIError(
          .invalidRequest, "The field top_logprobs needs logprobs to be true.", parameter: "top_logprobs")
      }
    }
    if tool_choice?.choice.isForced == true, tools?.isEmpty ?? true {
      throw APIError(.invalidRequest, "The tool_choice needs tools, but there are none.", parameter: "tool_choice")
    }
  }

  static func check(_ value: Int?, in range: ClosedRange<Int>, _ name: String) throws {
    guard let value, !range.contains(value) else { return }
    throw APIError(
      .invalidRequest,
      "The value of \(name) must be from \(range.lowerBound) to \(range.upperBound), but it is \(value).",
      parameter: name)
  }

  static func check(_ value: Int?, atLeast least: Int, _ name: String) throws {
    guard let value, value < least else { return }
    throw APIError(
      .invalidRequest, "The value of \(name) must be \(least) or more, but it is \(value).", parameter: name)
  }
}

/// A word, or an object that names a function.
struct ToolChoiceField: Decodable, Sendable {
  var choice: ToolChoice

  private struct Object: Decodable {
    struct Function: Decodable { var name: String }
    var function: Function
  }

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    guard let word = try? single.decode(String.self) else {
      choice = .function(try single.decode(Object.self).function.name)
      return
    }
    switch word {
    case "none": choice = .none
    case "auto": choice = .auto
    case "required": choice = .required
    default:
      throw DecodingError.dataCorruptedError(
        in: single, debugDescription: "expected none, auto, required or a function, found \(word.debugDescription).")
    }
  }
}

/// Where what a model thinks goes, in llama.cpp's words.
struct ReasoningField: Decodable, Sendable {
  var output: ReasoningOutput

  init(from decoder: any Decoder) throws {
    let single = try decoder.singleValueContainer()
    let name = try single.decode(String.self)
    guard let output = ReasoningOutput(name: name) else {
      throw DecodingError.dataCorruptedError(
        in: single, debugDescription: "expected none, deepseek or auto, found \(name.debugDescription).")
    }
    self.output = output
  }
}
