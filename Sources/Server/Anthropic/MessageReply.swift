import PowerInfer

/// The reply of `/v1/messages`.
struct MessageReply: Encodable {
  struct Block: Encodable {
    var type = "text"
    var text: String
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

  init(_ result: GenerationResult, model: String) {
    self.model = model
    content = [Block(text: result.text)]
    stop_reason = OrNull(result.finishReason.anthropic)
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
  var anthropic: String {
    switch self {
    case .stop: "end_turn"
    case .stopString: "stop_sequence"
    case .length, .cacheFull, .cancelled: "max_tokens"
    case .contextFull: "model_context_window_exceeded"
    }
  }
}

/// A streamed message: named events.
struct MessageStream: AnswerWriter {
  static let contentType = ChatStream.contentType

  private struct Start: Encodable {
    var type = "message_start"
    var message: MessageReply
  }

  private struct BlockStart: Encodable {
    var type = "content_block_start"
    var index = 0
    var content_block = MessageReply.Block(text: "")
  }

  private struct Ping: Encodable { var type = "ping" }

  private struct BlockDelta: Encodable {
    struct Delta: Encodable {
      var type = "text_delta"
      var text: String
    }
    var type = "content_block_delta"
    var index = 0
    var delta: Delta
  }

  private struct BlockStop: Encodable {
    var type = "content_block_stop"
    var index = 0
  }

  private struct MessageDelta: Encodable {
    struct Delta: Encodable {
      var stop_reason: String
      var stop_sequence: OrNull<String>
    }
    var type = "message_delta"
    var delta: Delta
    var usage: MessageReply.Usage
  }

  private struct Stop: Encodable { var type = "message_stop" }

  private let model: String
  private let requestID: String
  private var hasBegun = false

  init(model: String, requestID: String) {
    self.model = model
    self.requestID = requestID
  }

  mutating func begin(_ frames: inout Frames) throws {}

  /// The message's start says how long the prompt is, which shows when its turn has come.
  private mutating func start(_ start: GenerationStart, _ frames: inout Frames) throws {
    guard !hasBegun else { return }
    hasBegun = true
    try frames.event("message_start", Start(message: MessageReply(start, model: model)))
    try frames.event("content_block_start", BlockStart())
    try frames.event("ping", Ping())
  }

  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws {
    switch event {
    case .started(let beginning): try start(beginning, &frames)
    case .progress: break
    case .text(let piece): try frames.event("content_block_delta", BlockDelta(delta: .init(text: piece.text)))
    case .finished(let result):
      // A request that was cancelled while it waited has not started.
      try start(GenerationStart(promptTokens: result.statistics.promptTokens, reusedTokens: 0, seed: 0), &frames)
      try frames.event("content_block_stop", BlockStop())
      try frames.event(
        "message_delta",
        MessageDelta(
          delta: .init(stop_reason: result.finishReason.anthropic, stop_sequence: OrNull(result.stopString)),
          usage: .init(result.statistics)))
    }
  }

  mutating func end(_ frames: inout Frames) throws { try frames.event("message_stop", Stop()) }

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try frames.event("error", ErrorForm.anthropic.body(error, requestID: requestID))
  }
}
