import PowerInferKernels
public import PowerInferModel
import PowerInferPlatform
public import PowerInferSparsity

/// How a session uses the machine.
public struct SessionOptions: Sendable {
  /// Positions to make room for; `nil` takes the model's own context, at most ``defaultContextLimit``.
  public var contextSize: Int?
  /// Worker threads; `nil` takes the physical cores this process may use.
  public var threads: Int?
  /// Most tokens computed in one pass over the weights while reading a prompt.
  public var batchSize: Int
  /// How the cache keeps keys.
  public var keyFormat: CacheFormat
  /// How the cache keeps values.
  public var valueFormat: CacheFormat
  /// Whether to keep a ``Session/profile``, which costs two looks at a clock per stage and thread.
  public var isProfiled = false
  /// Which neurons are computed.
  public var sparsity = SparsityOptions()
  /// Told what neurons do.
  public var observer: (any NeuronObserver)?
  /// Told what goes into matrices.
  public var activationObserver: (any ActivationObserver)?

  /// A longer context than this is only made when asked for: its cache can outgrow the model.
  public static let defaultContextLimit = 8192
  /// Large enough that reading the weights is no longer what a prompt waits for, small enough that a pass stays in the
  /// second-level cache.
  public static let defaultBatchSize = 128

  /// What a session takes, in tokens.
  public static let contextSizeRange = 1...(1 << 24)
  /// What a session takes.
  public static let threadRange = 1...512
  /// What a session takes, in tokens.
  public static let batchSizeRange = 1...4096

  /// Options with the defaults where nothing else is asked for.
  public init(
    contextSize: Int? = nil, threads: Int? = nil, batchSize: Int = defaultBatchSize, keyFormat: CacheFormat = .f16,
    valueFormat: CacheFormat = .f16
  ) {
    self.contextSize = contextSize
    self.threads = threads
    self.batchSize = batchSize
    self.keyFormat = keyFormat
    self.valueFormat = valueFormat
  }
}

/// Why a session cannot be made or go on.
public enum SessionError: Error, Equatable, CustomStringConvertible {
  case invalidOption(String, value: Int, expected: String)
  case contextTooLarge(tokens: Int, bytes: Int)
  case noSuchPositions(contextSize: Int, learned: Int)
  case workspaceTooLarge(batchSize: Int, threads: Int, contextSize: Int, bytes: Int)
  case cacheFormat(CacheFormat, headSize: Int)
  case noTokens
  case unknownToken(Int32, vocabularySize: Int)
  case contextFull(position: Int, adding: Int, contextSize: Int)

  public var description: String {
    switch self {
    case .invalidOption(let name, let value, let expected):
      return "The \(name) is \(value), expected \(expected)."
    case .contextTooLarge(let tokens, let bytes):
      return "A context of \(tokens) tokens needs \(bytes) bytes of key/value cache, more than this machine gives."
    case .noSuchPositions(let contextSize, let learned):
      return
        "The context size is \(contextSize), expected at most \(learned): the model has learned no positions beyond."
    case .workspaceTooLarge(let batchSize, let threads, let contextSize, let bytes):
      return
        "Batches of \(batchSize) tokens with \(threads) threads and a context of \(contextSize) tokens need \(bytes) bytes "
        + "of working memory, more than this machine gives."
    case .cacheFormat(let format, let headSize):
      return
        "The cache format \(format.rawValue) needs a head size that is a multiple of \(format.storage.blockElements), but "
        + "this model's is \(headSize)."
    case .noTokens:
      return "There are no tokens to evaluate, expected at least one."
    case .unknownToken(let id, let vocabularySize):
      return "Token id \(id) is not in the vocabulary, expected 0 to \(vocabularySize - 1)."
    case .contextFull(let position, let adding, let contextSize):
      return "\(adding) more tokens after \(position) do not fit the context of \(contextSize) tokens."
    }
  }
}

/// One sequence of tokens being run through a model: its key/value cache and position.
///
/// Not safe to use from two threads at once.
public final class Session {
  /// The model that runs.
  public let model: LanguageModel
  /// Most tokens in the cache.
  public let contextSize: Int
  /// Bytes set aside for keys and values; the system gives them as positions come into use.
  public let cacheByteCount: Int
  /// Worker threads asked for.
  public let threads: Int
  /// Tokens in the cache.
  public private(set) var position = 0

