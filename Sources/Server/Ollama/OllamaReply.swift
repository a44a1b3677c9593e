import Foundation
import PowerInfer

/// A line of ollama's replies: a piece of an answer, or its end with what it cost. Times are in nanoseconds.
struct OllamaReply: Encodable {
  struct Answer: Encodable {
    struct Call: Encodable {
      struct Function: Encodable {
        var name: String
        var arguments: AnyValue
      }
      var function: Function
    }

    var role = "assistant"
    var content: String
    var thinking: String?
    var tool_calls: [Call]?
  }

  var model: String
  var created_at = Timestamp.text(Date())
  /// Of `/api/generate`.
  var response: String?
  /// Of `/api/generate`.
  var thinking: String?
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
  init(_ answer: ParsedAnswer = ParsedAnswer(), isChat: Bool, model: String) {
    self.model = model
    let thought = answer.reasoning.isEmpty ? nil : answer.reasoning
    if isChat {
      let calls = answer.calls.map {
        Answer.Call(function: .init(name: $0.name, arguments: AnyValue(json: $0.arguments)))
      }
      message = Answer(content: answer.text, thinking: thought, tool_calls: calls.isEmpty ? nil : calls)
    } else {
      (response, thinking) = (answer.text, thought)
    }
  }

  /// The end.
  init(_ result: GenerationResult, _ answer: ParsedAnswer, isChat: Bool, model: String) {
    self.init(answer, isChat: isChat, model: model)
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
    self.init(isChat: isChat, model: model)
    (done, done_reason) = (true, reason)
  }

  static func nanoseconds(_ seconds: Double) -> Int { Int(exactly: (seconds * 1e9).rounded()) ?? 0 }
}

/// A streamed answer: a line of JSON for every piece, and one for the end.
struct OllamaStream: AnswerWriter {
  static let contentType = "application/x-ndjson"

  let model: String
  let isChat: Bool
  /// Whether what the model thinks is shown.
  let showsThinking: Bool
  var parser: AnswerParser

  mutating func begin(_ frames: inout Frames) throws {}

  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws {
    switch event {
    case .started(let start): parser.begin(start)
    case .progress: break
    case .text(let piece): try write(parser.append(piece.text), &frames)
    case .finished(let result):
      try write(parser.finish(), &frames)
      try frames.line(OllamaReply(result, ParsedAnswer(), isChat: isChat, model: model))
    }
  }

  private func write(_ parts: [AnswerParser.Part], _ frames: inout Frames) throws {
    let answer = ParsedAnswer(parts, showsReasoning: showsThinking)
    guard answer != ParsedAnswer() else { return }
    try frames.line(OllamaReply(answer, isChat: isChat, model: model))
  }

  mutating func end(_ frames: inout Frames) throws {}

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try frames.line(ErrorForm.ollama.body(error, requestID: ""))
  }
}
