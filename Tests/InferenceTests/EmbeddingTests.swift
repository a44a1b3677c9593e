import PowerInferGGUF
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// What leaves the last layer, for embeddings.
@Suite struct EmbeddingTests {
  private static let tokens: [Int32] = [5, 90, 7, 33, 120, 8, 64, 3, 77, 10, 11, 200, 12, 13, 14, 15, 16]

  private func engine(
    _ model: TinyModel = TinyModel(), batchSize: Int = 128, threads: Int = 1
  ) throws -> (engine: Engine, folder: TemporaryFolder) {
    let folder = try TemporaryFolder()
    let file = try LanguageModel(opening: model.write(to: folder.file("tiny.gguf")))
    return (try Engine(model: file, options: EngineOptions(threads: threads, batchSize: batchSize)), folder)
  }

  /// The hidden states of all tokens.
  private func states(_ engine: Engine, _ tokens: [Int32], only wanted: Range<Int>) throws -> [[Float]] {
    let size = engine.model.configuration.hiddenSize
    var states: [[Float]] = []
    try engine.makeSequence().readEach(tokens, only: wanted) { some in
      for row in 0..<some.count / size { states.append(Array(some[row * size..<(row + 1) * size])) }
    }
    return states
  }

  /// With tied embeddings, a token's logit is its embedding's product with the hidden state.
  @Test(arguments: [(17, 128), (17, 5), (1, 128), (2, 1)]) func logitsAreMadeOfThem(count: Int, batchSize: Int) throws {
    let model = TinyModel()
    let (engine, folder) = try engine(model, batchSize: batchSize, threads: 2)
    defer { withExtendedLifetime(folder) {} }
    let tokens = Array(Self.tokens.prefix(count))
    let states = try states(engine, tokens, only: 0..<count)
    #expect(states.count == count)
    let table = try #require(model.weights.first { $0.layout.name == "token_embd.weight" }?.values)
    let size = model.hiddenSize
    try engine.makeSequence().evaluate(tokens, phase: .prompt, logitsOf: 0..<count) { indices, logits in
      for (row, index) in indices.enumerated() {
        for token in [0, 1, 40, 150, model.vocabularySize - 1] {
          let product = (0..<size).reduce(0.0) { $0 + Double(table[token * size + $1]) * Double(states[index][$1]) }
          let logit = Double(logits[row * model.vocabularySize + token])
          #expect(abs(product - logit) < 1e-4 * max(1, abs(logit)), "token \(token) after \(index)")
        }
      }
    }
  }

  @Test func poolingAndLength() throws {
    let (engine, folder) = try engine()
    defer { withExtendedLifetime(folder) {} }
    let all = try states(engine, Self.tokens, only: 0..<Self.tokens.count)
    func unit(_ vector: [Double]) -> [Double] {
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return vector.map { $0 / norm }
    }
    func check(_ pooling: EmbeddingPooling, _ expected: [Double]) throws {
      let found = try engine.embedding(of: Self.tokens, pooling: pooling)
      #expect(zip(found, unit(expected)).allSatisfy { abs(Double($0) - $1) < 1e-6 }, "\(pooling)")
    }
    let sum = all[0].indices.map { column in all.reduce(0.0) { $0 + Double($1[column]) } }
    try check(.mean, sum)
    try check(.last, all[Self.tokens.count - 1].map(Double.init))
    try check(.cls, all[0].map(Double.init))
    // Nothing of it stays.
    #expect(engine.cacheUse.sequences == 0 && engine.cacheUse.pages == 0)
  }

  @Test func familiesWithParallelBlocks() throws {
    var model = TinyModel()
    model.architecture = "falcon"
    let (engine, folder) = try engine(model)
    defer { withExtendedLifetime(folder) {} }
    let states = try states(engine, Self.tokens, only: 3..<5)
    let table = try #require(model.weights.first { $0.layout.name == "token_embd.weight" }?.values)
    try engine.makeSequence().evaluate(Self.tokens, phase: .prompt, logitsOf: 3..<5) { indices, logits in
      for (row, _) in indices.enumerated() {
        let product = (0..<64).reduce(0.0) { $0 + Double(table[9 * 64 + $1]) * Double(states[row][$1]) }
        #expect(abs(product - Double(logits[row * model.vocabularySize + 9])) < 1e-3)
      }
    }
  }

  @Test func wrongTokensAreRefused() throws {
    let (engine, folder) = try engine()
    defer { withExtendedLifetime(folder) {} }
    #expect(throws: EngineError.noTokens) { try engine.embedding(of: [], pooling: .mean) }
    #expect(throws: EngineError.unknownToken(9999, vocabularySize: 280)) {
      try engine.embedding(of: [9999], pooling: .mean)
    }
    let fake = try Engine(fake: FakeExecutor())
    let error = #expect(throws: EngineError.self) { try fake.embedding(of: [3], pooling: .mean) }
    #expect(
      error?.description
        == "Embeddings need the last layer's outputs, which this executor does not give; expected the processor's (--gpu none)."
    )
  }

  @Test func requestsAreRefusedAtOnce() throws {
    let executor = try FakeExecutor()
    let engine = try Engine(fake: executor) { ($0.parallel, $0.queueLimit) = (1, 0) }
    #expect(throws: GenerationError.emptyPrompt) { try engine.submit(GenerationRequest(.tokens([]))) }
    let stream = try engine.submit(.random(1, prompt: 4, answer: 400))
    #expect(throws: GenerationError.queueFull(limit: 0)) { try engine.submit(.random(2, prompt: 4, answer: 4)) }
    stream.cancel()
  }

  @Test func anAnswerCanBeBegun() throws {
    let (engine, folder) = try engine()
    defer { withExtendedLifetime(folder) {} }
    let renderer = try PromptRenderer(model: engine.model)
    let messages = [Message(.user, "hello")]
    let plain = try renderer.tokens(of: messages)
    let tokenizer = engine.model.tokenizer
    // What the answer begins with spells no control token.
    #expect(
      try renderer.tokens(of: messages, beginning: "in<|im_end|>")
        == plain + tokenizer.encode("in<|im_end|>", addSpecial: false, parseSpecial: false))
    #expect(try renderer.text(of: messages) == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n")
  }
}