  /// Most tokens computed in one pass.
  public let batchSize: Int
  /// Bytes of keys and values, in all layers, that attention reads of each position.
  public let cacheBytesPerPosition: Int
  /// Where the time goes; nil where ``SessionOptions/isProfiled`` did not ask for it.
  public let profile: Profile?

  /// The threads that compute, for work on logits between passes.
  let team: ThreadTeam
  let executor: CPUExecutor

  /// - Throws: ``SessionError`` for an option out of range, a context beyond learned positions, a cache format that does not
  ///   fit the model, or a cache or working memory that this machine does not have; `SparsityError` where neurons cannot be
  ///   chosen as asked.
  public init(model: LanguageModel, options: SessionOptions = SessionOptions()) throws {
    func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws {
      guard range.contains(value) else {
        throw SessionError.invalidOption(name, value: value, expected: "\(range.lowerBound) to \(range.upperBound)")
      }
    }
    contextSize = options.contextSize ?? min(model.configuration.contextLength, SessionOptions.defaultContextLimit)
    threads = options.threads ?? Processors.recommended
    try check("context size", contextSize, SessionOptions.contextSizeRange)
    try check("number of threads", threads, SessionOptions.threadRange)
    try check("batch size", options.batchSize, SessionOptions.batchSizeRange)
    if case .learned = model.configuration.architecture.positions, contextSize > model.configuration.contextLength {
      throw SessionError.noSuchPositions(contextSize: contextSize, learned: model.configuration.contextLength)
    }
    batchSize = min(options.batchSize, contextSize)
    self.model = model
    let cache = try KeyValueCache(
      configuration: model.configuration, capacity: contextSize, keys: options.keyFormat, values: options.valueFormat)
    cacheByteCount = cache.byteCount
    // A file of a few megabytes can ask for more working memory than there is; allocating it would trap.
    let needsPredictions = options.sparsity.mode == .predictor
    let bytes = Workspace.byteCount(
      configuration: model.configuration, batchSize: batchSize, contextSize: contextSize, workers: threads,
      ranks: needsPredictions ? model.weights.layers.compactMap { $0.predictor?.rank } : nil)
    guard let bytes, Memory.canAllocate(bytes) else {
      throw SessionError.workspaceTooLarge(
        batchSize: batchSize, threads: threads, contextSize: contextSize, bytes: bytes ?? .max)
    }
    team = ThreadTeam(workers: threads)
    profile = options.isProfiled ? Profile(threads: team.count) : nil
    cacheBytesPerPosition = cache.bytesPerPosition
    let plan = try SparsityPlan(model: model, options: options.sparsity, team: team)
    executor = CPUExecutor(
      model: model, cache: cache, team: team, batchSize: batchSize, plan: plan, profile: profile,
      observer: options.observer, activations: options.activationObserver)
  }

  /// Runs tokens after those already in the cache and gives the logits of the last one, [V], valid until the next call
  /// and only while the session lives.
  ///
  /// - Parameters:
  ///   - tokens: at least one and at most what the context has room for.
  ///   - progress: called between batches with the number of tokens done; `false` stops early, leaving the done tokens in
  ///     the cache and giving the logits of the last of them.
  /// - Throws: ``SessionError`` for no tokens, an unknown id, or more tokens than the context has room for; the cache is then
  ///   unchanged.
  public func evaluate(_ tokens: [Int32], progress: ((Int) -> Bool)? = nil) throws -> UnsafeBufferPointer<Float> {
    try check(tokens)
    let phase = Profile.Phase(tokens: tokens.count)
    for batch in batches(of: tokens) {
      run(batch, wanted: batch.count - 1..<batch.count, in: phase)
      if let progress, batch.endIndex < tokens.count, !progress(batch.endIndex) { break }
    }
    return UnsafeBufferPointer(start: logits(of: 0..<1, in: phase), count: model.configuration.vocabularySize)
  }

