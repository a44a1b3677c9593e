import ArgumentParser
import PowerInfer

/// When an answer ends.
struct GenerationFlags: ParsableArguments {
  @Option(
    name: [.customShort("n"), .customLong("predict"), .customLong("n-predict")], parsing: .unconditional,
    help: ArgumentHelp(
      "The most tokens to generate; -1 until the model ends by itself. "
        + "(default: \(GenerationFlags.defaultPredict); environment: POWERINFER_PREDICT)", valueName: "n"))
  var predict: Int?

  @Option(
    name: [.long, .customLong("reverse-prompt")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("End the answer where this text appears; may be repeated.", valueName: "text"))
  var stop: [String] = []

  @Flag(
    help: "When the context is full, forget the oldest half of it and go on; without this the answer ends and says so.")
  var contextShift = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens at the start that --context-shift never forgets.", valueName: "n"))
  var keep: Int = 0

  @Flag(name: [.customShort("e"), .long], help: #"Read \n, \t, \\ and \x41 as escapes in texts on the command line."#)
  var escape = false

  /// A small model that has begun to repeat itself may never end an answer; the summary says when this ended one.
  static let defaultPredict = 1024

  /// - Throws: `EnvironmentError`, `OptionError`, `GenerationError`.
  func resolve(_ environment: Environment = Environment(), ignoreEnd: Bool) throws -> GenerationOptions {
    var options = GenerationOptions()
    options.maxTokens = Self.defaultPredict
    if let most = try environment.value(predict, or: "PREDICT") {
      guard most >= -1 else {
        throw OptionError.outOfRange(option: "predict", expected: "-1 (no limit), 0 or more", found: "\(most)")
      }
      options.maxTokens = most == -1 ? nil : most
    }
    options.stopStrings = stop.map(text)
    options.ignoreEndOfGeneration = ignoreEnd
    if keep < 0 { throw OptionError.outOfRange(option: "keep", expected: "0 or more", found: "\(keep)") }
    if contextShift { options.contextPolicy = .slide(keep: keep) }
    try options.validate()
    return options
  }

  /// A text from the command line, with its escapes read if that was asked for.
  func text(_ given: String) -> String {
    escape ? Escapes.interpret(given) : given
  }
}
