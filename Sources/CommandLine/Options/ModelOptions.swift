import ArgumentParser
import PowerInfer
import PowerInferGGUF
import PowerInferGPU
import PowerInferPlatform

/// Which model to run and how much of the machine to give it.
struct ModelOptions: ParsableArguments {
  @OptionGroup var choice: ModelChoice
  @OptionGroup var threadOption: ThreadOption

  @Option(
    name: [.customShort("c"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens that the context holds; 0 for as many as the model was trained for. "
        + "(default: the same, 8192 at most; environment: POWERINFER_CTX_SIZE)", valueName: "n"))
  var ctxSize: Int?

  @Option(
    name: [.customShort("b"), .long], parsing: .unconditional,
    help: ArgumentHelp("Tokens of a prompt read at once. (environment: POWERINFER_BATCH_SIZE)", valueName: "n"))
  var batchSize: Int?

  @OptionGroup var overrideFlag: OverrideFlag
  @OptionGroup var cacheOptions: CacheOptions
  @OptionGroup var sparsityFlags: SparsityFlags
  @OptionGroup var loadingFlags: LoadingFlags
  @OptionGroup var determinismFlag: DeterminismFlag
  @OptionGroup var gpuFlag: GPUFlag

  /// The options with the environment's values and the model's place filled in.
  struct Resolved: Equatable {
    var path: String
    var threads: Int?
    var contextSize: ContextSize
    var batchSize: Int?
    var cache = CacheOptions.Resolved()
    var sparsity = SparsityFlags.Resolved()
    var residency = Residency.automatic
    var isProfiled = false
    /// Whether results depend on a request alone, bit for bit.
    var isDeterministic = false
    var gpu = GPUChoice.automatic
    var hybrid = HybridOptions()
    /// Most bytes of keys and values; nil for the engine's own limit.
    var cacheByteLimit: Int?
    /// Full contexts that the cache has room for without such a limit.
    var cacheSequences = EngineOptions.defaultCacheSequences
    /// How requests share the engine.
    var scheduling = SchedulingOptions()
    /// Whether control tokens count wherever a prompt spells them.
    var parsesSpecial = false
    /// The name or the text of a chat template in place of the model's.
    var chatTemplate: String?
    /// Metadata in place of the file's.
    var overrides: [MetadataOverride] = []
  }

  enum ContextSize: Equatable {
    /// The model's, within a sensible limit.
    case automatic
    /// All that the model was trained for.
    case full
    case tokens(Int)
  }

  /// - Parameter needsModel: whether there must be a model; without one the path is empty.
  /// - Throws: `EnvironmentError`, `ModelLocatorError`, `OptionError`.
  func resolve(_ environment: Environment = Environment(), needsModel: Bool = true) throws -> Resolved {
    let threads = try threadOption.resolve(environment)
    let contextSize = try environment.value(ctxSize, or: "CTX_SIZE")
    try OptionError.require(contextSize, in: 0...EngineOptions.contextSizeRange.upperBound, "ctx-size")
    let batchSize = try Self.resolve(batchSize: batchSize, environment)
    let size = contextSize.map { $0 == 0 ? ContextSize.full : .tokens($0) } ?? .automatic
    return Resolved(
      path: needsModel ? try choice.locate(environment) : "", threads: threads, contextSize: size, batchSize: batchSize,
      cache: try cacheOptions.resolve(environment), sparsity: try sparsityFlags.resolve(environment),
      residency: try loadingFlags.resolve(environment), isDeterministic: try determinismFlag.resolve(environment),
      gpu: try gpuFlag.resolve(environment), hybrid: try gpuFlag.resolveHybrid(environment),
      overrides: try overrideFlag.resolve(environment))
  }

  /// - Throws: `EnvironmentError`, `OptionError`.
  static func resolve(batchSize: Int?, _ environment: Environment) throws -> Int? {
    guard let size = try environment.value(batchSize, or: "BATCH_SIZE") else { return nil }
    guard size > 0 else { throw OptionError.outOfRange(option: "batch-size", expected: "1 or more", found: "\(size)") }
    // Larger batches are common elsewhere; here they gain nothing.
    return min(size, EngineOptions.batchSizeRange.upperBound)
  }
}

/// A flag whose value makes no sense.
enum OptionError: Error, Equatable, CustomStringConvertible {
  case outOfRange(option: String, expected: String, found: String)
  case malformed(option: String, expected: String, found: String)
  case needsPrompt(option: String)

  var description: String {
    switch self {
    case .outOfRange(let option, let expected, let found):
      "The option --\(option) must be \(expected), but it is \(found)."
    case .malformed(let option, let expected, let found):
      "The option --\(option) must look like \(expected), but it is \"\(found)\"."
    case .needsPrompt(let option):
      "The option --\(option) needs a prompt: as an argument, with --prompt, with --file or on standard input."
    }
  }

  /// Throws unless the value, where there is one, is in the range.
  static func require(_ value: Int?, in range: ClosedRange<Int>, _ option: String) throws(OptionError) {
    if let value, !range.contains(value) {
      throw .outOfRange(
        option: option, expected: "from \(range.lowerBound) to \(range.upperBound)", found: "\(value)")
    }
  }
}
