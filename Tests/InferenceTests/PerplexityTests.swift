import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferTestKit
import Testing

@Suite struct PerplexityTests {
  private let team = ThreadTeam(workers: 2)

  private func result(
    _ logits: [[[Float]]], _ text: ScoredText, threads: Int = 2, blockSize: Int = 3
  ) throws -> PerplexityResult {
    let evaluator = KnownLogits(logits)
    evaluator.blockSize = blockSize
    return try PerplexityTest(
      text, evaluator: evaluator, vocabularySize: logits[0][0].count, team: ThreadTeam(workers: threads)
    ).run()
  }

  @Test func agreesWithNumPy() throws {
    let golden = try GoldenPerplexity.load()
    let result = try result(golden.model, golden.text())
    #expect(result.chunks == 6 && result.tokens == 54 && result.scored == 24)
    #expect(result.negativeLogLikelihood.isClose(to: golden.expected.negativeLogLikelihood, 1e-13))
    #expect(result.perplexity.isClose(to: golden.expected.perplexity, 1e-12))
    #expect(result.divergence == nil)
  }

  @Test(arguments: [(1, 1), (2, 4), (3, 3), (5, 2)])
  func sameBitsForAnyThreadsAndBlocks(threads: Int, blockSize: Int) throws {
    let golden = try GoldenPerplexity.load()
    let expected = try result(golden.model, golden.text(), threads: 1, blockSize: 4)
    #expect(try result(golden.model, golden.text(), threads: threads, blockSize: blockSize) == expected)
  }

  /// Probabilities 1/2, 1/4, 1/4 for tokens 0, 1, 2.
  private let row: [Float] = [Float(log(2.0)), 0, 0]

  @Test func aCaseByHand() throws {
    // Positions 2 and 3 of 5 predict tokens 3 and 4: of the first chunk 0 and 1, of the second 0 and 0.
    let text = try ScoredText(tokens: [2, 2, 2, 0, 1, 2, 2, 2, 0, 0, 1, 1], contextSize: 5, beginning: nil)
    let result = try result([[row, row], [row, row]], text)
    // ln 2, ln 4, ln 2, ln 2: their mean is 5/4 ln 2, their variance (ln 2)² / 4.
    let mean = 1.25 * log(2.0)
    #expect(abs(result.negativeLogLikelihood.value - mean) < 1e-7)
    #expect(abs(result.perplexity.value - pow(2, 1.25)) < 1e-6)
    let error = try #require(result.negativeLogLikelihood.error)
    #expect(abs(error - log(2.0) / 4) < 1e-7)
    #expect(abs(try #require(result.perplexity.error) - pow(2, 1.25) * log(2.0) / 4) < 1e-6)
  }

  @Test func readsEveryChunkFromItsBeginning() throws {
    let text = try ScoredText(tokens: Array(0..<11), contextSize: 4, beginning: 99, chunkLimit: 5)
    let evaluator = KnownLogits([[[Float](repeating: 0, count: 12)], [[Float](repeating: 0, count: 12)]])
    var seen: [Int] = []
    let result = try PerplexityTest(text, evaluator: evaluator, vocabularySize: 12, team: team)
      .run(onChunk: { seen.append($0.chunks) })
    #expect(evaluator.inputs == [[99, 1, 2, 3], [99, 5, 6, 7]])
    #expect(evaluator.wanted == [2..<3] && seen == [1, 2])
    // All tokens equally likely.
    #expect(abs(result.perplexity.value - 12) < 1e-13)
    #expect(result.perplexity.error == 0)
  }

