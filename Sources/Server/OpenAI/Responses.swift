import Hummingbird
import PowerInfer

extension OpenAIRoutes {
  /// `/v1/responses`
  @Sendable func respond(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let body = try BodyReader.decode(WithSampling<ResponsesRequest>.self, from: bytes)
    let fields = body.fields
    try fields.validate()
    let model = try await service.library.model(fields.model)
    var generation = try service.request(
      .messages(try fields.messages(), tools: []), body.sampling, maxTokens: fields.max_output_tokens,
      stop: fields.stop, model: model)
    if fields.text?.format != nil { generation.grammar = try AnswerForm(bytes).openAI("text", "format") }
    let object = ResponseObject(fields, generation.sampling, model: model.name)
    let answers = try Answers([generation], model, service, for: context)
    if fields.stream == true { return answers.stream(ResponseStream(object)) }
    guard let outcome = try await answers.outcomes().first else { throw CancellationError() }
    return JSONReply.response(object.completed(outcome.result, item: Names.new("msg_")))
  }
}

/// A streamed response: an event for every step, numbered.
struct ResponseStream: AnswerWriter {
  static let contentType = ChatStream.contentType

  private struct Whole: Encodable {
    var type: String
    var sequence_number: Int
    var response: ResponseObject
  }

  private struct ItemEvent: Encodable {
    var type: String
    var sequence_number: Int
    var output_index = 0
    var item: ResponseObject.Item
  }

  private struct PartEvent: Encodable {
    var type: String
    var sequence_number: Int
    var item_id: String
    var output_index = 0
    var content_index = 0
    var part: ResponseObject.Part
  }

  private struct TextEvent: Encodable {
    var type: String
    var sequence_number: Int
    var item_id: String
    var output_index = 0
    var content_index = 0
    var delta: String?
    var text: String?
    var logprobs: [String] = []
  }

  private struct Failure: Encodable {
    var type = "error"
    var sequence_number: Int
    var code: OrNull<String>
    var message: String
    var param: OrNull<String>
  }

  private let object: ResponseObject
  private let item = Names.new("msg_")
  private var number = 0

  init(_ object: ResponseObject) { self.object = object }

  private mutating func send(_ frames: inout Frames, _ type: String, _ make: (Int) -> some Encodable) throws {
    try frames.event(type, make(number))
    number += 1
  }

  mutating func begin(_ frames: inout Frames) throws {
    let (object, item) = (object, item)
    for type in ["response.created", "response.in_progress"] {
      try send(&frames, type) { Whole(type: type, sequence_number: $0, response: object) }
    }
    try send(&frames, "response.output_item.added") {
      ItemEvent(
        type: "response.output_item.added", sequence_number: $0,
        item: .init(id: item, status: "in_progress", content: []))
    }
    try send(&frames, "response.content_part.added") {
      PartEvent(
        type: "response.content_part.added", sequence_number: $0, item_id: item, part: .init(text: ""))
    }
  }

  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws {
    let (object, item) = (object, item)
    switch event {
    case .started, .progress: break
    case .text(let piece):
      try send(&frames, "response.output_text.delta") {
        TextEvent(type: "response.output_text.delta", sequence_number: $0, item_id: item, delta: piece.text)
      }
    case .finished(let result):
      let whole = object.completed(result, item: item)
      try send(&frames, "response.output_text.done") {
        TextEvent(type: "response.output_text.done", sequence_number: $0, item_id: item, text: result.text)
      }
      try send(&frames, "response.content_part.done") {
        PartEvent(
          type: "response.content_part.done", sequence_number: $0, item_id: item, part: .init(text: result.text))
      }
      for done in whole.output {
        try send(&frames, "response.output_item.done") {
          ItemEvent(type: "response.output_item.done", sequence_number: $0, item: done)
        }
      }
      let type = "response.\(whole.status)"
      try send(&frames, type) { Whole(type: type, sequence_number: $0, response: whole) }
    }
  }

  mutating func end(_ frames: inout Frames) throws {}

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try send(&frames, "error") {
      Failure(
        sequence_number: $0, code: OrNull("server_error"), message: error.message, param: OrNull(error.parameter))
    }
  }
}
