/// How the next token is chosen from the logits. The names, the meaning and the defaults are llama.cpp's.
public struct SamplingOptions: Sendable, Equatable {
  /// Divides the logits before the draw; 0 or less means greedy: always the likeliest token.
  public var temperature: Float = 0.8
  /// Keeps this many of the likeliest tokens; 0 or less keeps all.
  public var topK: Int = 40
  /// Keeps the fewest likeliest tokens whose probabilities reach this sum; 1 keeps all.
  public var topP: Float = 0.95
  /// Keeps tokens at least this many times as likely as the likeliest; 0 keeps all.
  public var minP: Float = 0.05
  /// Keeps the tokens whose surprise is nearest to the expected one, up to this sum of probabilities; 1 keeps all.
  public var typicalP: Float = 1
  /// Divides positive and multiplies negative logits of recent tokens; 1 leaves them. Older engines used 1.1.
  public var repeatPenalty: Float = 1
  /// How many of the latest tokens, prompt included, the three penalties see; 0 none, -1 all.
  public var repeatLastN: Int = 64
  /// Subtracted from a recent token's logit once for every time it occurred.
  public var frequencyPenalty: Float = 0
  /// Subtracted once from the logit of a token that occurred at all.
  public var presencePenalty: Float = 0
  /// Added to the logits of single tokens, by token id; minus infinity forbids a token.
  public var logitBias: [Int32: Float] = [:]
  /// Starts the random numbers; nil takes a new seed from the system.
  public var seed: UInt64?

  public init() {}

  /// Always the likeliest token.
  public static var greedy: SamplingOptions {
    var options = SamplingOptions()
    options.temperature = 0
    return options
  }

  /// Checks every value against its range.
  ///
  /// - Throws: `SamplingError.invalidOption` for the first value that is out of range.
  public func validate() throws(SamplingError) {
    try require(temperature.isFinite, "temperature", "a finite number", temperature)
    try require(topP >= 0 && topP <= 1, "top-p", "between 0 and 1", topP)
    try require(minP >= 0 && minP <= 1, "min-p", "between 0 and 1", minP)
    try require(typicalP >= 0 && typicalP <= 1, "typical", "between 0 and 1", typicalP)
    try require(repeatPenalty.isFinite && repeatPenalty > 0, "repeat-penalty", "greater than 0", repeatPenalty)
    try require(repeatLastN >= -1, "repeat-last-n", "-1 (all), 0 (none) or more", repeatLastN)
    try require(frequencyPenalty.isFinite, "frequency-penalty", "a finite number", frequencyPenalty)
    try require(presencePenalty.isFinite, "presence-penalty", "a finite number", presencePenalty)
    for (token, bias) in logitBias.sorted(by: { $0.key < $1.key }) {
      try require(token >= 0, "logit-bias", "for a token id of 0 or more", token)
      try require(!bias.isNaN && bias != .infinity, "logit-bias of token \(token)", "finite or -inf", bias)
    }
  }

  /// Whether the penalties change any logit.
  var penalizes: Bool {
    repeatLastN != 0 && (repeatPenalty != 1 || frequencyPenalty != 0 || presencePenalty != 0)
  }

  private func require(
    _ holds: Bool, _ name: String, _ expected: String, _ found: some CustomStringConvertible
  ) throws(SamplingError) {
    if !holds { throw .invalidOption(name: name, expected: expected, found: found.description) }
  }
}

/// Why no token could be chosen.
public enum SamplingError: Error, Equatable, CustomStringConvertible {
  case invalidOption(name: String, expected: String, found: String)
  case biasOutsideVocabulary(token: Int32, vocabularySize: Int)
  case noLogits
  case noCandidate(vocabularySize: Int)

  public var description: String {
    switch self {
    case .invalidOption(let name, let expected, let found):
      "The sampling option \(name) must be \(expected), but it is \(found)."
    case .biasOutsideVocabulary(let token, let size):
      "The logit bias names token \(token), but the vocabulary has \(size) tokens."
    case .noLogits:
      "No token can be chosen: the model gave no logits."
    case .noCandidate(let size):
      "No token can be chosen: all \(size) logits are minus infinity or not a number."
    }
  }
}
