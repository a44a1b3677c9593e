import PowerInfer

/// The reply of `/v1/messages`.
struct MessageReply: Encodable {
  enum Block: Encodable {
    case text(String)
    case thinking(String)
    /// With a JSON object.
    case toolUse(id: String, name: String, input: AnyValue)

    private enum CodingKeys: String, CodingKey { case type, text, thinking, signature, id, name, input }

    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      switch self {
      case .text(let text):
        try values.encode("text", forKey: .type)
        try values.encode(text, forKey: .text)
      case .thinking(let text):
        try values.encode("thinking", forKey: .type)
        try values.encode(text, forKey: .thinking)
        // Nothing here is checked when it comes back.
        try values.encode("", forKey: .signature)
      case .toolUse(let id, let name, let input):
        try values.encode("tool_use", forKey: .type)
        try values.encode(id, forKey: .id)
        try values.encode(name, forKey: .name)
        try values.encode(input, forKey: .input)
      }
    }
  }

  struct Usage: Encodable {
    var input_tokens: Int
    var cache_creation_input_tokens = 0
    var cache_read_input_tokens: Int
    var output_tokens: Int

    /// Tokens from the cache are counted apart from the others.
    init(_ statistics: GenerationStatistics) {
      cache_read_input_tokens = statistics.reusedTokens
      input_tokens = statistics.promptTokens - statistics.reusedTokens
      output_tokens = statistics.generatedTokens
    }
  }

  var id = Names.new("msg_")
  var type = "message"
  var role = "assistant"
  var model: String
  var content: [Block]
  var stop_reason: OrNull<String>
  var stop_sequence: OrNull<String>
  var usage: Usage

  init(_ result: GenerationResult, _ answer: ParsedAnswer, model: String) {
    self.model = model
    content = answer.reasoning.isEmpty ? [] : [.thinking(answer.reasoning)]
    if !answer.text.isEmpty || answer.calls.isEmpty { content.append(.text(answer.text)) }
    content += answer.calls.map {
      .toolUse(id: Names.new("toolu_"), name: $0.name, input: AnyValue(json: $0.arguments))
    }
    stop_reason = OrNull(result.finishReason.anthropic(hasCalls: !answer.calls.isEmpty))
    stop_sequence = OrNull(result.stopString)
    usage = Usage(result.statistics)
  }

  /// The empty message that a stream begins with.
  init(_ start: GenerationStart, model: String) {
    self.model = model
    content = []
    stop_reason = OrNull(nil)
    stop_sequence = OrNull(nil)
    var statistics = GenerationStatistics()
    (statistics.promptTokens, statistics.reusedTokens) = (start.promptTokens, start.reusedTokens)
    usage = Usage(statistics)
  }
}

extension FinishReason {
  /// In Anthropic's words.
  func anthropic(hasCalls: Bool) -> String {
    switch self {
    case .stop: hasCalls ? "tool_use" : "end_turn"
    case .stopString: "stop_sequence"
    case .length, .cacheFull, .cancelled: "max_tokens"
    case .contextFull: "model_context_window_exceeded"
    }
  }
}
