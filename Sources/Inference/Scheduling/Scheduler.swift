import Dispatch
import PowerInferPlatform
import Synchronization

/// Takes an engine's requests from any thread, and runs them on a thread of its own that sleeps while there are none.
///
/// It does not keep the engine alive: streams do, and a pass while it runs.
final class Scheduler: Sendable {
  private struct State {
    weak var engine: Engine?
    /// Requests that the loop has not seen.
    var arrivals: [Ticket] = []
    /// Requests that have not ended.
    var unfinished = 0
    /// Those of them that are computed.
    var running = 0
    var hasThread = false
    var isStopped = false
    /// Who wants no more since the loop last looked.
    var cancelled: [ObjectIdentifier] = []
    /// Something happened since the loop last looked.
    var isRung = false
    var isParked = false
  }

  private let state: Mutex<State>
  private let bell = DispatchSemaphore(value: 0)
  private let options: SchedulingOptions
  /// How the model's prompts are made, or why they cannot be.
  let prompts: Result<PromptRenderer, any Error>

  init(engine: Engine) {
    state = Mutex(State(engine: engine))
    options = engine.scheduling
    prompts = Result { try PromptRenderer(engine: engine) }
  }

  /// How many requests there are.
  var load: EngineLoad {
    state.withLock { EngineLoad(running: $0.running, waiting: $0.unfinished - $0.running) }
  }

  /// Takes a request.
  ///
  /// - Throws: ``GenerationError/queueFull(limit:)``, ``GenerationError/engineStopped``, ``GenerationError/noThread``.
  func submit(_ ticket: Ticket) throws {
    try state.withLock { state in
      guard !state.isStopped else { throw GenerationError.engineStopped }
      guard state.unfinished < options.parallel + options.queueLimit else {
        throw GenerationError.queueFull(limit: options.queueLimit)
      }
      if !state.hasThread {
        guard let thread = SystemThread({ SchedulerLoop(self, options: self.options).run() }) else {
          throw GenerationError.noThread
        }
        // It ends by itself: the last reference to the engine may go on that very thread, which cannot wait for itself.
        thread.detach()
        state.hasThread = true
      }
      state.unfinished += 1
      state.arrivals.append(ticket)
    }
    wake()
  }

  /// Makes the loop look again.
  func wake(cancelled: ObjectIdentifier? = nil) {
    let isParked = state.withLock { state in
      state.isRung = true
      if let cancelled { state.cancelled.append(cancelled) }
      defer { state.isParked = false }
      return state.isParked
    }
    if isParked { bell.signal() }
  }

  /// Ends all requests. Does not wait.
  func stop() {
    state.withLock { $0.isStopped = true }
    wake()
  }

  // MARK: The loop's side

  /// What happened, after a sleep where there is nothing else to do; nil once it is over.
  func collect(parks: Bool) -> News? {
    while true {
      let (news, sleeps) = state.withLock { state -> (News?, Bool) in
        if state.isStopped { return (nil, false) }
        if parks, !state.isRung, state.arrivals.isEmpty {
          state.isParked = true
          return (nil, true)
        }
        defer { (state.arrivals, state.cancelled, state.isRung) = ([], [], false) }
        return (News(arrivals: state.arrivals, cancelled: state.cancelled), false)
      }
      guard sleeps else { return news }
      bell.wait()
    }
  }

  /// What happened since the loop last looked.
  struct News {
    var arrivals: [Ticket]
    /// Who wants no more; also of requests that have ended since.
    var cancelled: [ObjectIdentifier]
  }

  /// Requests that came after the end.
  func leftovers() -> [Ticket] {
    state.withLock { state in
      defer { state.arrivals = [] }
      return state.arrivals
    }
  }

  /// The engine, unless it is gone. Not to be kept between passes.
  var engine: Engine? { state.withLock { $0.engine } }

  /// A request's turn has come.
  func didBegin() { state.withLock { $0.running += 1 } }

  /// A request has ended.
  func didEnd(wasRunning: Bool) {
    state.withLock { state in
      state.unfinished -= 1
      if wasRunning { state.running -= 1 }
    }
  }
}
