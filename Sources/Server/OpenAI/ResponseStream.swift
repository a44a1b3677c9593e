import PowerInfer

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
    var output_index: Int
    var item: ResponseObject.Item
  }

  private struct PartEvent: Encodable {
    var type: String
    var sequence_number: Int
    var item_id: String
    var output_index: Int
    var content_index = 0
    var part: ResponseObject.Part
  }

  private struct TextEvent: Encodable {
    var type: String
    var sequence_number: Int
    var item_id: String
    var output_index: Int
    var content_index = 0
    var delta: String?
    var text: String?
    var logprobs: [String]?
  }

  private struct CallEvent: Encodable {
    var type: String
    var sequence_number: Int
    var item_id: String
    var output_index: Int
    var delta: String?
    var name: String?
    var arguments: String?
  }

  private struct Failure: Encodable {
    var type = "error"
    var sequence_number: Int
    var code: OrNull<String>
    var message: String
    var param: OrNull<String>
  }

  private enum Kind { case reasoning, message }

  private let object: ResponseObject
  private var parser: AnswerParser
  private var number = 0
  /// The item that goes on, its name, and its text.
  private var open: Kind?
  private var id = ""
  private var text = ""
  /// Items that are complete.
  private var items: [ResponseObject.Item] = []

  init(_ object: ResponseObject, _ parser: AnswerParser) { (self.object, self.parser) = (object, parser) }

  private mutating func send(_ frames: inout Frames, _ type: String, _ make: (Int) -> some Encodable) throws {
    try frames.event(type, make(number))
    number += 1
  }

  mutating func begin(_ frames: inout Frames) throws {
    let object = object
    for type in ["response.created", "response.in_progress"] {
      try send(&frames, type) { Whole(type: type, sequence_number: $0, response: object) }
    }
  }

  mutating func take(_ event: GenerationEvent, of _: Int, _ frames: inout Frames) throws {
    switch event {
    case .started(let start): parser.begin(start)
    case .progress: break
    case .text(let piece): try write(parser.append(piece.text), &frames)
    case .finished(let result):
      try write(parser.finish(), &frames)
      // There is always a message, if an empty one, or a call.
      if open != .message, !items.contains(where: { $0.type != "reasoning" }) { try begin(.message, &frames) }
      try close(&frames, status: ResponseObject.status(result))
      let whole = object.completed(result, items: items)
      let type = "response.\(whole.status)"
      try send(&frames, type) { Whole(type: type, sequence_number: $0, response: whole) }
    }
  }

  // MARK: Items

  private mutating func write(_ parts: [AnswerParser.Part], _ frames: inout Frames) throws {
    for part in parts {
      switch part {
      case .text(let text): try add(text, to: .message, &frames)
      case .reasoning(let text): try add(text, to: .reasoning, &frames)
      case .call(let name, let arguments): try call(name, arguments, &frames)
      }
    }
  }

  private mutating func add(_ piece: String, to kind: Kind, _ frames: inout Frames) throws {
    if open != kind { try begin(kind, &frames) }
    text += piece
    let (index, id) = (items.count, id)
    let type = kind == .message ? "response.output_text.delta" : "response.reasoning_text.delta"
    try send(&frames, type) {
      TextEvent(
        type: type, sequence_number: $0, item_id: id, output_index: index, delta: piece,
        logprobs: kind == .message ? [] : nil)
    }
  }

  private mutating func begin(_ kind: Kind, _ frames: inout Frames) throws {
    try close(&frames, status: "completed")
    (open, id, text) = (kind, Names.new(kind == .message ? "msg_" : "rs_"), "")
    let (index, id) = (items.count, id)
    let item =
      kind == .message
      ? ResponseObject.Item(message: id, status: "in_progress")
      : ResponseObject.Item(reasoning: id, status: "in_progress")
    try send(&frames, "response.output_item.added") {
      ItemEvent(type: "response.output_item.added", sequence_number: $0, output_index: index, item: item)
    }
    guard kind == .message else { return }
    try send(&frames, "response.content_part.added") {
      PartEvent(
        type: "response.content_part.added", sequence_number: $0, item_id: id, output_index: index,
        part: .init(text: ""))
    }
  }

  private mutating func close(_ frames: inout Frames, status: String) throws {
    guard let kind = open else { return }
    open = nil
    let (index, id, text) = (items.count, id, text)
    let isMessage = kind == .message
    let done = isMessage ? "response.output_text.done" : "response.reasoning_text.done"
    try send(&frames, done) {
      TextEvent(
        type: done, sequence_number: $0, item_id: id, output_index: index, text: text, logprobs: isMessage ? [] : nil)
    }
    if isMessage {
      try send(&frames, "response.content_part.done") {
        PartEvent(
          type: "response.content_part.done", sequence_number: $0, item_id: id, output_index: index,
          part: .init(text: text))
      }
    }
    let item =
      isMessage
      ? ResponseObject.Item(message: id, status: status, text)
      : ResponseObject.Item(reasoning: id, status: status, text)
    try send(&frames, "response.output_item.done") {
      ItemEvent(type: "response.output_item.done", sequence_number: $0, output_index: index, item: item)
    }
    items.append(item)
  }

  /// A call, which comes whole.
  private mutating func call(_ name: String, _ arguments: String, _ frames: inout Frames) throws {
    try close(&frames, status: "completed")
    let (index, item) = (items.count, ResponseObject.Item(call: name, arguments))
    var empty = item
    (empty.status, empty.arguments) = ("in_progress", "")
    let (begun, id) = (empty, item.id)
    try send(&frames, "response.output_item.added") {
      ItemEvent(type: "response.output_item.added", sequence_number: $0, output_index: index, item: begun)
    }
    let (delta, done) = ("response.function_call_arguments.delta", "response.function_call_arguments.done")
    try send(&frames, delta) {
      CallEvent(type: delta, sequence_number: $0, item_id: id, output_index: index, delta: arguments)
    }
    try send(&frames, done) {
      CallEvent(
        type: done, sequence_number: $0, item_id: id, output_index: index, name: name, arguments: arguments)
    }
    try send(&frames, "response.output_item.done") {
      ItemEvent(type: "response.output_item.done", sequence_number: $0, output_index: index, item: item)
    }
    items.append(item)
  }

  mutating func end(_ frames: inout Frames) throws {}

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try send(&frames, "error") {
      Failure(
        sequence_number: $0, code: OrNull("server_error"), message: error.message, param: OrNull(error.parameter))
    }
  }
}
