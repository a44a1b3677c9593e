import Foundation

/// Measures how fast an evaluator reads prompts and decodes, without tokenizer and sampler, from an empty memory.
public struct SpeedTest: Sendable, Equatable {
  public enum Kind: String, Sendable, Codable {
    /// All tokens at once, as a prompt comes.
    case prompt = "pp"
    /// Token by token, as an answer comes.
    case decode = "tg"
  }

  public var kind: Kind
  public var tokens: Int

  public init(_ kind: Kind, tokens: Int) {
    self.kind = kind
    self.tokens = tokens
  }

  /// The name in a table: pp512, tg128.
  public var name: String { kind.rawValue + "\(tokens)" }

  /// Runs once to warm up and then as often as asked for.
  ///
  /// - Parameters:
  ///   - evaluator: the model to time.
  ///   - repetitions: runs that count.
  ///   - vocabularySize: random token ids lie below this.
  ///   - now: a clock in seconds.
  ///   - onRun: told of every run that is done, with the number of runs in all.
  /// - Returns: tokens per second of each run.
  public func run(
    on evaluator: any TokenEvaluator, vocabularySize: Int, repetitions: Int,
    now: () -> Double = Generator.monotonicSeconds, onRun: (_ done: Int, _ of: Int) -> Void = { _, _ in }
  ) throws -> [Double] {
    var random = SplitMix64(seed: 1)
    let size = UInt64(max(vocabularySize, 1))
    let ids = (0..<tokens).map { _ in Int32(truncatingIfNeeded: random.next() % size) }
    var speeds: [Double] = []
    for run in 0...max(repetitions, 0) {
      evaluator.truncate(to: 0)
      let start = now()
      switch kind {
      case .prompt: _ = try evaluator.evaluate(ids, progress: nil)
      case .decode: for id in ids { _ = try evaluator.evaluate([id], progress: nil) }
      }
      let time = now() - start
      if run > 0 { speeds.append(time > 0 ? Double(tokens) / time : 0) }
      onRun(run + 1, repetitions + 1)
    }
    evaluator.truncate(to: 0)
    return speeds
  }
}

/// Mean and spread of some measurements.
public struct Spread: Sendable, Equatable, Codable {
  public var mean: Double
  /// The standard deviation of a sample (n - 1); 0 for fewer than two values.
  public var deviation: Double

  public init(_ values: [Double]) {
    mean = values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    let mean = mean
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0
  }
}
