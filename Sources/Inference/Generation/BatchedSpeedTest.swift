/// Measures how fast an engine reads the prompts of several sequences and decodes them together, without tokenizer and sampler.
///
/// Names and columns are those of llama-batched-bench: PP tokens of a prompt and TG of an answer for each of B sequences.
public struct BatchedSpeedTest: Sendable, Equatable {
  /// Tokens of each prompt; at least one.
  public var promptTokens: Int
  /// Tokens of each answer.
  public var answerTokens: Int
  /// Sequences.
  public var sequences: Int
  /// Whether all sequences have the same prompt, which is read once.
  public var sharesPrompt: Bool

  /// One row of the table.
  public init(promptTokens: Int, answerTokens: Int, sequences: Int, sharesPrompt: Bool = false) {
    self.promptTokens = promptTokens
    self.answerTokens = answerTokens
    self.sequences = sequences
    self.sharesPrompt = sharesPrompt
  }

  /// What was measured.
  public struct Outcome: Sendable, Equatable {
    /// Tokens of a prompt, of an answer, and sequences.
    public var pp: Int
    public var tg: Int
    public var pl: Int
    /// Positions of the cache in use at the end.
    public var keyValueTokens: Int
    /// Seconds for all prompts, for all answers.
    public var promptTime: Double
    public var answerTime: Double

    /// Tokens per second of prompts, all sequences together.
    public var promptSpeed: Double { promptTime > 0 ? Double(promptRows) / promptTime : 0 }
    /// Tokens per second of answers, all sequences together.
    public var answerSpeed: Double { answerTime > 0 ? Double(pl * tg) / answerTime : 0 }
    public var time: Double { promptTime + answerTime }
    /// Tokens per second of both.
    public var speed: Double { time > 0 ? Double(promptRows + pl * tg) / time : 0 }

    /// Prompt tokens that were read.
    var promptRows: Int
  }

  /// Positions that a sequence needs.
  public var contextSize: Int { promptTokens + answerTokens }

  /// - Parameters:
  ///   - engine: with a context and a cache that hold it.
  ///   - now: a clock in seconds.
  /// - Throws: ``EngineError``.
  public func run(on engine: Engine, now: () -> Double = Generator.monotonicSeconds) throws -> Outcome {
    var random = SplitMix64(seed: 1)
    let vocabulary = UInt64(max(engine.model.configuration.vocabularySize, 1))
    func tokens(_ count: Int) -> [Int32] {
      (0..<count).map { _ in Int32(truncatingIfNeeded: random.next() % vocabulary) }
    }
    let first = engine.makeSequence()
    var all = [first]
    let prompts = (0..<(sharesPrompt ? 1 : sequences)).map { _ in tokens(promptTokens) }
    if !sharesPrompt { all += (1..<max(sequences, 1)).map { _ in engine.makeSequence() } }
    let start = now()
    try read(prompts, all, engine)
    let promptTime = now() - start
    if sharesPrompt { all += try (1..<max(sequences, 1)).map { _ in try first.fork() } }

    let middle = now()
    for step in 0..<answerTokens {
      for group in stride(from: 0, to: all.count, by: engine.batchSize) {
        let pieces = all[group..<min(group + engine.batchSize, all.count)].map { sequence in
          Batch.Piece(
            sequence: sequence.id, position: promptTokens + step, tokens: tokens(1)[...], phase: .decode, wanted: 0..<1)
        }
        try engine.run(engine.batch(pieces))
      }
    }
    let answerTime = now() - middle
    let promptRows = prompts.count * promptTokens
    return Outcome(
      pp: promptTokens, tg: answerTokens, pl: sequences,
      keyValueTokens: promptRows + sequences * answerTokens, promptTime: promptTime, answerTime: answerTime,
      promptRows: promptRows)
  }

  /// Prompts one after the other, as many rows to a pass as fit.
  private func read(_ prompts: [[Int32]], _ sequences: [TokenSequence], _ engine: Engine) throws {
    var pieces: [Batch.Piece] = []
    var rows = 0
    func flush() throws {
      if !pieces.isEmpty { try engine.run(engine.batch(pieces)) }
      pieces.removeAll(keepingCapacity: true)
      rows = 0
    }
    for (prompt, sequence) in zip(prompts, sequences) {
      var done = 0
      while done < prompt.count {
        let count = min(prompt.count - done, engine.batchSize - rows)
        let isLast = done + count == prompt.count
        pieces.append(
          Batch.Piece(
            sequence: sequence.id, position: done, tokens: prompt[done..<done + count], phase: .prompt,
            wanted: isLast ? count - 1..<count : 0..<0))
        done += count
        rows += count
        if rows == engine.batchSize { try flush() }
      }
    }
    try flush()
  }
}
