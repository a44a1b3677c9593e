public import PowerInferGPU
public import PowerInferKernels
import PowerInferPlatform
public import PowerInferSparsity

/// How an engine uses the machine.
public struct EngineOptions: Sendable {
  /// Most positions of a sequence; `nil` takes the model's own context, at most ``defaultContextLimit``.
  public var contextSize: Int?
  /// Worker threads; `nil` takes the physical cores this process may use.
  public var threads: Int?
  /// Most rows computed in one pass over the weights.
  public var batchSize: Int
  /// How the cache keeps keys.
  public var keyFormat: CacheFormat
  /// How the cache keeps values.
  public var valueFormat: CacheFormat
  /// Most bytes of keys and values, all sequences and kept prefixes together; `nil` takes room for ``cacheSequences`` full contexts,
  /// or half of the memory that this machine gives where that is less, but never less than one context.
  public var cacheByteLimit: Int?
  /// Full contexts that the cache has room for where no limit in bytes is given.
  public var cacheSequences = defaultCacheSequences
  /// Whether what a request computes never depends on the requests beside it, bit for bit: arithmetic then follows the phase of a
  /// row, never the number of rows. Without it results differ within rounding.
  public var isDeterministic = false
  /// Whether to keep times per stage, which costs two looks at a clock per stage and thread.
  public var isProfiled = false
  /// Whether to measure how this machine's memory is read best, for models that no cache holds. It takes some tens of milliseconds
  /// and changes no result.
  public var tuning = TuningOptions()
  /// Which neurons are computed.
  public var sparsity = SparsityOptions()
  /// The GPU that the model runs on, if any; `automatic` goes on without one where none can be used.
  public var gpu = GPUChoice.none
  /// How that GPU is opened.
  public var gpuOptions = GPUOptions()
  /// How a model is divided that the GPU's memory does not hold, or may not.
  public var hybrid = HybridOptions()
  /// Told what neurons do.
  public var observer: (any NeuronObserver)?
  /// Told what goes into matrices.
  public var activationObserver: (any ActivationObserver)?
  /// The name or the text of a chat template in place of the model's; see `ChatTemplate.source(named:)`.
  public var chatTemplate: String?
  /// How requests share the engine.
  public var scheduling = SchedulingOptions()

  /// A longer context than this is only made when asked for: its cache can outgrow the model.
  public static let defaultContextLimit = 8192
  /// Large enough that reading the weights is no longer what a prompt waits for, small enough that a pass stays in the
  /// second-level cache.
  public static let defaultBatchSize = 128
  /// ``cacheSequences`` where nothing else is asked for.
  public static let defaultCacheSequences = 16

  /// What an engine takes, in tokens.
  public static let contextSizeRange = 1...(1 << 24)
  /// What an engine takes.
  public static let threadRange = 1...512
  /// What an engine takes, in tokens.
  public static let batchSizeRange = 1...4096
  /// What an engine takes.
  public static let cacheSequencesRange = 1...(1 << 20)

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

/// How keys or values are kept in the cache.
public enum CacheFormat: String, Sendable, Codable, CaseIterable {
  /// Half precision, 16 bits an element.
  case f16
  /// Blocks of 32 elements with one scale, 8.5 bits an element; for head sizes that are multiples of 32.
  case q8_0

  /// The blocks that rows of keys or values are made of.
  public var storage: WeightFormat {
    switch self {
    case .f16: .f16
    case .q8_0: .q8_0
    }
  }
}

/// How requests share an engine.
public struct SchedulingOptions: Sendable, Equatable {
  /// Most requests that are computed at a time; the others wait.
  public var parallel = 16
  /// Most requests that wait; one more is refused.
  public var queueLimit = 256
  /// Pieces of text that wait for a consumer before its request pauses.
  public var eventLimit = 256
  /// Least time between two deliveries of text to a consumer that waits, at most a second; pieces that come in between are delivered
  /// together. The first piece, the end, and pieces that would have to wait for a prompt are delivered at once. Waking a consumer for
  /// each token takes processor time from the computation.
  public var deliveryInterval = Duration.zero
  /// Whether prefixes of finished requests are kept for later ones.
  public var keepsPrefixes = true

  /// What an engine takes.
  public static let parallelRange = 1...4096
  /// What an engine takes.
  public static let queueRange = 0...(1 << 20)
  /// What an engine takes.
  public static let eventRange = 1...(1 << 20)
  /// What an engine takes, in milliseconds.
  public static let deliveryRange = 0...1000

  public init() {}

  /// - Throws: ``EngineError/invalidOption(_:value:expected:)``.
  func check() throws {
    try EngineOptions.check("number of parallel requests", parallel, Self.parallelRange)
    try EngineOptions.check("number of requests that may wait", queueLimit, Self.queueRange)
    try EngineOptions.check("number of events that may wait", eventLimit, Self.eventRange)
    let milliseconds = min(max(deliveryInterval / .milliseconds(1), -1e9), 1e9)
    try EngineOptions.check("number of milliseconds between deliveries", Int(milliseconds), Self.deliveryRange)
  }
}
