import Foundation

/// Measures how fast an evaluator reads prompts and decodes, without tokenizer and sampler.
public struct SpeedTest: Sendable, Equatable {
  /// What is measured, by llama-bench's names.
  public enum Kind: String, Sendable, Codable {
    /// All tokens at once, as a prompt comes.
    case prompt = "pp"
    /// Token by token, as an answer comes.
    case decode = "tg"
  }

  /// What is measured.
  public var kind: Kind
  /// Tokens of a run; fewer than none count as none.
  public var tokens: Int
  /// Tokens in the context before a run begins, which are not timed; fewer than none count as none.
  public var depth: Int

  /// One row of the table.
  public init(_ kind: Kind, tokens: Int, depth: Int = 0) {
    self.kind = kind
    self.tokens = tokens
    self.depth = depth
  }

  /// The name in a table: pp512, tg128, tg64 @ d4096.
  public var name: String { kind.rawValue + "\(tokens)" + (depth > 0 ? " @ d\(depth)" : "") }

  /// Positions that a run needs; as many as can be counted where that is too few.
  public var contextSize: Int {
    let (size, overflow) = max(tokens, 0).addingReportingOverflow(max(depth, 0))
    return overflow ? .max : size
  }

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
    func makeTokens(_ count: Int) -> [Int32] {
      (0..<max(count, 0)).map { _ in Int32(truncatingIfNeeded: random.next() % size) }
    }
    let ids = makeTokens(tokens)
    evaluator.truncate(to: 0)
    if depth > 0 { _ = try evaluator.evaluate(makeTokens(depth), phase: .prompt, progress: nil) { _ in } }
    // Going back is as good as reading those tokens again.
    let start = evaluator.position
    var speeds: [Double] = []
    for run in 0...max(repetitions, 0) {
      evaluator.truncate(to: start)
      let begin = now()
      switch kind {
      case .prompt: _ = try evaluator.evaluate(ids, phase: .prompt, progress: nil) { _ in }
      case .decode: for id in ids { _ = try evaluator.evaluate([id], phase: .decode, progress: nil) { _ in } }
      }
      let time = now() - begin
      if run > 0 { speeds.append(time > 0 ? Double(tokens) / time : 0) }
      onRun(run + 1, max(repetitions, 0) &+ 1)
    }
    evaluator.truncate(to: 0)
    return speeds
  }
}

/// Mean and spread of some measurements.
public struct Spread: Sendable, Equatable, Codable {
  /// The arithmetic mean; 0 for no values.
  public var mean: Double
  /// The standard deviation of a sample (n - 1); 0 for fewer than two values.
  public var deviation: Double

  /// Mean and spread of these.
  public init(_ values: [Double]) {
    mean = values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    let mean = mean
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0
  }
}