  /// Runs tokens through all layers, every one of them to the end of the last, without computing logits: for who observes
  /// neurons.
  ///
  /// - Throws: as ``evaluate(_:progress:)``.
  public func read(_ tokens: [Int32]) throws {
    try check(tokens)
    let phase = Profile.Phase(tokens: tokens.count)
    for batch in batches(of: tokens) { run(batch, wanted: 0..<batch.count, in: phase) }
  }

  /// Runs tokens and hands `body` the index and logits, [V], of each in turn.
  ///
  /// - Throws: as ``evaluate(_:progress:)``, and what `body` throws.
  public func evaluateEach(_ tokens: [Int32], body: (Int, UnsafeBufferPointer<Float>) throws -> Void) throws {
    let width = model.configuration.vocabularySize
    try evaluate(tokens, logitsOf: tokens.indices) { indices, logits in
      for (row, index) in indices.enumerated() {
        try body(index, UnsafeBufferPointer(rebasing: logits[row * width..<(row + 1) * width]))
      }
    }
  }

  /// Runs tokens and hands `body` the logits of those whose index is in `wanted`, in order, several at a time: their indices
  /// and their logits, [indices.count, V]. Logits of other tokens are not computed.
  ///
  /// - Parameters:
  ///   - tokens: at least one and at most what the context has room for.
  ///   - wanted: indices into `tokens`.
  ///   - progress: called between batches with the number of tokens done; `false` stops early, leaving the done tokens in
  ///     the cache.
  ///   - body: what to do with the logits, which are valid until it returns.
  /// - Throws: as ``evaluate(_:progress:)``, and what `body` throws.
  public func evaluate(
    _ tokens: [Int32], logitsOf wanted: Range<Int>, progress: ((Int) -> Bool)? = nil,
    body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    try check(tokens)
    let width = model.configuration.vocabularySize
    let phase = Profile.Phase(tokens: tokens.count)
    for batch in batches(of: tokens) {
      let rows = wanted.clamped(to: batch.indices)
      run(batch, wanted: rows.lowerBound - batch.startIndex..<rows.upperBound - batch.startIndex, in: phase)
      for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Workspace.logitRows) {
        let indices = start..<min(start + Workspace.logitRows, rows.upperBound)
        let logits = logits(
          of: indices.lowerBound - rows.lowerBound..<indices.upperBound - rows.lowerBound, in: phase)
        try body(indices, UnsafeBufferPointer(start: logits, count: indices.count * width))
      }
      if let progress, batch.endIndex < tokens.count, !progress(batch.endIndex) { return }
    }
  }

  /// Forgets every token from `position` on. A position beyond the end changes nothing.
  public func truncate(to position: Int) {
    self.position = max(0, min(self.position, position))
  }

  private func run(_ batch: ArraySlice<Int32>, wanted: Range<Int>, in phase: Profile.Phase) {
    if let profile {
      profile.measure(phase, tokens: batch.count, from: position) {
        executor.forward(tokens: batch, position: position, wanted: wanted)
      }
    } else {
      executor.forward(tokens: batch, position: position, wanted: wanted)
    }
    position += batch.count
  }

  private func logits(of range: Range<Int>, in phase: Profile.Phase) -> UnsafePointer<Float> {
    guard let profile else { return executor.logits(of: range) }
    return profile.measure(phase, logits: range.count) { executor.logits(of: range) }
  }

  private func check(_ tokens: [Int32]) throws {
    guard !tokens.isEmpty else { throw SessionError.noTokens }
    let width = model.configuration.vocabularySize
    if let bad = tokens.first(where: { $0 < 0 || Int($0) >= width }) {
      throw SessionError.unknownToken(bad, vocabularySize: width)
    }
    guard tokens.count <= contextSize - position else {
      throw SessionError.contextFull(position: position, adding: tokens.count, contextSize: contextSize)
    }
  }

  // Lazy: a token by itself allocates nothing.
  private func batches(of tokens: [Int32]) -> some Sequence<ArraySlice<Int32>> {
    stride(from: 0, to: tokens.count, by: batchSize).lazy.map { [batchSize] in
      tokens[$0..<min($0 + batchSize, tokens.count)]
    }
  }
}
