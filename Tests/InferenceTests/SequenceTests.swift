import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

@Suite struct SequenceTests {
  let folder: TemporaryFolder
  let prompt: [Int32] = (0..<40).map { Int32(($0 * 37 + 11) % 200) }

  init() throws { folder = try TemporaryFolder() }

  func model(_ tiny: TinyModel = TinyModel()) throws -> LanguageModel {
    try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  func logits(_ model: LanguageModel, _ options: EngineOptions, _ tokens: [Int32]) throws -> [Float] {
    let session = try Engine(model: model, options: options).makeSequence()
    return try session.evaluate(tokens)
  }

  @Test(arguments: [TensorType.f32, .f16])
  func sameBitsForAnyThreadsAndBatches(type: TensorType) throws {
    let model = try model(TinyModel(weightType: type))
    let one = try logits(model, .init(threads: 1, batchSize: 64), prompt)
    for threads in [2, 3, 5] {
      #expect(try logits(model, .init(threads: threads, batchSize: 64), prompt) == one)
    }
    for batch in [1, 7, 39] {
      #expect(try logits(model, .init(threads: 2, batchSize: batch), prompt) == one)
    }
  }

  @Test func truncatingGoesBack() throws {
    let model = try model()
    let session = try Engine(model: model, options: .init(contextSize: 64, threads: 2)).makeSequence()
    let first = try Array(session.evaluate(prompt))
    _ = try session.evaluate([5, 6, 7])
    #expect(session.position == 43)
    session.truncate(to: 30)
    #expect(session.position == 30)
    #expect(try Array(session.evaluate(Array(prompt[30...]))) == first)
    session.truncate(to: 100)
    #expect(session.position == 40)
  }

  @Test func eachPositionMatchesItsOwnPrefix() throws {
    let model = try model()
    let session = try Engine(model: model, options: .init(threads: 2, batchSize: 16)).makeSequence()
    var rows: [[Float]] = []
    try session.evaluateEach(prompt) { index, logits in
      #expect(index == rows.count)
      rows.append(Array(logits))
    }
    #expect(rows.count == prompt.count)
    for length in [1, 15, 16, 17, 40] {
      #expect(try logits(model, .init(threads: 1), Array(prompt[..<length])) == rows[length - 1])
    }
  }

  @Test(arguments: [0..<40, 5..<6, 15..<33, 20..<20, 38..<40])
  func givesTheLogitsOfARange(wanted: Range<Int>) throws {
    let session = try Engine(model: try model(), options: .init(threads: 2, batchSize: 16)).makeSequence()
    var all: [[Float]] = []
    try session.evaluateEach(prompt) { all.append(Array($1)) }
    session.truncate(to: 0)
    var found: [Float] = []
    var next = wanted.lowerBound
    try session.evaluate(prompt, logitsOf: wanted) { indices, logits in
      #expect(indices.lowerBound == next && !indices.isEmpty)
      next = indices.upperBound
      found += logits
    }
    #expect(next == wanted.upperBound && found == all[wanted].flatMap { $0 })
    #expect(session.position == 40)

    session.truncate(to: 0)
    try session.evaluate(prompt, logitsOf: 0..<40, progress: { $0 < 32 }) { _, _ in }
    #expect(session.position == 32)
  }

  @Test func progressStopsBetweenBatches() throws {
    let session = try Engine(model: try model(), options: .init(threads: 1, batchSize: 10)).makeSequence()
    var seen: [Int] = []
    let best = try session.evaluate(
      prompt,
      progress: { done in
        seen.append(done)
        return done < 20
      }, body: { $0.count })
    #expect(best == nil)
    #expect(seen == [10, 20])
    #expect(session.position == 20)
  }

  @Test func refusesWhatDoesNotFit() throws {
    let model = try model()
    let session = try Engine(model: model, options: .init(contextSize: 8, threads: 1)).makeSequence()
    _ = try session.evaluate([1, 2, 3])
    #expect(throws: EngineError.noTokens) { try session.evaluate([]) }
    #expect(throws: EngineError.contextFull(position: 3, adding: 6, contextSize: 8)) {
      try session.evaluate([1, 2, 3, 4, 5, 6])
    }
    let width = model.configuration.vocabularySize
    for bad in [-1, Int32(width)] {
      #expect(throws: EngineError.unknownToken(bad, vocabularySize: width)) { try session.evaluate([1, bad]) }
    }
    #expect(session.position == 3)
    #expect(
      EngineError.contextFull(position: 3, adding: 6, contextSize: 8).description
        == "6 more tokens after 3 do not fit the context of 8 tokens.")
    #expect(
      EngineError.unknownToken(-1, vocabularySize: 300).description
        == "Token id -1 is not in the vocabulary, expected 0 to 299.")
  }

  @Test func readsAsManyTokensAsTheContextHolds() throws {
    let model = try model()
    let all = try logits(model, .init(threads: 1), prompt)
    #expect(try logits(model, .init(contextSize: prompt.count, threads: 2), prompt) == all)

    let session = try Engine(model: model, options: .init(contextSize: prompt.count, threads: 1)).makeSequence()
    _ = try session.evaluate(Array(prompt.dropLast()))
    #expect(try Array(session.evaluate([prompt[39]])) == all)
    #expect(session.position == 40)
    #expect(throws: EngineError.contextFull(position: 40, adding: 1, contextSize: 40)) { try session.evaluate([1]) }
    #expect(throws: EngineError.contextFull(position: 40, adding: 1, contextSize: 40)) {
      try session.evaluateEach([1]) { _, _ in }
    }
  }

  @Test func aContextOfOneTokenHoldsOne() throws {
    let model = try model()
    let session = try Engine(model: model, options: .init(contextSize: 1, threads: 2)).makeSequence()
    let first = try Array(session.evaluate([7]))
    #expect(first == (try logits(model, .init(threads: 1), [7])))
    #expect(throws: EngineError.contextFull(position: 1, adding: 1, contextSize: 1)) { try session.evaluate([8]) }
    session.truncate(to: 0)
    #expect(throws: EngineError.contextFull(position: 0, adding: 2, contextSize: 1)) { try session.evaluate([7, 8]) }
    _ = try session.evaluate([8])
    session.truncate(to: -3)
    #expect(session.position == 0)
    #expect(try Array(session.evaluate([7])) == first)
  }

  @Test func anErrorLeavesWhatWasThere() throws {
    struct Enough: Error {}
    let model = try model()
    let expected = try logits(model, .init(threads: 1), prompt)
    let session = try Engine(model: model, options: .init(contextSize: 40, threads: 2, batchSize: 16)).makeSequence()
    _ = try session.evaluate(Array(prompt[..<20]))
    #expect(throws: EngineError.self) { try session.evaluate([1, -1]) }
    #expect(throws: EngineError.self) { try session.evaluate(prompt) }
    #expect(throws: EngineError.noTokens) { try session.evaluateEach([]) { _, _ in } }
    #expect(session.position == 20)
    // The body's own error ends the pass with the batch in the cache; the tokens can be taken back.
    #expect(throws: Enough.self) { try session.evaluateEach(Array(prompt[..<18])) { _, _ in throw Enough() } }
    #expect(session.position == 36)
    session.truncate(to: 20)
    #expect(try Array(session.evaluate(Array(prompt[20...]))) == expected)
  }

  @Test func goingBackAndOnAnotherWayForgetsTheFirst() throws {
    let model = try model()
    let session = try Engine(model: model, options: .init(contextSize: 40, threads: 2)).makeSequence()
    _ = try session.evaluate(prompt)
    session.truncate(to: 10)
    let other = Array(prompt[..<10]) + [3, 1, 4]
    #expect(try Array(session.evaluate([3, 1, 4])) == (try logits(model, .init(threads: 1), other)))
  }

  /// A hidden size that is no multiple of a vector's or block's width: every column of `ffn_down_t` counts.
  @Test func readsTransposedRowsOfAnyLength() throws {
    var tiny = TinyModel(magic: .powerInfer, weightType: .f32, layers: 1)
    (tiny.hiddenSize, tiny.heads, tiny.keyValueHeads, tiny.feedForwardSize) = (40, 4, 2, 24)
    let sparse = try logits(try model(tiny), .init(threads: 2), prompt)

    // The same weights as a dense file: `ffn_down` is the transpose, and ReLU is named.
    let weights = tiny.weights.filter { !$0.layout.name.contains("fc") }.map { weight -> TinyModel.Weight in
      guard weight.layout.name == "blk.0.ffn_down_t.weight", let values = weight.values else { return weight }
      let transposed = (0..<40).flatMap { column in (0..<24).map { values[$0 * 40 + column] } }
      return TinyModel.Weight(
        TensorLayout(name: "blk.0.ffn_down.weight", type: .f32, shape: [24, 40]), floats: transposed)
    }
    tiny.extraMetadata.set("llama.hidden_activation", .string("relu"))
    let writer = try GGUFWriter(
      folder.file("dense.gguf"), metadata: tiny.metadata, tensors: weights.map(\.layout))
    for weight in weights { try writer.append(weight.bytes) }
    try writer.finish()
    let dense = try logits(LanguageModel(opening: folder.file("dense.gguf")), .init(threads: 1), prompt)
    let worst = zip(sparse, dense).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst < 1e-4)
  }

  @Test func refusesMemoryThatTheMachineLacks() throws {
    // A wide layer of a narrow model: a small file, and more working memory for 4096 tokens than there is.
    var tiny = TinyModel(weightType: .f16, layers: 1)
    let memory = Int(clamping: ProcessInfo.processInfo.physicalMemory)
    (tiny.hiddenSize, tiny.heads, tiny.keyValueHeads) = (2, 1, 1)
    // The widest layer that a model may have asks for about 200 GB; a machine with more refuses nothing here.
    if memory < 4096 * 12 * (1 << 22) {
      tiny.feedForwardSize = memory / (4096 * 12) + 1024
      let model = try model(tiny)
      do {
        _ = try Engine(model: model, options: .init(contextSize: 4096, threads: 1, batchSize: 4096)).makeSequence()
        Issue.record("expected an error")
      } catch EngineError.workspaceTooLarge(let batchSize, let threads, let contextSize, let bytes) {
        #expect(batchSize == 4096 && threads == 1 && contextSize == 4096 && bytes > memory)
      }
    }
    #expect(
      EngineError.workspaceTooLarge(batchSize: 1, threads: 2, contextSize: 3, bytes: 4).description
        == "Batches of 1 tokens with 2 threads and a context of 3 tokens need 4 bytes of working memory, more than this "
        + "machine gives.")

    // A narrow model with many heads: a small file, and a cache of 4 TiB.
    (tiny.hiddenSize, tiny.heads, tiny.keyValueHeads, tiny.headSize) = (2, 1024, 1024, 64)
    let wide = try self.model(tiny)
    #expect(throws: EngineError.contextTooLarge(tokens: 1 << 24, bytes: 1 << 42)) {
      try Engine(model: wide, options: .init(contextSize: 1 << 24, threads: 1)).makeSequence()
    }
    #expect(
      EngineError.contextTooLarge(tokens: 5, bytes: 6).description
        == "A context of 5 tokens needs 6 bytes of key/value cache, more than this machine gives.")
  }

  /// Half the bytes, one size for every context: 8.5 bits of 16.
  @Test func cacheFormatsTakeTheirBytes() throws {
    var tiny = TinyModel(weightType: .f32, layers: 2)
    (tiny.hiddenSize, tiny.heads, tiny.keyValueHeads, tiny.headSize) = (64, 4, 2, 32)
    let model = try model(tiny)
    func bytes(_ keys: CacheFormat, _ values: CacheFormat, _ context: Int = 64) throws -> Int {
      let engine = try Engine(
        model: model, options: .init(contextSize: context, threads: 1, keyFormat: keys, valueFormat: values))
      let sequence = engine.makeSequence()
      try sequence.append([Int32](repeating: 1, count: context))
      return engine.cacheUse.pages * engine.cacheUse.pageBytes
    }
    // layers · key/value heads · positions (in pages of 64) · bytes of a row
    #expect(try bytes(.f16, .f16) == 2 * 2 * 64 * (64 + 64))
    #expect(try bytes(.q8_0, .q8_0) == 2 * 2 * 64 * (34 + 34))
    #expect(try bytes(.q8_0, .f16, 65) == 2 * 2 * 128 * (34 + 64))

    let exact = try logits(model, .init(threads: 1), prompt)
    for (keys, values) in [(CacheFormat.q8_0, CacheFormat.f16), (.f16, .q8_0), (.q8_0, .q8_0)] {
      func options(_ threads: Int, _ batchSize: Int) -> EngineOptions {
        EngineOptions(threads: threads, batchSize: batchSize, keyFormat: keys, valueFormat: values)
      }
      let one = try logits(model, options(1, 64), prompt)
      for (threads, batch) in [(2, 64), (3, 1), (5, 7)] {
        #expect(try logits(model, options(threads, batch), prompt) == one)
      }
      // Eight bits are close to sixteen, and not the same.
      let worst = zip(one, exact).map { abs($0 - $1) }.max() ?? .infinity
      let greatest = exact.map(abs).max() ?? 0
      #expect(worst > 0 && worst < 0.02 * greatest)
    }
  }

  /// Contexts of several chunks of positions, decoded by more or fewer threads than there are chunks and heads.
  @Test func sameBitsInLongContexts() throws {
    let model = try model(TinyModel(weightType: .f32))
    let tokens = (0..<700).map { Int32(($0 * 53 + 7) % 200) }
    let one = try logits(model, .init(contextSize: 700, threads: 1, batchSize: 700), tokens)
    for (threads, batch) in [(2, 128), (4, 1)] {
      #expect(try logits(model, .init(contextSize: 700, threads: threads, batchSize: batch), tokens) == one)
    }
  }

  @Test func refusesACacheFormatThatDoesNotFitTheHeads() throws {
    var tiny = TinyModel(weightType: .f32, layers: 1)
    (tiny.hiddenSize, tiny.heads, tiny.keyValueHeads) = (40, 2, 1)
    let model = try model(tiny)
    #expect(throws: EngineError.cacheFormat(.q8_0, headSize: 20)) {
      try Engine(model: model, options: .init(threads: 1, valueFormat: .q8_0)).makeSequence()
    }
    #expect(
      EngineError.cacheFormat(.q8_0, headSize: 20).description
        == "The cache format q8_0 needs a head size that is a multiple of 32, but this model's is 20.")
  }

  @Test func refusesOptionsOutOfRange() throws {
    let model = try model()
    #expect(throws: EngineError.invalidOption("number of threads", value: 0, expected: "1 to 512")) {
      try Engine(model: model, options: .init(threads: 0)).makeSequence()
    }
    #expect(throws: EngineError.invalidOption("context size", value: -5, expected: "1 to 16777216")) {
      try Engine(model: model, options: .init(contextSize: -5)).makeSequence()
    }
    #expect(throws: EngineError.invalidOption("batch size", value: 0, expected: "1 to 4096")) {
      try Engine(model: model, options: .init(batchSize: 0)).makeSequence()
    }
  }

  @Test func learnedPositionsEndTheContext() throws {
    var tiny = TinyModel()
    tiny.architecture = "opt"
    tiny.contextLength = 42
    let model = try model(tiny)
    let session = try Engine(model: model).makeSequence()
    #expect(session.engine.contextSize == 40)
    #expect(try session.evaluate(prompt).allSatisfy { $0.isFinite })
    #expect(throws: EngineError.contextFull(position: 40, adding: 1, contextSize: 40)) { try session.evaluate([1]) }
    let error = EngineError.noSuchPositions(contextSize: 41, learned: 40)
    #expect(throws: error) { try Engine(model: model, options: .init(contextSize: 41)).makeSequence() }
    #expect(
      "\(error)" == "The context size is 41, expected at most 40: the model has no learned positions past that.")
  }
}
