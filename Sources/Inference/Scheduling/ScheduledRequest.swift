/// A request that is being answered: its tokens, how many of them its sequence has read, and the answer so far.
///
/// Belongs to the scheduler's loop, as all that follows it.
final class ScheduledRequest {
  let ticket: Ticket
  let channel: EventChannel
  private(set) var answer: Answer
  /// The prompt and the answer: what the sequence has read, and what it is to read next.
  private(set) var tokens: [Int32]
  /// The first tokens, which are read as a prompt.
  private(set) var promptCount: Int
  /// Tokens that the sequence has read.
  private(set) var position = 0
  private(set) var sequence: SequenceID?
  /// Whether nothing more happens to it.
  private(set) var hasEnded = false
  private var beginning = 0.0
  /// Called once, before its consumer knows of the end.
  private let onEnd: () -> Void
  /// An older request that is reading the same, and how far to wait for it.
  var awaited: (request: ScheduledRequest, count: Int)?

  /// - Throws: `SamplingError`.
  init(_ ticket: Ticket, onEnd: @escaping () -> Void) throws {
    self.ticket = ticket
    self.onEnd = onEnd
    channel = ticket.channel
    tokens = ticket.prompt
    promptCount = ticket.prompt.count
    answer = Answer(
      to: ticket.prompt, options: ticket.request.options, sampler: try Sampler(ticket.request.sampling),
      vocabulary: ticket.vocabulary, logProbabilities: ticket.request.logProbabilities,
      constraint: ticket.constraint, start: ticket.arrival)
  }

  // MARK: What it is up to

  /// Tokens that it has to read before there are logits.
  var unread: Int { tokens.count - position }
  /// Whether all it has to read is the token chosen last.
  var isDecoding: Bool { unread == 1 && position >= promptCount }
  /// Whether it has chosen a token.
  var isAnswering: Bool { !answer.tokens.isEmpty }
  /// Whether the likeliest token is all that it asks of logits.
  var isPlainlyGreedy: Bool { answer.isPlainlyGreedy }
  /// Whether another token is to be chosen.
  var wantsLogits: Bool { answer.wantsToken }
  /// Whether its consumer has to read first.
  var isPaused: Bool { channel.isFull }
  /// Whether the prompt is its request's, not a context that is read again.
  var isReadingPrompt: Bool { !isAnswering && position < promptCount }

  /// The tokens to read next, of one phase, `most` at most.
  func next(_ most: Int) -> (tokens: ArraySlice<Int32>, phase: Batch.Phase) {
    let isPrompt = position < promptCount
    let end = min(position + most, isPrompt ? promptCount : tokens.count)
    return (tokens[position..<end], isPrompt ? .prompt : .decode)
  }

  /// How many that are.
  var run: Int { (position < promptCount ? promptCount : tokens.count) - position }

  // MARK: Its way

  /// Begins to compute it.
  func begin(_ core: EngineCore) {
    beginning = Generator.monotonicSeconds()
    answer.statistics.queueTime = beginning - ticket.arrival
    if ticket.request.usesPrefixes {
      (sequence, position) = { ($0.sequence, $0.reused) }(core.makeSequence(beginning: tokens))
    } else {
      sequence = core.makeSequence()
    }
    answer.statistics.reusedTokens = position
    channel.send(
      .started(
        GenerationStart(
          promptTokens: promptCount, reusedTokens: position, seed: answer.sampler.seed,
          openReasoning: ticket.openReasoning)))
  }

  /// Takes note of tokens that were read.
  ///
  /// - Returns: whether logits are needed now.
  func didRead(_ count: Int, _ core: EngineCore, keepsPrefix: Bool) -> Bool {
    let wasReadingPrompt = isReadingPrompt
    position += count
    if wasReadingPrompt {
      let reused = answer.statistics.reusedTokens
      answer.statistics.readTokens = max(answer.statistics.readTokens, position - reused)
      answer.statistics.promptTime = Generator.monotonicSeconds() - beginning
      channel.send(.progress(done: answer.statistics.readTokens, of: promptCount - reused))
      if position == promptCount, keepsPrefix { keepPrefix(core, wholePages: true) }
    }
    return unread == 0
  }

  /// Keeps what the neurons did for the token that is chosen next.
  func note(_ activity: TokenActivity) { answer.note(activity) }

  /// Goes on with the next token.
  func choose(from logits: UnsafeBufferPointer<Float>) throws {
    give(try answer.choose(from: logits, at: Generator.monotonicSeconds()))
  }

  /// Goes on with a token that was chosen elsewhere.
  func take(_ token: Int32) {
    give(answer.take(token, at: Generator.monotonicSeconds()))
  }

  private func give(_ piece: TextPiece?) {
    if let piece { channel.send(.text(piece)) }
  }

  /// Finds out what to read next, after a token was chosen; ends the request where that is nothing.
  func advance(_ core: EngineCore, keepsPrefix: Bool) {
    switch answer.next(position: position, contextSize: core.contextSize) {
    case .end: finish(core, keepsPrefix: keepsPrefix)
    case .read(let token): tokens.append(token)
    case .slide(let keep, let token):
      let (kept, again) = ContextPolicy.slide(tokens, keep: keep)
      rewind(to: kept.count, core)
      tokens = kept + again + [token]
      promptCount = tokens.count
    }
  }

  // MARK: Memory

  /// Keeps what it has read of its prompt for others.
  func keepPrefix(_ core: EngineCore, wholePages: Bool) {
    if let sequence { try? core.keepPrefix(of: sequence, wholePages: wholePages) }
  }

  /// Whether it holds any of the cache.
  func hasPages(_ core: EngineCore) -> Bool {
    sequence.map { (try? core.pageCount(of: $0)) ?? 0 } ?? 0 > 0
  }

  /// Gives its last page back; what was on it has to be read again.
  func giveUpPage(_ core: EngineCore) {
    guard let sequence, let held = try? core.pageCount(of: sequence) else { return }
    let layout = core.executor.pageLayout
    let used = layout.pages(for: position)
    // Pages that were taken but not written go first.
    rewind(to: held > used ? position : max(0, used - 1) * layout.positions, core)
  }

  private func rewind(to position: Int, _ core: EngineCore) {
    if let sequence { try? core.truncate(sequence, to: position) }
    self.position = position
  }

  // MARK: Its end

  /// Ends it early, for a reason that is no error.
  func end(_ reason: FinishReason, _ core: EngineCore) {
    answer.end(reason)
    finish(core, keepsPrefix: false)
  }

  private func finish(_ core: EngineCore, keepsPrefix: Bool) {
    give(answer.finish())
    if keepsPrefix { keepPrefix(core, wholePages: false) }
    close(core)
    channel.send(.finished(answer.result))
    channel.end()
  }

  /// Ends it with an error; without a core where the engine is gone, and its pages with it.
  func fail(_ error: any Error, _ core: EngineCore?) {
    close(core)
    channel.end(throwing: error)
  }

  private func close(_ core: EngineCore?) {
    if let sequence { core?.close(sequence) }
    sequence = nil
    guard !hasEnded else { return }
    hasEnded = true
    onEnd()
  }
}
