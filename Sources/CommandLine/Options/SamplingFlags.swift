import ArgumentParser
import Foundation
import PowerInfer

/// How the next token is chosen: llama.cpp's names and, but for the repetition penalty, defaults.
struct SamplingFlags: ParsableArguments {
  @Option(
    name: [.long, .customLong("temperature")], parsing: .unconditional,
    help: ArgumentHelp(
      "Temperature; 0 and below always take the likeliest token. (default: 0.8; environment: POWERINFER_TEMP)",
      valueName: "x"))
  var temp: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Choose among this many likeliest tokens; 0 all. (default: 40; environment: POWERINFER_TOP_K)", valueName: "n"))
  var topK: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Choose among the likeliest tokens that reach this probability together; 1 all. "
        + "(default: 0.95; environment: POWERINFER_TOP_P)", valueName: "x"))
  var topP: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Choose among tokens this many times as likely as the likeliest; 0 all. "
        + "(default: 0.05; environment: POWERINFER_MIN_P)", valueName: "x"))
  var minP: Float?

  @Option(
    name: [.long, .customLong("typical-p")], parsing: .unconditional,
    help: ArgumentHelp(
      "Choose among the most typical tokens that reach this probability; 1 all. "
        + "(default: 1; environment: POWERINFER_TYPICAL)", valueName: "x"))
  var typical: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Make recent tokens less likely by this factor; 1 off. "
        + "(default: \(SamplingFlags.defaultRepeatPenalty); environment: POWERINFER_REPEAT_PENALTY)", valueName: "x"))
  var repeatPenalty: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens that count as recent; 0 none, -1 all. (default: 64; environment: POWERINFER_REPEAT_LAST_N)",
      valueName: "n"))
  var repeatLastN: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Subtract this from a recent token's logit for every time it came. "
        + "(default: 0; environment: POWERINFER_FREQUENCY_PENALTY)", valueName: "x"))
  var frequencyPenalty: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Subtract this once from the logit of a token that came recently. "
        + "(default: 0; environment: POWERINFER_PRESENCE_PENALTY)", valueName: "x"))
  var presencePenalty: Float?

  @Option(
    name: [.customShort("s"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Seed of the random numbers; -1 a new one each time. (default: -1; environment: POWERINFER_SEED)",
      valueName: "n"))
  var seed: Int64?

  @Option(
    name: [.customShort("l"), .long], parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Make a token likelier (15043+1), less likely (15043-1) or impossible (15043-inf); may be repeated. "
        + "(environment: POWERINFER_LOGIT_BIAS, several with commas)",
      valueName: "id±value"))
  var logitBias: [String] = []

  @Flag(help: "Never choose a token that ends the answer. (environment: POWERINFER_IGNORE_EOS)")
  var ignoreEos = false

  /// The original PowerInfer's (spec §5.2). llama.cpp has 1, with which small models fall into loops.
  static let defaultRepeatPenalty: Float = 1.1

  /// - Throws: `EnvironmentError`, `OptionError`, `SamplingError`.
  func resolve(_ environment: Environment = Environment()) throws -> SamplingOptions {
    var options = SamplingOptions()
    options.repeatPenalty = Self.defaultRepeatPenalty
    func set<Value: SettingValue>(
      _ path: WritableKeyPath<SamplingOptions, Value>, _ flag: Value?, _ name: String
    ) throws {
      if let value = try environment.value(flag, or: name) { options[keyPath: path] = value }
    }
    try set(\.temperature, temp, "TEMP")
    try set(\.topK, topK, "TOP_K")
    try set(\.topP, topP, "TOP_P")
    try set(\.minP, minP, "MIN_P")
    try set(\.typicalP, typical, "TYPICAL")
    try set(\.repeatPenalty, repeatPenalty, "REPEAT_PENALTY")
    try set(\.repeatLastN, repeatLastN, "REPEAT_LAST_N")
    try set(\.frequencyPenalty, frequencyPenalty, "FREQUENCY_PENALTY")
    try set(\.presencePenalty, presencePenalty, "PRESENCE_PENALTY")
    // What is beyond a range's end means that end, as llama.cpp has it; what is not a number is refused below.
    if options.topP > 1 { options.topP = 1 }
    if options.minP < 0 { options.minP = 0 }
    if options.typicalP > 1 { options.typicalP = 1 }
    if let seed = try environment.value(seed, or: "SEED") {
      guard seed >= -1 else {
        throw OptionError.outOfRange(option: "seed", expected: "-1 (random), 0 or more", found: "\(seed)")
      }
      options.seed = seed == -1 ? nil : UInt64(seed)
    }
    let biases = (environment["POWERINFER_LOGIT_BIAS"] ?? "").split(separator: ",").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    for text in logitBias.isEmpty ? biases : logitBias {
      let (token, bias) = try Self.parseBias(text)
      options.logitBias[token] = bias
    }
    try options.validate()
    return options
  }

  /// - Throws: `EnvironmentError`.
  func resolveIgnoreEos(_ environment: Environment) throws -> Bool {
    try environment.value(ignoreEos ? true : nil, or: "IGNORE_EOS") ?? false
  }

  /// Takes "15043+1" apart: the id is all digits before the sign.
  static func parseBias(_ text: String) throws(OptionError) -> (token: Int32, bias: Float) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let rest = text[digits.endIndex...]
    guard let token = Int32(digits), let sign = rest.first, sign == "+" || sign == "-", let bias = Float(rest),
      bias != .infinity, !bias.isNaN
    else {
      throw .malformed(option: "logit-bias", expected: "15043+1, 15043-1 or 15043-inf", found: text)
    }
    return (token, bias)
  }
}
