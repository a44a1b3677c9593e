import Foundation
import PowerInfer

/// A line of ollama's replies: a piece of an answer, or its end with what it cost. Times are in nanoseconds.
struct OllamaReply: Encodable {
  struct Answer: Encodable {
    var role = "assistant"
    var content: String
  }

  var model: String
  var created_at = Timestamp.text(Date())
  /// Of `/api/generate`.
  var response: String?
  /// Of `/api/chat`.
  var message: Answer?
  var done = false
  var done_reason: String?
  var total_duration: Int?
  var load_duration: Int?
  var prompt_eval_count: Int?
  var prompt_eval_duration: Int?
  var eval_count: Int?
  var eval_duration: Int?

  /// A piece.
  init(_ text: String, isChat: Bool, model: String) {
    self.model = model
    if isChat { message = Answer(content: text) } else { response = text }
  }

  /// The end.
  init(_ result: GenerationResult, text: String = "", isChat: Bool, model: String) {
    self.init(text, isChat: isChat, model: model)
    let statistics = result.statistics
    done = true
    done_reason = result.finishReason.openAI
    total_duration = Self.nanoseconds((statistics.timeToFirstToken ?? 0) + statistics.decodeTime)
    load_duration = 0
    prompt_eval_count = statistics.promptTokens
    prompt_eval_duration = Self.nanoseconds(statistics.promptTime)
    eval_count = statistics.generatedTokens
    eval_duration = Self.nanoseconds(statistics.decodeTime)
  }

  /// The end of a request that only loads a model, or lets it go.
  init(reason: String, isChat: Bool, model: String) {
    self.init("", isChat: isChat, model: model)
    (done, done_reason) = (true, reason)
  }

  static func nanoseconds(_ seconds: Double) -> Int { Int(exactly: (seconds * 1e9).rounded()) ?? 0 }
}

/// A streamed answer: a line of JSON for every piece, and one for the end.
struct OllamaStream: AnswerWriter {
  static let contentType = "application/x-ndjson"

  let model: String
  let isChat: Bool

  mutating func begin(_ frames: inout Frames) throws {}

  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws {
    switch event {
    case .started, .progress: break
    case .text(let piece): try frames.line(OllamaReply(piece.text, isChat: isChat, model: model))
    case .finished(let result): try frames.line(OllamaReply(result, isChat: isChat, model: model))
    }
  }

  mutating func end(_ frames: inout Frames) throws {}

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try frames.line(ErrorForm.ollama.body(error, requestID: ""))
  }
}
