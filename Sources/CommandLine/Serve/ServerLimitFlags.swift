import ArgumentParser
import PowerInfer
import PowerInferServer

/// How much a server takes at a time, and how long.
struct ServerLimitFlags: ParsableArguments {
  @Option(
    name: [.long, .customLong("np", withSingleDash: true)], parsing: .unconditional,
    help: ArgumentHelp(
      "Most requests that are computed at a time. (default: 16; environment: POWERINFER_PARALLEL)", valueName: "n"))
  var parallel: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Most requests that wait; more are refused with the status 429. (default: 256; environment: POWERINFER_QUEUE)",
      valueName: "n"))
  var queue: Int?

  @Option(
    help: ArgumentHelp(
      "Most bytes of a request's body. (default: 16MiB; environment: POWERINFER_MAX_BODY)", valueName: "size"))
  var maxBody: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Most connections at a time. (default: 1024; environment: POWERINFER_MAX_CONNECTIONS)", valueName: "n"))
  var maxConnections: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds until an answer is cut off, waiting included; 0 never. (default: 0; environment: POWERINFER_TIMEOUT)",
      valueName: "s"))
  var timeout: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds for a request to arrive as a whole. (default: 30; environment: POWERINFER_READ_TIMEOUT)", valueName: "s")
  )
  var readTimeout: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds that a client may take to accept more of an answer. (default: 60; environment: POWERINFER_WRITE_TIMEOUT)",
      valueName: "s"))
  var writeTimeout: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds until a connection without a request is closed. (default: 75; environment: POWERINFER_IDLE_TIMEOUT)",
      valueName: "s"))
  var idleTimeout: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds between comments that keep silent streams open. (default: 10; environment: POWERINFER_KEEP_ALIVE)",
      valueName: "s"))
  var keepAlive: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds that running answers get when the server is to end. (default: 30; environment: POWERINFER_SHUTDOWN_TIMEOUT)",
      valueName: "s"))
  var shutdownTimeout: Int?

  /// - Throws: `EnvironmentError`, `OptionError`.
  func resolve(_ environment: Environment, _ settings: inout ServerSettings) throws {
    func set(
      _ flag: Int?, _ option: String, in range: ClosedRange<Int>, _ path: WritableKeyPath<ServerSettings, Int>
    ) throws {
      let name = option.uppercased().replacing("-", with: "_")
      guard let value = try environment.value(flag, or: name) else { return }
      try OptionError.require(value, in: range, option)
      settings[keyPath: path] = value
    }
    let day = 86_400
    try set(parallel, "parallel", in: SchedulingOptions.parallelRange, \.scheduling.parallel)
    try set(queue, "queue", in: SchedulingOptions.queueRange, \.scheduling.queueLimit)
    try set(maxConnections, "max-connections", in: 1...65_536, \.options.connectionLimit)
    try set(readTimeout, "read-timeout", in: 1...day, \.options.readTimeout)
    try set(writeTimeout, "write-timeout", in: 1...day, \.options.writeTimeout)
    try set(idleTimeout, "idle-timeout", in: 1...day, \.options.idleTimeout)
    try set(keepAlive, "keep-alive", in: 1...day, \.options.keepAliveInterval)
    try set(shutdownTimeout, "shutdown-timeout", in: 0...day, \.options.shutdownTimeout)
    if let seconds = try environment.value(timeout, or: "TIMEOUT") {
      try OptionError.require(seconds, in: 0...day, "timeout")
      settings.options.requestTimeout = seconds == 0 ? nil : seconds
    }
    if let text = try environment.value(maxBody, or: "MAX_BODY") {
      let bytes = try ByteSize(text, option: "max-body").bytes
      try OptionError.require(bytes, in: 1...(1 << 30), "max-body")
      settings.options.bodyLimit = bytes
    }
  }
}

/// Which models a server has beside the first.
struct LibraryFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Folder of model files: a request's field model chooses one, which is loaded then. (environment: POWERINFER_MODELS_DIR)",
      valueName: "folder"), completion: .directory)
  var modelsDir: String?

  @Option(
    help: ArgumentHelp(
      "Most bytes of model files loaded at a time; the longest unused go. (environment: POWERINFER_MODELS_MEMORY)",
      valueName: "size"))
  var modelsMemory: String?

  @Option(
    help: ArgumentHelp(
      "Most bytes of a model's key/value cache, prompts that are kept for later ones included. (default: 16 full contexts, at most "
        + "half of the free memory; environment: POWERINFER_CACHE_MEMORY)", valueName: "size"))
  var cacheMemory: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seconds after its last use until a model is given up; 0 never. (default: 0; environment: POWERINFER_IDLE_UNLOAD)",
      valueName: "s"))
  var idleUnload: Int?

  /// - Throws: `EnvironmentError`, `OptionError`.
  func resolve(_ environment: Environment, _ settings: inout ServerSettings) throws {
    settings.modelsFolder = try environment.value(modelsDir, or: "MODELS_DIR")
    if let text = try environment.value(modelsMemory, or: "MODELS_MEMORY") {
      settings.options.modelByteLimit = try ByteSize(text, option: "models-memory").bytes
    }
    if let text = try environment.value(cacheMemory, or: "CACHE_MEMORY") {
      settings.cacheByteLimit = try ByteSize(text, option: "cache-memory").bytes
    }
    if let seconds = try environment.value(idleUnload, or: "IDLE_UNLOAD") {
      try OptionError.require(seconds, in: 0...(1 << 30), "idle-unload")
      settings.options.idleUnload = seconds == 0 ? nil : seconds
    }
  }
}
