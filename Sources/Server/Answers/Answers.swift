import NIOCore
import PowerInfer

/// The answers to one HTTP request, while they are made.
struct Answers: Sendable {
  /// What became of one of them.
  struct Outcome: Sendable {
    var result: GenerationResult
    /// nil where its turn never came.
    var start: GenerationStart?
    var choices: [TokenChoice] = []
    /// The tokens that the text is made of, without one that ended it.
    var tokens: [Int32] = []
  }

  let model: ServedModel
  private let streams: [GenerationStream]
  private let tickets: [Work.Ticket]
  private let service: Service
  private let channel: any Channel
  private let requestID: String

  /// Hands requests to the engine.
  ///
  /// - Throws: ``APIError`` where one of them cannot be answered, or too many wait.
  init(_ requests: [GenerationRequest], _ model: ServedModel, _ service: Service, for context: ServerContext) throws {
    self.model = model
    self.service = service
    (channel, requestID) = (context.channel, context.requestID)
    model.engine.recordsActivity = service.activity.isWatched
    var streams: [GenerationStream] = []
    do {
      for request in requests { streams.append(try model.engine.submit(service.limited(request))) }
    } catch {
      for stream in streams { stream.cancel() }
      service.metrics.refused(error)
      throw APIError(error)
    }
    self.streams = streams
    if service.options.logsPrompts {
      for request in requests { context.note(prompt: model.text(of: request.prompt)) }
    }
    tickets = streams.map { _ in service.work.add(model: model.name) }
  }

  /// Hands what happens to `body`, as it happens, until all answers are complete.
  ///
  /// Ends early where the client has gone, or time is up.
  func each(_ body: (_ index: Int, _ event: GenerationEvent) async throws -> Void) async throws {
    let streams = streams
    let cancel: @Sendable () -> Void = { for stream in streams { stream.cancel() } }
    let watch = service.connections.watch(channel, cancel)
    let timeout = service.options.requestTimeout.map {
      channel.eventLoop.scheduleTask(in: .seconds(Int64($0)), cancel)
    }
    var meters = streams.map { _ in service.metrics.meter() }
    defer {
      timeout?.cancel()
      service.connections.end(watch)
      for ticket in tickets { service.work.remove(ticket) }
      // After an error, nobody reads the rest.
      cancel()
      model.touch()
    }
    var activity = streams.indices.map { ActivityMeter(request: requestID, choice: $0) }
    // Where nobody takes what comes, the rest is only counted.
    var unwanted: (any Error)?
    do {
      for try await (index, event) in events() {
        meters[index].note(event)
        service.work.note(event, tickets[index])
        if case .text(let piece) = event {
          activity[index].count(piece)
          service.activity.publish(piece, activity[index])
        }
        guard unwanted == nil else { continue }
        do {
          try await body(index, event)
        } catch {
          unwanted = error
          cancel()
        }
      }
    } catch {
      for index in meters.indices { meters[index].failed() }
      throw unwanted ?? error
    }
    if let unwanted { throw unwanted }
  }

  /// All answers, once they are complete.
  func outcomes() async throws -> [Outcome] {
    var outcomes = [Outcome?](repeating: nil, count: streams.count)
    var (tokens, choices) = (streams.map { _ in [Int32]() }, streams.map { _ in [TokenChoice]() })
    var starts = streams.map { _ in GenerationStart?.none }
    try await each { index, event in
      switch event {
      case .started(let start): starts[index] = start
      case .text(let piece):
        tokens[index] += piece.tokens
        choices[index] += piece.choices
      case .finished(let result):
        outcomes[index] = Outcome(
          result: result, start: starts[index], choices: choices[index], tokens: tokens[index])
      case .progress: break
      }
    }
    return outcomes.compactMap { $0 }
  }

  /// Whether the next event of an answer is there already.
  var hasEvent: Bool { streams.contains(where: \.hasEvent) }

  /// The events of all answers, each with the answer's index, in the order in which they happen.
  private func events() -> AsyncThrowingStream<(Int, GenerationEvent), any Error> {
    if streams.count == 1 {
      // As they are, so that whoever is slow makes the answer wait.
      let stream = streams[0]
      return AsyncThrowingStream(unfolding: {
        var iterator = stream.makeAsyncIterator()
        return try await iterator.next().map { (0, $0) }
      })
    }
    let streams = streams
    return AsyncThrowingStream { continuation in
      let task = Task {
        await withTaskGroup(of: Void.self) { group in
          for (index, stream) in streams.enumerated() {
            group.addTask {
              do {
                for try await event in stream { continuation.yield((index, event)) }
              } catch {
                continuation.finish(throwing: error)
              }
            }
          }
        }
        continuation.finish()
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }
}

extension FinishReason {
  /// In OpenAI's words.
  var openAI: String {
    switch self {
    case .stop, .stopString: "stop"
    case .length, .contextFull, .cacheFull, .cancelled: "length"
    }
  }

  /// The same of an answer that may call tools.
  func openAI(hasCalls: Bool) -> String { hasCalls && openAI == "stop" ? "tool_calls" : openAI }
}
