public import PowerInferKernels
import PowerInferModel

/// What a test of answers has found.
public struct ChatPerplexityResult: Sendable, Equatable, Encodable {
  /// Answers read.
  public let answers: Int
  /// Tokens read. What an answer has in common with the one before it is read once.
  public let tokens: Int
  /// Tokens predicted.
  public let scored: Int
  /// Mean of -ln p over the predictions, in nats.
  public let negativeLogLikelihood: Estimate
  /// e to the power of that.
  public let perplexity: Estimate
}

/// Measures how well a model predicts the answers of conversations: what stands before an answer is read, and only the answer's own
/// tokens count, with the one that ends it.
public final class ChatPerplexityTest {
  /// What is predicted.
  public let chat: ScoredChat
  private let evaluator: any ChunkEvaluator
  private let vocabularySize: Int
  private let team: ThreadTeam
  private var score = PerplexityScore()
  /// Tokens in the evaluator's memory.
  private var memory: ArraySlice<Int32> = []

  /// - Parameters:
  ///   - chat: what to score.
  ///   - engine: with a context of the longest conversation at least.
  public convenience init(_ chat: ScoredChat, engine: Engine) {
    self.init(
      chat, evaluator: engine.makeSequence(), vocabularySize: engine.model.configuration.vocabularySize,
      team: engine.team)
  }

  /// A test of any source of logits; the engine's threads are `team`.
  public init(_ chat: ScoredChat, evaluator: any ChunkEvaluator, vocabularySize: Int, team: ThreadTeam) {
    self.chat = chat
    self.evaluator = evaluator
    self.vocabularySize = vocabularySize
    self.team = team
  }

  /// Reads all answers.
  ///
  /// - Parameters:
  ///   - onAnswer: told after every answer how many are done, and the score so far.
  ///   - isCancelled: asked now and then; when true the result is that of the answers done.
  /// - Throws: ``EvaluationError/notFinite(chunk:position:)`` with the answer as its chunk, and what the evaluator throws.
  public func run(
    onAnswer: (_ done: Int, PerplexityScore) throws -> Void = { _, _ in }, isCancelled: @escaping () -> Bool = { false }
  ) throws -> ChatPerplexityResult {
    var (answers, tokens) = (0, 0)
    for (index, turn) in chat.turns.enumerated() {
      guard let read = try run(turn, index, isCancelled: isCancelled) else { break }
      answers += 1
      tokens += read
      try onAnswer(answers, score)
    }
    return ChatPerplexityResult(
      answers: answers, tokens: tokens, scored: score.count, negativeLogLikelihood: score.negativeLogLikelihood,
      perplexity: score.perplexity)
  }

  /// - Returns: how many tokens were read; nil if something stopped it.
  private func run(_ turn: ScoredChat.Turn, _ index: Int, isCancelled: @escaping () -> Bool) throws -> Int? {
    if isCancelled() { return nil }
    let input = turn.tokens[..<turn.readCount]
    var start = zip(memory, input).prefix { $0 == $1 }.count
    start = min(start, turn.scoredPositions.lowerBound)
    evaluator.truncate(to: start)
    memory = input
    var isStopped = false
    var likelihoods: [Double] = []
    let wanted = turn.scoredPositions.lowerBound - start..<turn.scoredPositions.upperBound - start
    try evaluator.evaluate(
      Array(input[start...]), logitsOf: wanted,
      progress: { _ in
        isStopped = isStopped || isCancelled()
        return !isStopped
      }
    ) { positions, logits in
      let targets = turn.tokens[start + positions.lowerBound + 1..<start + positions.upperBound + 1]
      for (offset, likelihood) in negativeLogLikelihoods(of: targets, logits).enumerated() {
        guard let likelihood else {
          throw EvaluationError.notFinite(chunk: index, position: start + positions.lowerBound + offset)
        }
        likelihoods.append(likelihood)
      }
    }
    if isStopped { return nil }
    for likelihood in likelihoods { score.add(negativeLogLikelihood: likelihood) }
    return input.count - start
  }

  /// -ln p of a token for each row of logits, [targets, vocabulary]; nil where a row is no distribution.
  private func negativeLogLikelihoods(
    of targets: ArraySlice<Int32>, _ logits: UnsafeBufferPointer<Float>
  ) -> [Double?] {
    let width = vocabularySize
    let first = targets.startIndex
    return [Double?](unsafeUninitializedCapacity: targets.count) { results, count in
      // Every member writes results of rows of its own; logits are only read.
      let shared = Unguarded((logits: logits, results: results))
      team.run { member in
        let (logits, results) = shared.value
        for index in member.share(of: targets.count) {
          let row = LogitRow(UnsafeBufferPointer(rebasing: logits[index * width..<(index + 1) * width]))
          let isFinite = row.logSumExp.isFinite
          results.initializeElement(at: index, to: isFinite ? -row.logProbability(of: targets[first + index]) : nil)
        }
      }
      count = targets.count
    }
  }
}
