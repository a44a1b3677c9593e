import PowerInferGGUF
import PowerInferGPU
import PowerInferModel
import PowerInferSparsity
import Synchronization

/// What an engine's calls change: sequences, pages, the executor. One call at a time.
final class EngineCore {
  private(set) var executor: any ModelExecutor
  /// Makes what goes on in place of an executor whose device fails; `nil` where nothing does.
  var fallback: (() throws -> any ModelExecutor)?
  /// Why the first executor was given up, if it was: a sentence.
  private(set) var failure: String?
  let contextSize: Int
  /// Whether passes of answers count which neurons fire.
  let recordsActivity = Atomic(false)
  /// What was counted in the last pass, row by row; empty where nothing was.
  private(set) var activity: [TokenActivity] = []
  private let vocabularySize: Int
  private let isDeterministic: Bool
  let skipsInPrompts: Bool
  /// Whether keys and values depend on a token's phase by more than rounding, or rounding counts.
  private let dependsOnPhase: Bool

  /// The cache's pages and how many there may be, for who asks while a pass runs.
  let cacheShape: Mutex<(layout: PageLayout, limit: Int)>
  private(set) var pool: PagePool
  private var prefixes: PrefixTree
  private var sequences: [Int: State] = [:]
  private var nextSequence = 0
  /// Tells its sequences from those of other engines.
  private let name = EngineCore.names.add(1, ordering: .relaxed).newValue
  private static let names = Atomic(0)

  /// A sequence: its tokens, and the pages of their keys and values.
  private struct State {
    var pages: [PageID] = []
    var tokens: [Int32] = []
    var phases: [Batch.Phase] = []
    /// Whether its pages went with an executor, so that its tokens have to be read again.
    var isLost = false
  }

  init(executor: any ModelExecutor, contextSize: Int, pageLimit: Int, options: EngineOptions, isLossless: Bool) {
    self.executor = executor
    self.contextSize = contextSize
    vocabularySize = executor.model.configuration.vocabularySize
    isDeterministic = options.isDeterministic
    skipsInPrompts = options.sparsity.masksPrompts
    dependsOnPhase = options.isDeterministic || !(isLossless || options.sparsity.masksPrompts)
    let layout = executor.pageLayout
    cacheShape = Mutex((layout, pageLimit))
    pool = PagePool(limit: pageLimit, pageBytes: layout.byteCount)
    prefixes = PrefixTree(pagePositions: layout.positions)
  }

  // MARK: Sequences

  /// Sequences that are open.
  var sequenceCount: Int { sequences.count }

  func makeSequence() -> SequenceID {
    defer { nextSequence += 1 }
    sequences[nextSequence] = State()
    return SequenceID(nextSequence, engine: name)
  }

  /// A sequence that begins with as much of a prompt as was read before, by another sequence or the same, but for the last token.
  func makeSequence(beginning prompt: [Int32]) -> (sequence: SequenceID, reused: Int) {
    let id = makeSequence()
    let phases = [Batch.Phase](repeating: .prompt, count: prompt.count)
    let match = prefixes.match(keys(prompt, phases), most: prompt.count - 1)
    guard match.count > 0 else { return (id, 0) }
    for page in match.pages { pool.retain(page) }
    sequences[id.number] = State(
      pages: match.pages, tokens: Array(prompt[..<match.count]), phases: Array(phases[..<match.count]))
    return (id, match.count)
  }

  /// Another sequence with the same tokens, whose pages both share until one of them writes.
  func fork(_ id: SequenceID) throws -> SequenceID {
    var state = try state(of: id)
    // Without pages that were taken for positions to come.
    state.pages = Array(state.pages.prefix(executor.pageLayout.pages(for: state.tokens.count)))
    for page in state.pages { pool.retain(page) }
    let copy = makeSequence()
    sequences[copy.number] = state
    return copy
  }

  func close(_ id: SequenceID) {
    guard id.engine == name, let state = sequences.removeValue(forKey: id.number) else { return }
    release(state.pages)
  }

