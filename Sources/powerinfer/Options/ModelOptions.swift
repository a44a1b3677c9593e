import ArgumentParser

/// Which model to run and how much of the machine to give it.
struct ModelOptions: ParsableArguments {
  @Option(
    name: [.customShort("m"), .long],
    help: ArgumentHelp(
      "The model, a GGUF file. (default: the embedded model; environment: POWERINFER_MODEL)", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var model: String?

  @Option(
    name: [.customShort("t"), .long], parsing: .unconditional,
    help: ArgumentHelp("Threads. (default: the physical cores; environment: POWERINFER_THREADS)", valueName: "n"))
  var threads: Int?

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

  /// The options with the environment's values and the model's place filled in.
  struct Resolved: Equatable {
    var path: String
    var threads: Int?
    var contextSize: ContextSize
    var batchSize: Int?
  }

  enum ContextSize: Equatable {
    /// The model's, within a sensible limit.
    case automatic
    /// All that the model was trained for.
    case full
    case tokens(Int)
  }

  /// - Throws: `EnvironmentError`, `ModelLocatorError`, `OptionError`.
  func resolve(_ environment: Environment = Environment(), locator: ModelLocator? = nil) throws -> Resolved {
    let threads = try environment.value(threads, or: "THREADS")
    let contextSize = try environment.value(ctxSize, or: "CTX_SIZE")
    let batchSize = try environment.value(batchSize, or: "BATCH_SIZE")
    try OptionError.require(threads.map { $0 >= 1 }, "threads", "1 or more", threads)
    try OptionError.require(contextSize.map { $0 >= 0 }, "ctx-size", "0 or more", contextSize)
    try OptionError.require(batchSize.map { $0 >= 1 }, "batch-size", "1 or more", batchSize)
    let size = contextSize.map { $0 == 0 ? ContextSize.full : .tokens($0) } ?? .automatic
    let path = try (locator ?? ModelLocator(environment: environment)).locate(model)
    return Resolved(path: path, threads: threads, contextSize: size, batchSize: batchSize)
  }
}

/// A flag whose value makes no sense.
enum OptionError: Error, Equatable, CustomStringConvertible {
  case outOfRange(option: String, expected: String, found: String)
  case malformed(option: String, expected: String, found: String)
  case conflict(String, with: String)

  var description: String {
    switch self {
    case .outOfRange(let option, let expected, let found):
      "The option --\(option) must be \(expected), but it is \(found)."
    case .malformed(let option, let expected, let found):
      "The option --\(option) must look like \(expected), but it is \"\(found)\"."
    case .conflict(let first, let second):
      "The options \(first) and \(second) exclude each other; give only one."
    }
  }

  /// Throws unless the condition holds or there is no value.
  static func require(_ holds: Bool?, _ option: String, _ expected: String, _ value: Int?) throws(OptionError) {
    if holds == false, let value { throw .outOfRange(option: option, expected: expected, found: "\(value)") }
  }
}
