import ArgumentParser
import PowerInfer
import PowerInferPlatform

/// When an answer ends.
struct GenerationFlags: ParsableArguments {
  @Option(
    name: [.customShort("n"), .customLong("predict"), .customLong("n-predict")], parsing: .unconditional,
    help: ArgumentHelp(
      "The most tokens to generate; -1 until the model ends by itself, -2 until the context is full. "
        + "(default: \(GenerationFlags.defaultPredict); environment: POWERINFER_PREDICT)", valueName: "n"))
  var predict: Int?

  @Option(
    name: [.customShort("r"), .long, .customLong("reverse-prompt")], parsing: .unconditionalSingleValue,
    help: ArgumentHelp("End the answer where this text appears; may be repeated.", valueName: "text"))
  var stop: [String] = []

  @Flag(
    help: """
      When the context is full, forget the oldest half of it and go on, and a chat's oldest turns before that; without this the \
      answer ends and says so.
      """)
  var contextShift = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens at the start that --context-shift never forgets; -1 the prompt.", valueName: "n"))
  var keep: Int = 0

  @Flag(
    name: [.customShort("e"), .long], inversion: .prefixedNo,
    help: #"Read \n, \t, \\ and \x41 as escapes in texts on the command line."#)
  var escape = false

  /// A small model that has begun to repeat itself may never end an answer; the summary says when this ended one.
  static let defaultPredict = 1024

  /// - Throws: `EnvironmentError`, `OptionError`, `GenerationError`.
  func resolve(_ environment: Environment = Environment(), ignoreEnd: Bool) throws -> GenerationOptions {
    var options = GenerationOptions()
    options.maxTokens = Self.defaultPredict
    let most = try environment.value(predict, or: "PREDICT")
    if let most {
      guard most >= -2 else {
        throw OptionError.outOfRange(
          option: "predict", expected: "-1 (no limit), -2 (until the context is full), 0 or more", found: "\(most)")
      }
      options.maxTokens = most < 0 ? nil : most
    }
    options.stopStrings = stop.map(text)
    options.ignoreEndOfGeneration = ignoreEnd
    if keep < -1 {
      throw OptionError.outOfRange(option: "keep", expected: "-1 (the prompt), 0 or more", found: "\(keep)")
    }
    if contextShift, most != -2 { options.contextPolicy = .slide(keep: keep) }
    try options.validate()
    return options
  }

  /// A text from the command line, with its escapes read if that was asked for.
  func text(_ given: String) -> String {
    let text = given.withoutSystemBytes
    return escape ? Escapes.interpret(text) : text
  }
}