  /// Forgets every token from `position` on. A position past the end changes nothing.
  func truncate(_ id: SequenceID, to position: Int) throws {
    var state = try state(of: id)
    let kept = max(0, min(position, state.tokens.count))
    state.isLost = state.isLost && kept > 0
    let pages = executor.pageLayout.pages(for: kept)
    release(Array(state.pages[min(pages, state.pages.count)...]))
    state.pages.removeLast(max(0, state.pages.count - pages))
    state.tokens.removeLast(state.tokens.count - kept)
    state.phases.removeLast(state.phases.count - kept)
    sequences[id.number] = state
  }

  func position(of id: SequenceID) throws -> Int { try state(of: id).tokens.count }
  func pageCount(of id: SequenceID) throws -> Int { try state(of: id).pages.count }
  func tokens(of id: SequenceID) throws -> [Int32] { try state(of: id).tokens }

  private func state(of id: SequenceID) throws -> State {
    guard id != .none else { throw EngineError.engineBusy }
    guard id.engine == name else { throw EngineError.unknownSequence }
    guard let state = sequences[id.number] else {
      throw id.number < nextSequence ? EngineError.sequenceClosed : EngineError.unknownSequence
    }
    return state
  }

  // MARK: Prefixes

  /// Keeps what a sequence has read, for later ones that begin with it.
  ///
  /// - Parameter wholePages: without a last page that is only partly filled. Both would own it, and the sequence would have to
  ///   copy it to go on.
  func keepPrefix(of id: SequenceID, wholePages: Bool = false) throws {
    let state = try state(of: id)
    guard !state.isLost else { return }
    let positions = executor.pageLayout.positions
    let count = wholePages ? state.tokens.count / positions * positions : state.tokens.count
    let keys = keys(state.tokens, state.phases).prefix(count)
    release(prefixes.insert(Array(keys), pages: state.pages, pool: &pool))
  }

  /// How much of a prompt ``makeSequence(beginning:)`` finds.
  func known(of prompt: [Int32]) -> Int {
    prefixes.match(keys(prompt, [Batch.Phase](repeating: .prompt, count: prompt.count)), most: prompt.count - 1).count
  }

  /// Forgets all kept prefixes.
  func forgetPrefixes() { release(prefixes.removeAll()) }

  private func keys(_ tokens: [Int32], _ phases: [Batch.Phase]) -> [PrefixTree.Key] {
    zip(tokens, phases).map { token, phase in
      let number = UInt64(UInt32(bitPattern: token)) << 1
      return dependsOnPhase && phase == .decode ? number | 1 : number
    }
  }

  private func release(_ pages: [PageID]) {
    for page in pages { pool.release(page, on: executor) }
  }

  // MARK: Passes

  func batch(_ pieces: [Batch.Piece]) -> Batch {
    Batch(pieces, arithmetic: isDeterministic ? .byPhase : .byCount, skipsInPrompts: skipsInPrompts)
  }

  /// Takes pages for up to `count` next positions of a sequence, as ``reserve(_:for:)`` does.
  ///
  /// - Returns: for how many there are pages now.
  /// - Throws: what ``reserve(_:for:)`` throws but for a lack of pages.
  func room(_ count: Int, for id: SequenceID) throws -> Int {
    do {
      do {
        try reserve(count, for: id)
      } catch let error as GPUError where fallback != nil {
        try fallBack(error)
        try reserve(count, for: id)
      }
      return count
    } catch EngineError.cacheFull, EngineError.outOfCacheMemory {
      let state = try state(of: id)
      let positions = executor.pageLayout.positions
      let first = state.tokens.count / positions
      let own = state.pages[min(first, state.pages.count)...].prefix { !pool.isShared($0) }.count
      return max(0, min(count, (first + own) * positions - state.tokens.count))
    }
  }

