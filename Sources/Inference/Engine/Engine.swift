import PowerInferGPU
import PowerInferKernels
public import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import Synchronization

/// A model that runs: its threads, working memory, key/value cache, and what it has measured. Made once; any number of
/// sequences share it.
///
/// ```swift
/// let model = try LanguageModel(opening: "model.gguf")
/// let engine = try Engine(model: model)
/// for try await event in engine.generate(GenerationRequest(messages: [Message(.user, "What is the capital of France?")])) {
///   if case .text(let piece) = event { print(piece.text, terminator: "") }
/// }
/// ```
///
/// Passes over the weights are made one after the other: calls from several threads wait for each other. Closures that get
/// logits run inside such a call and must not make another.
// Unchecked: what changes of `core` is touched within a turn alone; everything else is constant or guards itself.
public final class Engine: @unchecked Sendable {
  /// The model that runs.
  public let model: LanguageModel
  /// Most positions of a sequence.
  public let contextSize: Int
  /// Worker threads asked for.
  public let threads: Int
  /// Most rows computed in one pass.
  public let batchSize: Int
  /// The pages of the key/value cache: of the processor's where it has taken over from a GPU.
  public var pageLayout: PageLayout { core.cacheShape.withLock { $0.layout } }
  /// Pages that the cache may have.
  public var pageLimit: Int { core.cacheShape.withLock { $0.limit } }
  /// Whether results depend on a request alone, bit for bit.
  public let isDeterministic: Bool
  /// How requests share the engine.
  public let scheduling: SchedulingOptions
  /// The name or the text of a chat template in place of the model's.
  public let chatTemplate: String?

  /// The threads that compute, for work on logits between passes.
  let team: ThreadTeam
  private let core: EngineCore
  private let turn = Mutex(())
  private let firstGPUName: String?
  private let firstGPURemark: String?
  private let holder = Atomic<UInt>(0)
  private let schedulers = Mutex<Scheduler?>(nil)
  private let machines = GrammarMachines()
  /// Sequences that were given up while somebody else had the turn.
  private let closing = Mutex<[SequenceID]>([])

  /// An engine on the processor, or on the GPU that the options name.
  ///
  /// - Throws: ``EngineError`` for an option out of range, a context past learned positions, a cache format that does not
  ///   fit the model, or a cache or working memory that this machine does not have; `SparsityError` where neurons cannot be
  ///   chosen as asked. Where the options name a GPU: ``GPUModelError`` and `GPUError` where it cannot be used.
  public convenience init(model: LanguageModel, options: EngineOptions = EngineOptions()) throws {
    try EngineOptions.check("number of threads", options.threads ?? 1, EngineOptions.threadRange)
    let contextSize = try options.contextSize(for: model)
    let team = ThreadTeam(workers: options.threads ?? Processors.recommended)
    let onProcessor: () throws -> any ModelExecutor = {
      try CPUExecutor(model: model, team: team, contextSize: contextSize, options: options)
    }
    let choice = try GPUSelection(model: model, options: options, team: team)
    try self.init(
      executor: choice.executor ?? onProcessor(), team: team, options: options, gpu: choice,
      fallback: choice.executor == nil || options.gpu.isExplicit ? nil : onProcessor)
  }

  /// An engine on an executor of another kind.
  ///
  /// - Throws: as ``init(model:options:)``.
  public convenience init(executor: any ModelExecutor, options: EngineOptions = EngineOptions()) throws {
    try EngineOptions.check("number of threads", options.threads ?? 1, EngineOptions.threadRange)
    try self.init(
      executor: executor, team: ThreadTeam(workers: options.threads ?? Processors.recommended), options: options)
  }

  /// An engine on a certain executor.
  ///
  /// - Parameters:
  ///   - gpu: the choice that the executor came from.
  ///   - fallback: makes what goes on where the executor's device fails; `nil` where nothing does.
  init(
    executor: any ModelExecutor, team: ThreadTeam, options: EngineOptions, gpu: GPUSelection = GPUSelection(),
    fallback: (() throws -> any ModelExecutor)? = nil
  ) throws {
    model = executor.model
    contextSize = try options.contextSize(for: model)
    threads = options.threads ?? Processors.recommended
    batchSize = min(executor.maxRows, try options.checkedBatchSize(contextSize: contextSize))
    isDeterministic = options.isDeterministic
    try options.scheduling.check()
    scheduling = options.scheduling
    chatTemplate = options.chatTemplate
    let pageLimit = try options.pageLimit(executor.pageLayout, contextSize: contextSize)
    self.team = team
    core = EngineCore(
      executor: executor, contextSize: contextSize, pageLimit: pageLimit, options: options,
      isLossless: options.sparsity.mode.isLossless)
    core.fallback = fallback
    (firstGPUName, firstGPURemark) = (gpu.name, gpu.remark)
  }

