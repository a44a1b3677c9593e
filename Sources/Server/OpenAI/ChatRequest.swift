import PowerInfer

/// The body of `/v1/chat/completions`. Fields that are not named here are ignored.
struct ChatRequest: Decodable, Sendable {
  struct StreamOptions: Decodable, Sendable { var include_usage: Bool? }
  struct Format: Decodable, Sendable { var type: String }

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
  var response_format: Format?
  var tools: [Anything]?
  var tool_choice: ToolChoice?
  var cache_prompt: Bool?

  enum ToolChoice: Decodable, Sendable, Equatable {
    case named(String)
    case function

    init(from decoder: any Decoder) throws {
      self = (try? decoder.singleValueContainer().decode(String.self)).map { .named($0) } ?? .function
    }
  }

  var count: Int { n ?? 1 }
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
    if let format = response_format, format.type != "text" {
      throw APIError(
        .notSupported, "The response format \(format.type.debugDescription) is not supported, expected \"text\".",
        parameter: "response_format")
    }
    switch tool_choice {
    case nil, .named("auto"), .named("none"): break
    default:
      throw APIError(
        .notSupported, "A forced tool call is not supported; expected tool_choice to be \"auto\" or \"none\".",
        parameter: "tool_choice")
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
