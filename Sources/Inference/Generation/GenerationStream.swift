/// What happens while a request is answered, as it happens.
///
/// ```swift
/// for try await event in engine.generate(GenerationRequest(text: "Once upon a time")) {
///   switch event {
///   case .text(let piece): print(piece.text, terminator: "")
///   case .finished(let result): print("\n\(result.finishReason)")
///   case .started, .progress: break
///   }
/// }
/// ```
///
/// The request ends early, and gives its memory back, when the stream and its iterators are gone, when the task that reads is
/// cancelled, which then gets a `CancellationError`, or by ``cancel()``. Whoever stops reading for a while makes only this
/// request wait. The engine lives as long as the stream does.
public struct GenerationStream: AsyncSequence, Sendable {
  private let source: Source

  init(engine: Engine, channel: EventChannel) { source = Source(engine: engine, channel: channel) }

  /// Ends the answer early: what came so far is followed by ``GenerationEvent/finished(_:)`` with the reason `cancelled`.
  public func cancel() { source.channel.cancel() }

  /// Whether the next event can be read without waiting. A consumer that writes events somewhere can then write several at once.
  public var hasEvent: Bool { source.channel.hasEvent }

  public func makeAsyncIterator() -> Iterator { Iterator(source: source) }

  /// Gives the events one by one.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let source: Source

    /// - Throws: ``GenerationError`` for a request that cannot be answered, ``GenerationError/queueFull(limit:)`` among them;
    ///   ``PromptError`` and `JinjaError` for a conversation that is no prompt; `SamplingError`; ``EngineError``, and what
    ///   else the executor throws; `CancellationError`.
    public mutating func next() async throws -> GenerationEvent? { try await source.channel.next() }

    public mutating func next(isolation actor: isolated (any Actor)?) async throws -> GenerationEvent? {
      try await source.channel.next()
    }
  }

  /// What the stream and its iterators share; when the last of them goes, nobody wants the rest.
  fileprivate final class Source: Sendable {
    let engine: Engine
    let channel: EventChannel

    init(engine: Engine, channel: EventChannel) {
      self.engine = engine
      self.channel = channel
    }

    deinit { channel.cancel() }
  }
}

extension Engine {
  /// Answers a request, together with whatever other requests there are, from any thread.
  ///
  /// Texts and conversations are cut into tokens before this returns; everything else happens on a thread of the engine's.
  /// What goes wrong is thrown by the stream.
  ///
  /// - Returns: what happens, as it happens.
  public func generate(_ request: GenerationRequest) -> GenerationStream {
    let channel = makeChannel()
    do {
      try submit(request, channel)
    } catch {
      channel.end(throwing: error)
    }
    return GenerationStream(engine: self, channel: channel)
  }

  /// As ``generate(_:)``, but a request that is refused before anything is computed throws here.
  ///
  /// - Throws: ``GenerationError`` for a request that cannot be answered, ``GenerationError/queueFull(limit:)`` among them;
  ///   ``PromptError`` and `JinjaError` for a conversation that is no prompt; `SamplingError`; ``EngineError``.
  public func submit(_ request: GenerationRequest) throws -> GenerationStream {
    let channel = makeChannel()
    try submit(request, channel)
    return GenerationStream(engine: self, channel: channel)
  }

  private func makeChannel() -> EventChannel {
    let scheduler = scheduler
    return EventChannel(
      limit: scheduling.eventLimit, interval: scheduling.deliveryInterval / .seconds(1),
      wake: { scheduler.wake(cancelled: $0) })
  }

  private func submit(_ request: GenerationRequest, _ channel: EventChannel) throws {
    try scheduler.submit(Ticket(request, on: self, prompts: scheduler.prompts, channel: channel))
  }
}
