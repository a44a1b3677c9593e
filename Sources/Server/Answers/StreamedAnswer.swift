import HTTPTypes
import Hummingbird
import PowerInfer

/// How an API writes answers as they come.
protocol AnswerWriter: Sendable {
  /// `text/event-stream` or a kind of lines.
  static var contentType: String { get }
  /// What comes first.
  mutating func begin(_ frames: inout Frames) throws
  /// What happened to one of the answers.
  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws
  /// What comes last, after all answers are complete.
  mutating func end(_ frames: inout Frames) throws
  /// What comes last where something goes wrong in the middle.
  mutating func fail(_ error: APIError, _ frames: inout Frames) throws
}

extension Answers {
  /// A reply that is written while the answers are made.
  func stream(_ writer: some AnswerWriter) -> Response {
    Response(
      status: .ok,
      headers: [.contentType: type(of: writer).contentType, .cacheControl: "no-cache"],
      body: ResponseBody { output in
        var (writer, frames) = (writer, Frames())
        do {
          try writer.begin(&frames)
          if !frames.isEmpty { try await output.write(frames.take()) }
          try await each { index, event in
            try writer.take(event, of: index, &frames)
            // What comes together is written together.
            let isMore = frames.buffer.readableBytes < 1 << 16 && hasEvent
            if !frames.isEmpty, !isMore { try await output.write(frames.take()) }
          }
          try writer.end(&frames)
        } catch {
          // A client that has gone reads nothing of this, and the write says so.
          try writer.fail(APIError(error), &frames)
        }
        if !frames.isEmpty { try await output.write(frames.take()) }
        try await output.finish(nil)
      })
  }
}