  /// Makes sure that the next `count` positions of a sequence have pages of its own, giving up kept prefixes where there is no
  /// other room.
  ///
  /// - Throws: ``EngineError/cacheFull(pages:bytes:)``, ``EngineError/contextFull(position:adding:contextSize:)``.
  func reserve(_ count: Int, for id: SequenceID) throws {
    try restore(id)
    var state = try state(of: id)
    let position = state.tokens.count
    guard count <= contextSize - position else {
      throw EngineError.contextFull(position: position, adding: count, contextSize: contextSize)
    }
    let layout = executor.pageLayout
    let last = layout.pages(for: position + count)
    // Also what was taken before an error stays with the sequence.
    defer { sequences[id.number]?.pages = state.pages }
    for index in (position / layout.positions)..<last {
      if index < state.pages.count {
        let page = state.pages[index]
        guard pool.isShared(page) else { continue }
        let copy = try allocate()
        do {
          try executor.copyPage(page, to: copy, positions: position - index * layout.positions)
        } catch {
          release([copy])
          throw error
        }
        state.pages[index] = copy
        release([page])
      } else {
        state.pages.append(try allocate())
      }
    }
  }

  private func allocate() throws -> PageID {
    while !pool.hasRoom, let page = prefixes.evict(pool) { release([page]) }
    do {
      return try pool.allocate(on: executor)
    } catch EngineError.outOfCacheMemory(let bytes) {
      // The system gives no more: what is kept for later goes first.
      guard let page = prefixes.evict(pool) else { throw EngineError.outOfCacheMemory(bytes: bytes) }
      release([page])
      return try allocate()
    }
  }

  /// Checks a batch, finds room for it and runs it. After an error no sequence has changed.
  ///
  /// Where the device of the executor fails and there is something to fall back on, that one goes on with the same tokens.
  func forward(_ batch: Batch) throws {
    try check(batch)
    activity = []
    let isCounted =
      recordsActivity.load(ordering: .relaxed) && batch.promptCount == 0 && batch.wantedCount == batch.count
    let counter = isCounted ? (executor as? CPUExecutor)?.activity : nil
    counter?.begin(rows: batch.count)
    defer { activity = counter?.end() ?? [] }
    do {
      try run(batch)
    } catch let error as GPUError where fallback != nil {
      try fallBack(error)
      try run(batch)
    }
  }

  /// The logits of the wanted rows of the batch that was run last; see ``ModelExecutor/withLogits(of:_:)``.
  func withLogits(of batch: Batch, _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void) throws {
    var (given, isGiving) = (0, false)
    do {
      try executor.withLogits(of: 0..<batch.wantedCount) { rows, logits in
        isGiving = true
        try body(rows, logits)
        (given, isGiving) = (rows.upperBound, false)
      }
    } catch let error as GPUError where fallback != nil && !isGiving {
      try repeatPass(batch, after: error)
      try executor.withLogits(of: given..<batch.wantedCount, body)
    }
    try executor.model.file.checkWholeness()
  }

  /// The likeliest tokens of the wanted rows of the batch that was run last; see ``ModelExecutor/candidates(of:count:)``.
  func candidates(of batch: Batch, count: Int) throws -> [[TokenCandidate]] {
    let candidates: [[TokenCandidate]]
    do {
      candidates = try executor.candidates(of: 0..<batch.wantedCount, count: count)
    } catch let error as GPUError where fallback != nil {
      try repeatPass(batch, after: error)
      candidates = try executor.candidates(of: 0..<batch.wantedCount, count: count)
    }
    try executor.model.file.checkWholeness()
    return candidates
  }

  // MARK: A device that fails

  /// Goes on with another executor. Nothing of the cache is left: sequences read their tokens again when they are next run.
  private func fallBack(_ error: GPUError) throws {
    guard let make = fallback else { throw error }
    let other = try make()
    (executor, fallback, failure) = (other, nil, "\(error) The processor goes on.")
    // Room for as many positions as before.
    let positions = pool.limit * prefixes.pagePositions
    let layout = other.pageLayout
    pool = PagePool(limit: layout.pages(for: positions), pageBytes: layout.byteCount)
    let limit = pool.limit
    cacheShape.withLock { $0 = (layout, limit) }
    prefixes = PrefixTree(pagePositions: layout.positions)
    sequences = sequences.mapValues { state in
      State(tokens: state.tokens, phases: state.phases, isLost: !state.tokens.isEmpty)
    }
  }

