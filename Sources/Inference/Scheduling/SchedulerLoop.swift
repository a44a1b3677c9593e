/// The scheduler's thread: pass after pass while there are requests, each a batch of answers' rows and prompts' pieces.
final class SchedulerLoop {
  private let scheduler: Scheduler
  private let options: SchedulingOptions
  /// Requests that wait for their turn, in the order in which they came.
  private var waiting = WaitingLine()
  /// Requests that are computed, in the order in which they came.
  private var running: [ScheduledRequest] = []
  private var turn = 0

  init(_ scheduler: Scheduler, options: SchedulingOptions) {
    self.scheduler = scheduler
    self.options = options
  }

  /// Runs until the scheduler is stopped, or the engine gone.
  func run() {
    var isIdle = true
    while let news = scheduler.collect(parks: isIdle) {
      for ticket in news.arrivals { waiting.append(ticket) }
      // Held for one pass alone: an engine that nobody else wants goes at the end of this scope.
      guard let engine = scheduler.engine else { break }
      isIdle = engine.ifFree { !step($0, rows: engine.batchSize, cancelled: news.cancelled) } ?? true
    }
    scheduler.stop()
    for request in running { request.fail(GenerationError.engineStopped, nil) }
    for ticket in scheduler.leftovers() { waiting.append(ticket) }
    while let ticket = waiting.popFirst() { refuse(ticket, GenerationError.engineStopped) }
  }

  private func refuse(_ ticket: Ticket, _ error: any Error) {
    scheduler.didEnd(wasRunning: false)
    ticket.channel.end(throwing: error)
  }

  /// Makes one pass.
  ///
  /// - Returns: whether there is more to do.
  private func step(_ core: EngineCore, rows: Int, cancelled: [ObjectIdentifier]) -> Bool {
    if !cancelled.isEmpty { cancel(cancelled, core) }
    admit()
    let didCompute = pass(core, rows: rows)
    let before = running.count
    running.removeAll(where: \.hasEnded)
    // Whoever ended made room for others.
    return didCompute || (running.count < before && !(waiting.isEmpty && running.isEmpty))
  }

  /// Ends what nobody wants any more.
  private func cancel(_ names: [ObjectIdentifier], _ core: EngineCore) {
    for request in running where request.channel.isCancelled { request.end(.cancelled, core) }
    running.removeAll(where: \.hasEnded)
    for name in names {
      if let ticket = waiting.removeCancelled(name) { start(ticket, isRunning: false)?.end(.cancelled, core) }
    }
  }

  /// Lets as many of those that wait begin as may be computed at a time.
  private func admit() {
    while running.count < options.parallel, let ticket = waiting.popFirst() {
      guard let request = start(ticket, isRunning: true) else { continue }
      running.append(request)
      scheduler.didBegin()
    }
  }

  private func start(_ ticket: Ticket, isRunning: Bool) -> ScheduledRequest? {
    do {
      return try ScheduledRequest(ticket) { [scheduler] in scheduler.didEnd(wasRunning: isRunning) }
    } catch {
      refuse(ticket, error)
      return nil
    }
  }

  /// - Returns: whether anything was computed.
  private func pass(_ core: EngineCore, rows: Int) -> Bool {
    guard !running.isEmpty else { return false }
    turn &+= 1
    let plan = PassPlan(
      running, turn: turn, rows: rows, sharesPrefixes: options.keepsPrefixes, core: core)
    if let stuck = plan.stuck { giveUp(stuck, core) }
    // Text that was to be delivered with the next token does not wait until a prompt is read or a page is free.
    if plan.pieces.count < running.count || plan.pieces.contains(where: { $0.piece.tokens.count > 1 }) {
      for request in running { request.channel.flush() }
    }
    guard !plan.pieces.isEmpty else { return plan.stuck != nil }
    do {
      let batch = core.batch(plan.pieces.map(\.piece))
      try core.forward(batch)
      for ((request, _), activity) in zip(plan.pieces, core.activity) { request.note(activity) }
      var wanting: [ScheduledRequest] = []
      for (request, piece) in plan.pieces {
        let isDone = request.didRead(piece.tokens.count, core, keepsPrefix: keepsPrefix(request))
        if !piece.wanted.isEmpty {
          wanting.append(request)
        } else if isDone {
          request.advance(core, keepsPrefix: keepsPrefix(request))
        }
      }
      try choose(for: wanting, batch, core)
    } catch {
      // The executor's: nobody knows what is in the pages.
      for (request, _) in plan.pieces where !request.hasEnded { request.fail(error, core) }
    }
    return true
  }

  private func keepsPrefix(_ request: ScheduledRequest) -> Bool {
    options.keepsPrefixes && request.ticket.request.keepsPrefix
  }

  /// Ends a request that is alone and finds no room: what it came to, or why it could not begin.
  private func giveUp(_ request: ScheduledRequest, _ core: EngineCore) {
    guard !request.isAnswering, let sequence = request.sequence else { return request.end(.cacheFull, core) }
    do {
      try core.reserve(1, for: sequence)
    } catch {
      request.fail(error, core)
    }
  }

  /// Chooses a token for each of those whose logits the last pass made, in order.
  private func choose(for requests: [ScheduledRequest], _ batch: Batch, _ core: EngineCore) throws {
    guard !requests.isEmpty else { return }
    if requests.allSatisfy(\.isPlainlyGreedy) {
      let candidates = try core.candidates(of: batch, count: 1)
      for (request, best) in zip(requests, candidates) {
        if let token = best.first?.token {
          request.take(token)
        } else {
          let size = core.executor.model.configuration.vocabularySize
          request.fail(SamplingError.noCandidate(vocabularySize: size), core)
        }
      }
    } else {
      let width = core.executor.model.configuration.vocabularySize
      try core.withLogits(of: batch) { indices, logits in
        for (row, index) in indices.enumerated() {
          do {
            try requests[index].choose(
              from: UnsafeBufferPointer(rebasing: logits[row * width..<(row + 1) * width]))
          } catch {
            requests[index].fail(error, core)
          }
        }
      }
    }
    for request in requests where !request.hasEnded {
      request.advance(core, keepsPrefix: keepsPrefix(request))
    }
  }
}
