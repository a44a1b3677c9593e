import PowerInfer

/// A streamed message: named events, block after block.
struct MessageStream: AnswerWriter {
  static let contentType = ChatStream.contentType

  private struct Start: Encodable {
    var type = "message_start"
    var message: MessageReply
  }

  private struct Ping: Encodable { var type = "ping" }

  private struct BlockStart: Encodable {
    var type = "content_block_start"
    var index: Int
    var content_block: MessageReply.Block
  }

  private struct BlockDelta: Encodable {
    struct Delta: Encodable {
      var type: String
      var text: String?
      var thinking: String?
      var partial_json: String?
    }
    var type = "content_block_delta"
    var index: Int
    var delta: Delta
  }

  private struct BlockStop: Encodable {
    var type = "content_block_stop"
    var index: Int
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

  private enum Kind { case text, thinking }

  private let model: String
  private let requestID: String
  private var parser: AnswerParser
  private var hasBegun = false
  /// The block that goes on.
  private var open: Kind?
  /// Blocks so far.
  private var count = 0
  private var hasCalls = false

  init(model: String, parser: AnswerParser, requestID: String) {
    self.model = model
    self.parser = parser
    self.requestID = requestID
  }

  mutating func begin(_ frames: inout Frames) throws {}

  /// The message's start says how long the prompt is, which shows when its turn has come.
  private mutating func start(_ start: GenerationStart, _ frames: inout Frames) throws {
    guard !hasBegun else { return }
    hasBegun = true
    parser.begin(start)
    try frames.event("message_start", Start(message: MessageReply(start, model: model)))
    try frames.event("ping", Ping())
  }

  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws {
    switch event {
    case .started(let beginning): try start(beginning, &frames)
    case .progress: break
    case .text(let piece): try write(parser.append(piece.text), &frames)
    case .finished(let result):
      // A request that was cancelled while it waited has not started.
      try start(GenerationStart(promptTokens: result.statistics.promptTokens, reusedTokens: 0, seed: 0), &frames)
      try write(parser.finish(), &frames)
      if count == 0 { try begin(.text, &frames) }
      try close(&frames)
      try frames.event(
        "message_delta",
        MessageDelta(
          delta: .init(
            stop_reason: result.finishReason.anthropic(hasCalls: hasCalls), stop_sequence: OrNull(result.stopString)),
          usage: .init(result.statistics)))
    }
  }

  // MARK: Blocks

  private mutating func write(_ parts: [AnswerParser.Part], _ frames: inout Frames) throws {
    for part in parts {
      switch part {
      case .text(let text):
        // White space between calls is no block of its own.
        if hasCalls, open == nil, text.allSatisfy(\.isWhitespace) { continue }
        try begin(.text, &frames)
        try delta(.init(type: "text_delta", text: text), &frames)
      case .reasoning(let text):
        try begin(.thinking, &frames)
        try delta(.init(type: "thinking_delta", thinking: text), &frames)
      case .call(let name, let arguments):
        try close(&frames)
        hasCalls = true
        let block = MessageReply.Block.toolUse(id: Names.new("toolu_"), name: name, input: .object([:]))
        try frames.event("content_block_start", BlockStart(index: count, content_block: block))
        count += 1
        try delta(.init(type: "input_json_delta", partial_json: arguments), &frames)
        try frames.event("content_block_stop", BlockStop(index: count - 1))
      }
    }
  }

  private mutating func begin(_ kind: Kind, _ frames: inout Frames) throws {
    guard open != kind else { return }
    try close(&frames)
    let block = kind == .text ? MessageReply.Block.text("") : .thinking("")
    try frames.event("content_block_start", BlockStart(index: count, content_block: block))
    open = kind
    count += 1
  }

  private func delta(_ delta: BlockDelta.Delta, _ frames: inout Frames) throws {
    try frames.event("content_block_delta", BlockDelta(index: count - 1, delta: delta))
  }

  private mutating func close(_ frames: inout Frames) throws {
    guard open != nil else { return }
    open = nil
    try frames.event("content_block_stop", BlockStop(index: count - 1))
  }

  mutating func end(_ frames: inout Frames) throws { try frames.event("message_stop", Stop()) }

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try frames.event("error", ErrorForm.anthropic.body(error, requestID: requestID))
  }
}
