import ArgumentParser
import PowerInfer

/// How many threads a command works with.
struct ThreadOption: ParsableArguments {
  @Option(
    name: [.customShort("t"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Threads; 0 and -1 as many as by default. (default: the physical cores; environment: POWERINFER_THREADS)",
      valueName: "n"))
  var threads: Int?

  /// Nil for the physical cores.
  ///
  /// - Throws: `EnvironmentError`, `OptionError`.
  func resolve(_ environment: Environment = Environment()) throws -> Int? {
    let threads = try environment.value(threads, or: "THREADS")
    // As llama.cpp has it.
    if threads == 0 || threads == -1 { return nil }
    try Self.check(threads)
    return threads
  }

  /// - Throws: `OptionError` for a number of threads that no engine takes.
  static func check(_ threads: Int?) throws(OptionError) {
    try OptionError.require(threads, in: EngineOptions.threadRange, "threads")
  }
}