  @Test(arguments: [Float.nan, .infinity])
  func logitsThatAreNoDistributionAreNamed(value: Float) throws {
    let text = try ScoredText(tokens: [2, 2, 2, 0, 1, 2, 2, 2, 0, 0], contextSize: 5, beginning: nil)
    let error = #expect(throws: EvaluationError.self) {
      try result([[row, row], [row, [0, value, 0]]], text)
    }
    #expect(
      error?.description
        == "The logits at position 3 of chunk 2 hold infinity or a value that is not a number; the model is damaged.")
  }

  @Test func anImpossibleTokenMakesThePerplexityInfinite() throws {
    let text = try ScoredText(tokens: [2, 2, 2, 0, 1, 2, 2, 2, 0, 0], contextSize: 5, beginning: nil)
    let result = try result([[row, [0, -.infinity, 0]], [row, row]], text)
    #expect(result.perplexity == Estimate(.infinity, error: nil))
  }

  @Test func cancellingKeepsTheChunksDone() throws {
    let text = try ScoredText(tokens: [2, 2, 2, 0, 1, 2, 2, 2, 0, 0], contextSize: 5, beginning: nil)
    var isCancelled = false
    let result = try PerplexityTest(
      text, evaluator: KnownLogits([[row, row], [row, row]]), vocabularySize: 3, team: team
    ).run(onChunk: { _ in isCancelled = true }, isCancelled: { isCancelled })
    #expect(result.chunks == 1 && result.scored == 2 && result.tokens == 5)
  }

  // MARK: A model

  @Test func agreesWithTheSessionsOwnLogits() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: TinyModel().write(to: folder.file("model.gguf")))
    let tokens = (0..<100).map { Int32(($0 * 37 + 11) % 200) }
    let text = try ScoredText(tokens: tokens, contextSize: 21, beginning: 7, chunkLimit: 3)
    func run(_ options: EngineOptions) throws -> PerplexityResult {
      try PerplexityTest(text, engine: Engine(model: model, options: options)).run()
    }
    let result = try run(.init(contextSize: 21, threads: 1))

    var sum = 0.0
    let session = try Engine(model: model, options: .init(contextSize: 21, threads: 1)).makeSequence()
    for chunk in 0..<3 {
      session.truncate(to: 0)
      let input = [7] + tokens[chunk * 21 + 1..<chunk * 21 + 21]
      try session.evaluateEach(input) { index, logits in
        guard (10..<20).contains(index) else { return }
        let exponentials = logits.reduce(0) { $0 + exp(Double($1)) }
        sum += log(exponentials) - Double(logits[Int(input[index + 1])])
      }
    }
    #expect(result.scored == 30 && abs(result.negativeLogLikelihood.value - sum / 30) < 1e-12)
    for options in [EngineOptions(contextSize: 21, threads: 3), .init(contextSize: 64, threads: 2, batchSize: 7)] {
      #expect(try run(options) == result)
    }
  }

  // MARK: The text

  @Test func aTextIsCutIntoWholeChunks() throws {
    let text = try ScoredText(tokens: Array(0..<25), contextSize: 8, beginning: nil)
    #expect(text.chunkCount == 3 && text.tokens == Array(0..<24))
    #expect(text.scoredPositions == 4..<7 && text.scoredCount == 9)
    #expect(text.input(ofChunk: 2) == Array(16..<24))
    #expect(try ScoredText(tokens: Array(0..<25), contextSize: 8, beginning: nil, chunkLimit: 1).chunkCount == 1)
    #expect(text.prefix(chunks: 2).tokens == Array(0..<16) && text.prefix(chunks: 9) == text)
  }

  @Test func aTextBeginsAsTheModelWantsIt() throws {
    var metadata = Metadata()
    TinyVocabulary.sentencePiece.add(to: &metadata)
    metadata.set("tokenizer.ggml.add_eos_token", .bool(true))
    let text = try ScoredText(
      "hello world hello world hello", tokenizer: Tokenizer(metadata: metadata), contextSize: 3, chunkLimit: 9)
    #expect(text.beginning == 1 && text.tokens.first == 1 && !text.tokens.contains(2))
  }

  @Test(
    arguments: [
      (2, 8, nil, "The context size is 2, expected 3 to 16777216."),
      (3, 8, 0, "The number of chunks is 0, expected at least 1."),
      (
        5, 9, nil,
        "The text has 9 tokens, but a context of 5 tokens needs a text of at least 10, two chunks of it."
      ),
      (
        5, 1, nil,
        "The text has 1 token, but a context of 5 tokens needs a text of at least 10, two chunks of it."
      ),
    ] as [(Int, Int, Int?, String)])
  func whatCannotBeCutIsASentence(contextSize: Int, tokens: Int, limit: Int?, sentence: String) {
    let error = #expect(throws: EvaluationError.self) {
      try ScoredText(
        tokens: [Int32](repeating: 0, count: tokens), contextSize: contextSize, beginning: nil, chunkLimit: limit)
    }
    #expect(error?.description == sentence)
  }
}
