import PowerInferGPU
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// What of the GPU executor the common tests of executors do not come to: growth, stretches, logits in parts.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped), .timeLimit(.minutes(10))) struct GPUExecutorTests {
  /// Against the processor with float weights: order of summation, and what it rounds to another half in the cache.
  private static let floatLimit: Float = 0.01

  private func limit(_ name: String) -> Float {
    ExecutorKind.isInBlocks(name) ? GoldenLogitsTests.batchLimit : Self.floatLimit
  }

  /// Against the golden logits of the embedded model, as the processor is tested.
  @Test func embeddedModel() throws {
    let model = try LanguageModel(opening: RepositoryModel.embedded)
    var options = EngineOptions()
    options.gpu = .index(try #require(GPUBench.device).description.index)
    for golden in try GoldenPrompt.load("logits-smollm2-relu.q4_0.json") {
      let limit = GoldenLogitsTests.eightBitLimit
      let difference = try LogitDifference(model: model, golden: golden, tieMargin: limit, options: options)
      #expect(difference.largestError < limit, "largest error \(difference.largestError)")
      #expect(difference.wrongArgMaxima == [])
    }
  }

  /// Longer than the cache at first, whose pages are then copied to a larger one.
  @Test func growsInTheMiddleOfAnAnswer() throws {
    let model = try ExecutorBench.open("tiny-relu-f16")
    let options = ExecutorBench.options(contextSize: 1024, batchSize: 64)
    let page = CacheLayout.pagePositions
    let prompt = ExecutorBench.tokens(8 * page - 3, model, seed: 1)
    let answer = ExecutorBench.tokens(8, model, seed: 2)
    func rows(_ engine: Engine) throws -> [[Float]] {
      let sequence = engine.makeSequence()
      try sequence.append(prompt, phase: .prompt)
      return try sequence.decode(answer)
    }
    let engine = try GPUBench.engine(model, options)
    let found = try rows(engine)
    // The cache has grown.
    #expect(try rows(engine) == found)
    for (row, other) in zip(found, try rows(Engine(model: model, options: options))) {
      #expect(ExecutorBench.difference(row, other) < Self.floatLimit)
    }
    // A second time, under several sequences.
    let sequences = (0..<9).map { _ in engine.makeSequence() }
    for (index, sequence) in sequences.enumerated() {
      try sequence.append(ExecutorBench.tokens(2 * page, model, seed: UInt64(10 + index)), phase: .prompt)
    }
    #expect(engine.cacheUse.pages == 18)
    #expect(try rows(engine) == found)
  }

  /// A pass on a software device cannot be interrupted, so that it takes no more rows than it can compute soon.
  @Test func softwareDevicesTakeFewRows() throws {
    let device = try #require(GPUBench.device)
    guard device.description.kind == .software else { return }
    let model = try ExecutorBench.open("tiny-relu-f16")
    let one = model.weights.products(tokens: 1, logits: 1, hasParallelBlocks: false)
    for (products, rows) in [(0, 4), (7 * one, 7), (64 * one + 1, 64), (Int.max, 100)] {
      var limits = GPUExecutor.Limits()
      limits.softwareProducts = products
      let options = ExecutorBench.options(batchSize: 100)
      #expect(try GPUExecutor(model: model, device: device, options: options, limits: limits).maxRows == rows)
    }
    // What has to be read does not depend on it.
    var limits = GPUExecutor.Limits()
    limits.softwareProducts = 0
    let engine = try GPUBench.engine(model, ExecutorBench.options(), limits: limits)
    let tokens = ExecutorBench.tokens(30, model, seed: 12)
    let rows = try engine.makeSequence().rows(tokens, phase: .prompt)
    #expect(engine.batchSize == 4 && rows.count == 30)
    #expect(try rows == GPUBench.engine(model, ExecutorBench.options()).makeSequence().rows(tokens, phase: .prompt))
  }

  /// Prompts and answers in one pass give what each gives alone: bit for bit, or within rounding.
  @Test(arguments: ExecutorTests.models, [true, false])
  func mixedBatchesEqualEachAlone(name: String, isDeterministic: Bool) throws {
    let model = try ExecutorBench.open(name)
    var options = ExecutorBench.options()
    options.isDeterministic = isDeterministic
    let engine = try GPUBench.engine(model, options)
    let texts = [9, 21, 30, 12, 5].enumerated().map { ExecutorBench.tokens($1, model, seed: UInt64(20 + $0)) }
    // The first three decode their last two tokens; the others read theirs in two pieces.
    func split(_ index: Int) -> Int { index < 3 ? texts[index].count - 2 : texts[index].count / 2 }
    let alone = try texts.enumerated().map { index, text in
      let sequence = engine.makeSequence()
      try sequence.append(Array(text[..<split(index)]), phase: .prompt)
      let rest = Array(text[split(index)...])
      return index < 3 ? try sequence.decode(rest) : try sequence.rows(rest, phase: .prompt)
    }
    let sequences = try texts.enumerated().map { index, text in
      let sequence = engine.makeSequence()
      try sequence.append(Array(text[..<split(index)]), phase: .prompt)
      return sequence
    }
    let limit: Float = isDeterministic ? 0 : limit(name)
    func expect(_ rows: ArraySlice<[Float]>, _ expected: ArraySlice<[Float]>) {
      #expect(rows.count == expected.count)
      for (row, other) in zip(rows, expected) { #expect(ExecutorBench.difference(row, other) <= limit) }
    }
    func piece(_ index: Int, _ range: Range<Int>) -> Batch.Piece {
      Batch.Piece(
        sequence: sequences[index].id, position: range.lowerBound, tokens: texts[index][range],
        phase: index < 3 ? .decode : .prompt, wanted: 0..<range.count)
    }
    let pieces = (0..<5).map { piece($0, split($0)..<($0 < 3 ? split($0) + 1 : texts[$0].count)) }
    let rows = try engine.rows([pieces[3], pieces[0], pieces[1], pieces[4], pieces[2]])
    // Rows of prompts come first.
    let counts = (alone[3].count, alone[4].count)
    expect(rows[..<counts.0], alone[3][...])
    expect(rows[counts.0..<counts.0 + counts.1], alone[4][...])
    for index in 0..<3 { expect(rows[(counts.0 + counts.1 + index)...].prefix(1), alone[index][..<1]) }
    let last = try engine.rows((0..<3).map { piece($0, texts[$0].count - 1..<texts[$0].count) })
    for index in 0..<3 { expect(last[index...].prefix(1), alone[index][1...]) }
  }

  /// More answers than are computed by single rows of weights; and an answer that is read again at once.
  @Test func manyAnswersAtATime() throws {
    let model = try ExecutorBench.open("tiny-relu-q4_0.powerinfer")
    let engine = try GPUBench.engine(model, ExecutorBench.options())
    let texts = (0..<21).map { ExecutorBench.tokens(4, model, seed: UInt64(50 + $0)) }
    let alone = try texts.map { text in
      let sequence = engine.makeSequence()
      try sequence.append(Array(text[..<3]), phase: .prompt)
      return try sequence.decode([text[3]])[0]
    }
    let sequences = try texts.map { text in
      let sequence = engine.makeSequence()
      try sequence.append(Array(text[..<3]), phase: .prompt)
      return sequence
    }
    let rows = try engine.rows(
      zip(sequences, texts).map {
        Batch.Piece(sequence: $0.id, position: 3, tokens: $1[3...], phase: .decode, wanted: 0..<1)
      })
    #expect(rows == alone)

    let answer = ExecutorBench.tokens(40, model, seed: 90)
    let expected = try engine.makeSequence().decode(answer)
    #expect(try engine.makeSequence().rows(answer, phase: .decode) == expected)
  }

  /// A row alone leaves out neurons whose gate is silent, rows together do not: to the same bits.
  @Test(arguments: ["tiny-relu-f16.powerinfer", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-q4_0.powerinfer"])
  func silentNeuronsChangeNothing(name: String) throws {
    let model = try ExecutorBench.open(name)
    let text = ExecutorBench.tokens(24, model, seed: 11)
    func rows(_ engine: Engine) throws -> [[Float]] {
      let sequence = engine.makeSequence()
      return try sequence.rows(Array(text[..<12]), phase: .prompt) + sequence.decode(Array(text[12...]))
    }
    let dense = try rows(GPUBench.engine(model, ExecutorBench.options()))
    let engine = try GPUBench.engine(model, ExecutorBench.options(SparsityOptions(mode: .gate)))
    #expect(try rows(engine) == dense)
    let layers = engine.statistics.layers
    #expect(layers.allSatisfy { $0.source == .gate && $0.tokens == 12 && $0.computed > 0 })
    let sequences = try (12..<15).map { length in
      let sequence = engine.makeSequence()
      try sequence.append(Array(text[..<12]), phase: .prompt)
      if length > 12 { try sequence.append(Array(text[12..<length]), phase: .decode) }
      return sequence
    }
    let together = try engine.rows(
      zip(sequences, 12...).map {
        Batch.Piece(sequence: $0.id, position: $1, tokens: text[$1..<$1 + 1], phase: .decode, wanted: 0..<1)
      })
    #expect(together == Array(dense[12..<15]))
  }

  /// A decoded row goes through a long context in stretches, whose results are merged.
  @Test(arguments: ["tiny-relu-f16", "tiny-falcon-40b-f16.powerinfer"])
  func mergesStretchesOfALongContext(name: String) throws {
    let model = try ExecutorBench.open(name)
    let options = ExecutorBench.options(contextSize: 640)
    let prompt = ExecutorBench.tokens(505, model, seed: 3)
    let answer = ExecutorBench.tokens(16, model, seed: 4)
    let engines = [try GPUBench.engine(model, options), try Engine(model: model, options: options)]
    let rows = try engines.map { engine in
      let sequence = engine.makeSequence()
      try sequence.append(prompt, phase: .prompt)
      return try sequence.decode(answer)
    }
    for (row, other) in zip(rows[0], rows[1]) { #expect(ExecutorBench.difference(row, other) < limit(name)) }
  }

  /// The same with short stretches, so that there are many of them; also side by side.
  @Test(arguments: ["tiny-relu-f16", "tiny-falcon-40b-f16.powerinfer"])
  func mergesManyStretches(name: String) throws {
    let model = try ExecutorBench.open(name)
    let options = ExecutorBench.options(contextSize: 400)
    var limits = GPUExecutor.Limits()
    limits.leastStretch = 64
    let engine = try GPUBench.engine(model, options, limits: limits)
    let text = ExecutorBench.tokens(200, model, seed: 5)
    let rows = try engine.makeSequence().decode(text)
    for (row, other) in zip(rows, try Engine(model: model, options: options).makeSequence().decode(text)) {
      #expect(ExecutorBench.difference(row, other) < limit(name))
    }
    // Rows of one pass have one, two and four stretches.
    let lengths = [30, 100, 199]
    let sequences = try lengths.map { length in
      let sequence = engine.makeSequence()
      try sequence.append(Array(text[..<length]), phase: .decode)
      return sequence
    }
    let together = try engine.rows(
      zip(sequences, lengths).map {
        Batch.Piece(sequence: $0.id, position: $1, tokens: text[$1..<$1 + 1], phase: .decode, wanted: 0..<1)
      })
    #expect(together == lengths.map { rows[$0] })
  }

  /// More logits than there is room for, and none that come with the pass.
  @Test(arguments: ExecutorTests.models, [true, false])
  func givesLogitsInParts(name: String, isDeterministic: Bool) throws {
    let model = try ExecutorBench.open(name)
    var options = ExecutorBench.options()
    options.isDeterministic = isDeterministic
    let tokens = ExecutorBench.tokens(40, model, seed: 6)
    let expected = try GPUBench.engine(model, options).makeSequence().rows(tokens, phase: .prompt)
    for rows in [1, 3, 40] {
      var limits = GPUExecutor.Limits()
      (limits.broughtBytes, limits.logitBytes) = (0, rows * model.configuration.vocabularySize * 4)
      let engine = try GPUBench.engine(model, options, limits: limits)
      #expect(try engine.makeSequence().rows(tokens, phase: .prompt) == expected)
      // In another order, and some twice.
      try engine.withCore { core in
        for wanted in [38..<40, 0..<5, 4..<9] {
          var next = wanted.lowerBound
          try core.executor.withLogits(of: wanted) { indices, logits in
            #expect(indices.lowerBound == next && indices.count <= rows)
            #expect(Array(logits) == Array(expected[indices].joined()))
            next = indices.upperBound
          }
          #expect(next == wanted.upperBound)
        }
      }
    }
  }

  @Test func candidatesOnTheDeviceAreTheBestLogits() throws {
    let model = try ExecutorBench.open("tiny-silu-f16")
    var limits = GPUExecutor.Limits()
    limits.broughtBytes = 0
    let engine = try GPUBench.engine(model, ExecutorBench.options(), limits: limits)
    let tokens = ExecutorBench.tokens(20, model, seed: 7)
    let rows = try GPUBench.engine(model, ExecutorBench.options()).makeSequence().rows(tokens, phase: .prompt)
    for count in [0, 1, 7, 64, 65] {
      for wanted in [0..<20, 13..<15, 4..<4] {
        let sequence = engine.makeSequence()
        // A pass, so that no logits are on the host.
        let batch = engine.batch([
          Batch.Piece(sequence: sequence.id, position: 0, tokens: tokens[...], phase: .prompt, wanted: 0..<20)
        ])
        let found = try engine.withCore { core in
          try core.forward(batch)
          return try core.executor.candidates(of: wanted, count: count)
        }
        #expect(found.count == wanted.count)
        for (candidates, row) in zip(found, rows[wanted]) {
          let sorted = row.indices.sorted { (row[$1], $0) < (row[$0], $1) }.prefix(count)
          #expect(candidates.map(\.token) == sorted.map { Int32($0) })
          #expect(candidates.map(\.logit) == sorted.map { row[$0] })
        }
      }
    }
  }

  @Test(arguments: ExecutorTests.models)
  func repeatsBitForBit(name: String) throws {
    let model = try ExecutorBench.open(name)
    var options = ExecutorBench.options()
    options.isDeterministic = false
    let tokens = ExecutorBench.tokens(50, model, seed: 8)
    let runs = try (0..<2).map { _ in
      let sequence = try GPUBench.engine(model, options).makeSequence()
      return try sequence.rows(Array(tokens[..<30]), phase: .prompt) + sequence.decode(Array(tokens[30...]))
    }
    #expect(runs[0] == runs[1])
  }

  private static let wide = Result {
    let folder = try TemporaryFolder()
    var tiny = TinyModel(seed: 3)
    (tiny.hiddenSize, tiny.heads, tiny.keyValueHeads) = (128, 4, 2)
    return try LanguageModel(opening: tiny.write(to: folder.file("wide.gguf")))
  }

  @Test(arguments: CacheFormat.allCases, CacheFormat.allCases)
  func cacheFormats(keys: CacheFormat, values: CacheFormat) throws {
    let model = try Self.wide.get()
    var options = ExecutorBench.options(contextSize: 256)
    (options.keyFormat, options.valueFormat) = (keys, values)
    let tokens = ExecutorBench.tokens(90, model, seed: 9)
    let engines = [try GPUBench.engine(model, options), try Engine(model: model, options: options)]
    let rows = try engines.map { engine in
      let sequence = engine.makeSequence()
      return try sequence.rows(Array(tokens[..<70]), phase: .prompt) + sequence.decode(Array(tokens[70...]))
    }
    // A code that rounds to the other side counts for more than a half: 0.07 was measured.
    let limit: Float = keys == .f16 && values == .f16 ? Self.floatLimit : 0.15
    for (row, other) in zip(rows[0], rows[1]) { #expect(ExecutorBench.difference(row, other) < limit) }
    // Both branches of a page that is partly filled go on as the whole does.
    let engine = engines[0]
    let first = engine.makeSequence()
    try first.append(Array(tokens[..<70]), phase: .prompt)
    let second = try first.fork()
    #expect(try second.decode(Array(tokens[60..<65])) != Array(rows[0][70..<75]))
    #expect(try first.decode(Array(tokens[70...])) == Array(rows[0][70...]))
  }

  @Test func refusesCacheFormatsThatDoNotFit() throws {
    let model = try ExecutorBench.open("tiny-relu-f16")
    var options = ExecutorBench.options()
    options.valueFormat = .q8_0
    guard !model.configuration.headSize.isMultiple(of: 32) else { return }
    let device = try GPUBench.open()
    #expect(throws: EngineError.cacheFormat(.q8_0, headSize: model.configuration.headSize)) {
      try GPUBench.engine(model, options, on: device)
    }
    #expect(device.usage.buffers == 0)
  }
}
