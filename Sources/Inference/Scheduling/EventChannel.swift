import Synchronization

/// Hands a request's events from the scheduler to whoever reads them, and the wish to stop the other way.
final class EventChannel: Sendable {
  private typealias Delivery = (reader: CheckedContinuation<GenerationEvent?, any Error>, event: GenerationEvent)

  private struct State {
    var events: [GenerationEvent] = []
    /// Pieces of text among them.
    var pieces = 0
    var readers: [CheckedContinuation<GenerationEvent?, any Error>] = []
    /// No more events come; the error is thrown once.
    var hasEnded = false
    var error: (any Error)?
    var isCancelled = false
    /// The reader's task was cancelled.
    var isAbandoned = false
    /// When a waiting reader last got a piece of text, in seconds.
    var lastDelivery = -Double.infinity

    /// Pairs of readers that wait and of events for them.
    mutating func deliveries() -> [Delivery] {
      let count = min(readers.count, events.count)
      guard count > 0 else { return [] }
      defer {
        for case .text in events[..<count] { pieces -= 1 }
        readers.removeFirst(count)
        events.removeFirst(count)
      }
      return zip(readers, events).map { ($0, $1) }
    }
  }

  private let state = Mutex(State())
  /// Pieces of text that may wait.
  private let limit: Int
  /// Least time between two pieces of text for which a waiting reader is woken, in seconds.
  private let interval: Double
  /// Tells the scheduler that there is room again, or that nobody wants more.
  private let wake: @Sendable (_ cancelled: ObjectIdentifier?) -> Void

  init(limit: Int, interval: Double = 0, wake: @escaping @Sendable (_ cancelled: ObjectIdentifier?) -> Void) {
    self.limit = limit
    self.interval = interval
    self.wake = wake
  }

  /// Whether the reader has to read before more is computed.
  var isFull: Bool { state.withLock { $0.pieces >= limit } }

  /// Whether there is an event that nobody has read.
  var hasEvent: Bool { state.withLock { !$0.events.isEmpty } }

  /// Whether somebody waits for an event.
  var hasReader: Bool { state.withLock { !$0.readers.isEmpty } }

  /// Whether nobody wants more.
  var isCancelled: Bool { state.withLock { $0.isCancelled } }

  // MARK: The scheduler's side

  /// Takes any number of events; whoever sends looks at ``isFull`` before it computes.
  ///
  /// A piece of text that follows another too soon waits for the next ones, so that the reader's thread does not take a processor
  /// from the computation for each; see ``flush()``.
  func send(_ event: GenerationEvent) {
    let deliveries = state.withLock { state -> [Delivery] in
      // Of progress only the latest counts.
      if case .progress = event, case .progress? = state.events.last { state.events.removeLast() }
      state.events.append(event)
      if case .text = event {
        state.pieces += 1
        if interval > 0, !state.readers.isEmpty {
          let now = Generator.monotonicSeconds()
          guard now - state.lastDelivery >= interval else { return [] }
          state.lastDelivery = now
        }
      }
      return state.deliveries()
    }
    for (reader, event) in deliveries { reader.resume(returning: event) }
  }

  /// Wakes a reader for whom pieces of text wait.
  func flush() {
    for (reader, event) in state.withLock({ $0.deliveries() }) { reader.resume(returning: event) }
  }

  /// Says that no more events come.
  func end(throwing error: (any Error)? = nil) {
    flush()
    let readers = state.withLock { state -> [CheckedContinuation<GenerationEvent?, any Error>] in
      guard !state.hasEnded else { return [] }
      state.hasEnded = true
      // A reader that still waits has read all events.
      if state.readers.isEmpty { state.error = error }
      defer { state.readers = [] }
      return state.readers
    }
    for (index, reader) in readers.enumerated() {
      if index == 0, let error { reader.resume(throwing: error) } else { reader.resume(returning: nil) }
    }
  }

  // MARK: The reader's side

  /// The next event, as soon as there is one; nil after the last.
  ///
  /// - Throws: what the request ended with; `CancellationError` where the task is cancelled.
  func next() async throws -> GenerationEvent? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { reader in
        enum Outcome { case event(GenerationEvent?, wasFull: Bool), failure(any Error), none }
        let outcome = state.withLock { state -> Outcome in
          if state.isAbandoned { return .failure(CancellationError()) }
          if !state.events.isEmpty {
            let wasFull = state.pieces >= limit
            let event = state.events.removeFirst()
            if case .text = event { state.pieces -= 1 }
            return .event(event, wasFull: wasFull)
          }
          if state.hasEnded {
            defer { state.error = nil }
            return state.error.map { .failure($0) } ?? .event(nil, wasFull: false)
          }
          state.readers.append(reader)
          return .none
        }
        switch outcome {
        case .event(let event, let wasFull):
          reader.resume(returning: event)
          if wasFull { wake(nil) }
        case .failure(let error): reader.resume(throwing: error)
        case .none: break
        }
      }
    } onCancel: {
      abandon()
    }
  }

  /// Asks for an early end.
  func cancel() {
    let isNews = state.withLock { state -> Bool in
      guard !state.isCancelled, !state.hasEnded else { return false }
      state.isCancelled = true
      return true
    }
    if isNews { wake(ObjectIdentifier(self)) }
  }

  private func abandon() {
    let readers = state.withLock { state -> [CheckedContinuation<GenerationEvent?, any Error>] in
      state.isAbandoned = true
      defer { state.readers = [] }
      return state.readers
    }
    for reader in readers { reader.resume(throwing: CancellationError()) }
    cancel()
  }
}