  deinit { schedulers.withLock { $0?.stop() } }

  /// What holds an answer of this model to a grammar.
  ///
  /// - Parameters:
  ///   - grammar: what the answer is held to.
  ///   - beginsText: whether the answer begins a text of its own, as one in a conversation does, and does not go on from one.
  ///   - openReasoning: the marks that the prompt leaves open (``PromptRenderer/openReasoning(in:)``): the grammar holds once the
  ///     reasoning has ended.
  /// - Throws: ``GrammarError`` where the grammar is too large.
  public func constraint(
    to grammar: Grammar, beginsText: Bool, openReasoning: ReasoningFormat? = nil
  ) throws -> Constraint {
    Constraint(
      try machines.machine(for: grammar, of: model), trigger: grammar.trigger, beginsText: beginsText,
      openReasoning: openReasoning)
  }

  /// Runs `body` with what calls change; no other call does meanwhile.
  ///
  /// - Throws: ``EngineError/engineBusy`` inside such a body, and what `body` throws.
  func withCore<Result>(_ body: (EngineCore) throws -> Result) throws -> Result {
    let thread = SystemThread.currentID
    guard holder.load(ordering: .relaxed) != thread else { throw EngineError.engineBusy }
    defer { closeGivenUp() }
    return try turn.withLock { _ in
      holder.store(thread, ordering: .relaxed)
      defer { holder.store(0, ordering: .relaxed) }
      closePending()
      return try body(core)
    }
  }

  /// Gives a sequence's pages back: at once, or as soon as the call that runs is done. Never waits.
  func close(_ id: SequenceID) {
    closing.withLock { $0.append(id) }
    closeGivenUp()
  }

  /// Closes what was given up, unless a call runs: that one does it in the end.
  private func closeGivenUp() {
    guard holder.load(ordering: .relaxed) != SystemThread.currentID else { return }
    while closing.withLock({ !$0.isEmpty }), turn.withLockIfAvailable({ _ in closePending() }) != nil {}
  }

  /// Only within a turn.
  private func closePending() {
    let ids = closing.withLock { ids in
      defer { ids.removeAll() }
      return ids
    }
    for id in ids { core.close(id) }
  }

  /// The same for what cannot be refused; `nil` inside another body.
  func ifFree<Result>(_ body: (EngineCore) -> Result) -> Result? { try? withCore(body) }

  /// What shares the engine between requests; begins with the first of them.
  var scheduler: Scheduler {
    schedulers.withLock { existing in
      if let existing { return existing }
      let made = Scheduler(engine: self)
      existing = made
      return made
    }
  }

  /// How many requests there are.
  public var load: EngineLoad { schedulers.withLock { $0?.load } ?? EngineLoad() }

  // MARK: Neurons

  /// Whether it is counted which neurons fire while answers are made, on the processor alone. Costs time for each token; see
  /// ``TextPiece/activity``.
  public var recordsActivity: Bool {
    get { core.recordsActivity.load(ordering: .relaxed) }
    set { core.recordsActivity.store(newValue, ordering: .relaxed) }
  }

  /// Whether neurons are counted while ``recordsActivity`` is set: where the processor computes the whole model. A GPU does not say which
  /// fired, and of a model that is divided only a part would be known.
  public var countsActivity: Bool { core.executor is CPUExecutor }

  /// How often each neuron fired, [layers][neurons], and for how many tokens, since ``recordsActivity`` was first set; `nil` where
  /// nothing was counted.
  public var activityCounts: (counts: [[UInt32]], tokens: Int)? {
    ifFree { core in
      guard let activity = (core.executor as? CPUExecutor)?.activity, activity.tokens > 0 else { return nil }
      return (activity.counts, activity.tokens)
    } ?? nil
  }

  // MARK: Sequences

  /// An empty sequence. One that is made inside a call of the engine is refused as soon as it is used (``EngineError/engineBusy``).
  public func makeSequence() -> TokenSequence {
    TokenSequence(self, ifFree { $0.makeSequence() })
  }

  /// A sequence that begins with as much of a prompt as the cache has from earlier requests, but for the last token.
  public func makeSequence(beginning prompt: [Int32]) -> TokenSequence {
    TokenSequence(self, ifFree { $0.makeSequence(beginning: prompt).sequence })
  }

  /// Forgets the prefixes that are kept for later requests.
  public func forgetPrefixes() throws { try withCore { $0.forgetPrefixes() } }