  private func repeatPass(_ batch: Batch, after error: GPUError) throws {
    try fallBack(error)
    for piece in batch.pieces { try truncate(piece.sequence, to: piece.position) }
    try run(batch)
  }

  /// Reads a sequence's tokens again whose pages are lost.
  private func restore(_ id: SequenceID) throws {
    let lost = try state(of: id)
    guard lost.isLost else { return }
    sequences[id.number] = State()
    do {
      var start = 0
      while start < lost.tokens.count {
        let phase = lost.phases[start]
        let same = lost.phases[start...].prefix { $0 == phase }.prefix(executor.maxRows)
        let tokens = lost.tokens[start..<same.endIndex]
        try run(
          batch([Batch.Piece(sequence: id, position: start, tokens: tokens, phase: phase, wanted: 0..<0)]))
        start = same.endIndex
      }
    } catch {
      release(sequences[id.number]?.pages ?? [])
      sequences[id.number] = lost
      throw error
    }
  }

  private func run(_ batch: Batch) throws {
    for piece in batch.pieces { try reserve(piece.tokens.count, for: piece.sequence) }
    let layout = executor.pageLayout
    let pages = try batch.pieces.map { piece in
      try state(of: piece.sequence).pages[..<layout.pages(for: piece.position + piece.tokens.count)]
    }
    try executor.forward(Pass(batch: batch, pages: pages))
    // A shortened file reads as zeros, which must not pass for weights.
    try executor.model.file.checkWholeness()
    for piece in batch.pieces {
      sequences[piece.sequence.number]?.tokens.append(contentsOf: piece.tokens)
      sequences[piece.sequence.number]?.phases.append(contentsOf: repeatElement(piece.phase, count: piece.tokens.count))
    }
  }

  /// Whether a sequence can go on with these tokens.
  func check(_ tokens: [Int32], for id: SequenceID) throws {
    let position = try state(of: id).tokens.count
    if let bad = tokens.first(where: { $0 < 0 || Int($0) >= vocabularySize }) {
      throw EngineError.unknownToken(bad, vocabularySize: vocabularySize)
    }
    guard tokens.count <= contextSize - position else {
      throw EngineError.contextFull(position: position, adding: tokens.count, contextSize: contextSize)
    }
  }

  private func check(_ batch: Batch) throws {
    guard batch.count > 0, batch.pieces.allSatisfy({ !$0.tokens.isEmpty }) else { throw EngineError.noTokens }
    guard batch.count <= executor.maxRows else { throw EngineError.tooManyRows(batch.count, most: executor.maxRows) }
    var ends: [SequenceID: Int] = [:]
    for piece in batch.pieces {
      let position = try ends[piece.sequence] ?? state(of: piece.sequence).tokens.count
      guard piece.position == position, ends[piece.sequence] == nil else {
        throw EngineError.wrongPosition(piece.position, expected: position)
      }
      ends[piece.sequence] = position + piece.tokens.count
      if let bad = piece.tokens.first(where: { $0 < 0 || Int($0) >= vocabularySize }) {
        throw EngineError.unknownToken(bad, vocabularySize: vocabularySize)
      }
      guard piece.tokens.count <= contextSize - position else {
        throw EngineError.contextFull(position: position, adding: piece.tokens.count, contextSize: contextSize)
      }
      guard piece.wanted.isEmpty || (piece.wanted.lowerBound >= 0 && piece.wanted.upperBound <= piece.tokens.count)
      else {
        throw EngineError.wantedOutside(piece.wanted, tokens: piece.tokens.count)
      }
    }
  }
}