  /// How full the key/value cache is.
  public var cacheUse: CacheUse {
    ifFree { core in
      CacheUse(
        pages: core.pool.used, peakPages: core.pool.peak, pageLimit: core.pool.limit, pageBytes: core.pool.pageBytes,
        sequences: core.sequenceCount)
    } ?? CacheUse(pages: 0, peakPages: 0, pageLimit: pageLimit, pageBytes: pageLayout.byteCount, sequences: 0)
  }

  // MARK: Passes

  /// A batch in this engine's arithmetic.
  public func batch(_ pieces: [Batch.Piece]) -> Batch {
    core.batch(pieces)
  }

  /// Runs a batch and hands `body` the logits of the rows that want them, some at a time and in the order of rows: indices among
  /// those rows, and [indices.count, vocabulary], valid until it returns.
  ///
  /// - Throws: ``EngineError`` for a batch that cannot be run, which leaves all sequences as they were; what the executor throws
  ///   and what `body` throws.
  public func run(
    _ batch: Batch, _ body: (_ rows: Range<Int>, _ logits: UnsafeBufferPointer<Float>) throws -> Void = { _, _ in }
  ) throws {
    try withCore { core in
      try core.forward(batch)
      if batch.wantedCount > 0 { try core.withLogits(of: batch, body) }
    }
  }

  // MARK: What was measured

  /// What was done since the engine was made, or since ``resetMeasurements()``.
  public var statistics: ExecutorStatistics { ifFree { $0.executor.statistics } ?? ExecutorStatistics(layers: []) }

  /// Forgets what was measured so far, but not which sources were chosen.
  public func resetMeasurements() { _ = ifFree { $0.executor.resetStatistics() } }

  /// The GPU that the model runs on; nil on the processor.
  public var gpuName: String? {
    guard ifFree({ $0.failure == nil }) ?? true else { return nil }
    return firstGPUName
  }

  /// Why the model does not run on a GPU, or not any more, where one was to be looked for: a sentence.
  public var gpuRemark: String? {
    if let failure = ifFree({ $0.failure }) ?? nil { return failure }
    return firstGPURemark
  }

  /// What the executor holds in memory.
  public var memory: ExecutorMemory {
    ifFree { $0.executor.memory } ?? ExecutorMemory(workspace: 0, copies: 0)
  }
}

/// How many requests an engine has.
public struct EngineLoad: Sendable, Equatable {
  /// Requests that are computed.
  public var running: Int
  /// Requests that wait for their turn.
  public var waiting: Int

  public init(running: Int = 0, waiting: Int = 0) {
    self.running = running
    self.waiting = waiting
  }
}

/// How full a key/value cache is.
public struct CacheUse: Sendable, Equatable {
  /// Pages that sequences and kept prefixes use.
  public var pages: Int
  /// The most there have been.
  public var peakPages: Int
  /// The most there may be.
  public var pageLimit: Int
  /// Bytes of a page.
  public var pageBytes: Int
  /// Open sequences.
  public var sequences: Int
}

extension EngineOptions {
  static func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
    guard range.contains(value) else {
      throw EngineError.invalidOption(name, value: value, expected: "\(range.lowerBound) to \(range.upperBound)")
    }
  }

  func contextSize(for model: LanguageModel) throws -> Int {
    let size = contextSize ?? min(model.configuration.contextLength, Self.defaultContextLimit)
    try Self.check("context size", size, Self.contextSizeRange)
    if case .learned = model.configuration.architecture.positions, size > model.configuration.contextLength {
      throw EngineError.noSuchPositions(contextSize: size, learned: model.configuration.contextLength)
    }
    return size
  }

  func checkedBatchSize(contextSize: Int) throws -> Int {
    try Self.check("batch size", batchSize, Self.batchSizeRange)
    return batchSize
  }

  /// Pages that the cache may have.
  func pageLimit(_ layout: PageLayout, contextSize: Int) throws -> Int {
    let context = layout.pages(for: contextSize)
    let (bytes, overflow) = context.multipliedReportingOverflow(by: layout.byteCount)
    guard !overflow, Memory.isWithinLimit(bytes) else {
      throw EngineError.contextTooLarge(tokens: contextSize, bytes: overflow ? .max : bytes)
    }
    try Self.check("number of sequences in the cache", cacheSequences, Self.cacheSequencesRange)
    guard let cacheByteLimit else {
      let most = max(1, Memory.available / 2 / max(layout.byteCount, 1))
      let (pages, overflow) = context.multipliedReportingOverflow(by: cacheSequences)
      return max(context, min(overflow ? .max : pages, most))
    }
    guard cacheByteLimit >= bytes else {
      throw EngineError.cacheLimitTooSmall(bytes: cacheByteLimit, needed: bytes, contextSize: contextSize)
    }
    return cacheByteLimit / max(layout.byteCount, 1)
  }
}
