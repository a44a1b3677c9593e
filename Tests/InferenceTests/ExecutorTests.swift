import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// What every executor does for an engine, one body for all of them.
@Suite struct ExecutorTests {
  /// A model of each kind of layer: grouped queries with pairs of neighbours, parallel blocks with pairs of halves, learned positions.
  static let models = ["tiny-relu-f16.powerinfer", "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-f16"]

  @Test(
    arguments: ExecutorKind.allCases,
    [
      "tiny-yarn-f32", "tiny-linear-f16", "tiny-llama3-bf16", "tiny-relu-f16", "tiny-relu-f16.powerinfer",
      "tiny-relu-q4_0.powerinfer", "tiny-legacy-quants", "tiny-k-quants", "tiny-bamboo-f16.powerinfer",
      "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-f32", "tiny-falcon-7b-q4_0.powerinfer",
      "tiny-falcon-40b-f16.powerinfer", "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-f16", "tiny-opt-f16.powerinfer",
      "tiny-opt-q4_0.powerinfer", "tiny-skewed-f16.powerinfer", "tiny-skewed-mixed.powerinfer", "tiny-silu-f16",
      "tiny-silu-q8_0",
    ])
  func goldenLogits(kind: ExecutorKind, name: String) throws {
    let model = try ExecutorBench.open(name)
    // Without kernels for a format, the model is refused; see GPUExecutorTests.
    if kind == .gpu, !GPUBench.runs(model) { return }
    let engine = try kind.engine(
      model, EngineOptions(contextSize: 48, threads: 2, batchSize: 7))
    let limit = kind.goldenLimit(name)
    for golden in try GoldenPrompt.load("Tiny/\(name).json") {
      let rows = try engine.makeSequence().rows(golden.tokens, phase: .prompt)
      let error = try Self.error(rows, golden.dense, limit: limit)
      #expect(error < limit, "\(name): largest error \(error)")
    }
  }

  /// The reference leaves out the very neurons that the golden implementation leaves out.
  @Test(arguments: [
    "tiny-relu-f16.powerinfer", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-f16.powerinfer",
    "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-q4_0.powerinfer", "tiny-falcon-40b-f16.powerinfer",
    "tiny-opt-f16.powerinfer", "tiny-opt-q4_0.powerinfer", "tiny-skewed-f16.powerinfer",
    "tiny-skewed-mixed.powerinfer", "tiny-silu-f16",
  ])
  func goldenSources(name: String) throws {
    let model = try ExecutorBench.open(name)
    for golden in try GoldenPrompt.load("Tiny/\(name).json") {
      for (mode, expected) in [(SparsityMode.predictor, golden.predictor), (.threshold, golden.threshold)] {
        guard let expected else { continue }
        var sparsity = SparsityOptions(mode: mode)
        sparsity.gateThresholds = try expected.gateThresholds.map {
          try GateThresholds(thresholds: $0, target: 0.5, tokens: 1, text: "")
        }
        let engine = try ExecutorKind.reference.engine(model, ExecutorBench.options(sparsity))
        let rows = try engine.makeSequence().rows(golden.tokens, phase: .decode)
        let limit = ExecutorKind.reference.goldenLimit(name)
        #expect(try Self.error(rows, expected, limit: limit) < limit, "\(name), \(mode)")
      }
    }
  }

  /// The largest error of the last position; also expects every arg max to be right whose lead is not smaller than the limit.
  private static func error(_ rows: [[Float]], _ golden: GoldenPrompt.Mode, limit: Double) throws -> Double {
    let margins = try #require(golden.marginEachPosition)
    for (position, row) in rows.enumerated() where margins[position] >= limit {
      let best = row.indices.max { row[$0] < row[$1] }
      #expect(best.map { Int32($0) } == golden.argmaxEachPosition[position])
    }
    let (expected, last) = (try #require(golden.logits), try #require(rows.last))
    return zip(last, expected).map { abs(Double($0) - $1) }.max() ?? .infinity
  }

  @Test(arguments: ExecutorKind.allCases, models)
  func piecesEqualTheWhole(kind: ExecutorKind, name: String) throws {
    let model = try ExecutorBench.open(name)
    let engine = try kind.engine(model, ExecutorBench.options())
    let tokens = ExecutorBench.tokens(50, model, seed: 1)
    let whole = try engine.makeSequence().rows(tokens, phase: .prompt)
    let sequence = engine.makeSequence()
    var rows: [[Float]] = []
    for piece in [0..<1, 1..<8, 8..<24, 24..<25, 25..<50] {
      rows += try sequence.rows(Array(tokens[piece]), phase: .prompt)
    }
    #expect(rows == whole)
  }

  @Test(arguments: ExecutorKind.allCases, models)
  func decodingContinuesAPrompt(kind: ExecutorKind, name: String) throws {
    let model = try ExecutorBench.open(name)
    let engine = try kind.engine(model, ExecutorBench.options())
    let tokens = ExecutorBench.tokens(40, model, seed: 2)
    let whole = try engine.makeSequence().rows(tokens, phase: .prompt)
    let sequence = engine.makeSequence()
    var rows = try sequence.rows(Array(tokens[..<29]), phase: .prompt)
    rows += try sequence.decode(Array(tokens[29...]))
    // Prompts add in another order than answers; the reference has one order.
    let limit: Float =
      kind == .reference ? 0 : ExecutorKind.isInBlocks(name) ? GoldenLogitsTests.batchLimit : Self.orderLimit
    for (row, other) in zip(rows, whole) { #expect(ExecutorBench.difference(row, other) <= limit) }
    #expect(sequence.tokens == tokens && sequence.position == 40)
  }

  /// What the order of summation alone does to a logit of a model in floats, with keys that it rounds to another half.
  static let orderLimit: Float = 0.005

  @Test(arguments: ExecutorKind.allCases, models)
  func twoSequencesInOneBatch(kind: ExecutorKind, name: String) throws {
    let model = try ExecutorBench.open(name)
    let engine = try kind.engine(model, ExecutorBench.options())
    let (long, short) = (ExecutorBench.tokens(35, model, seed: 3), ExecutorBench.tokens(9, model, seed: 4))
    let alone = engine.makeSequence()
    let expected = (
      try alone.rows(Array(long[..<33]), phase: .prompt) + alone.decode(Array(long[33...])),
      try engine.makeSequence().rows(short, phase: .prompt)
    )

    let (first, second) = (engine.makeSequence(), engine.makeSequence())
    func piece(_ sequence: TokenSequence, _ tokens: ArraySlice<Int32>, _ phase: Batch.Phase) -> Batch.Piece {
      Batch.Piece(
        sequence: sequence.id, position: tokens.startIndex, tokens: tokens, phase: phase, wanted: 0..<tokens.count)
    }
    let prompts = try engine.rows([piece(first, long[..<33], .prompt), piece(second, short[..<5], .prompt)])
    #expect(prompts[..<33].elementsEqual(expected.0[..<33]))
    #expect(prompts[33...].elementsEqual(expected.1[..<5]))
    // The prompt's rows come first, in whichever order the pieces are given.
    let mixed = try engine.rows([piece(first, long[33..<34], .decode), piece(second, short[5...], .prompt)])
    #expect(mixed[..<4].elementsEqual(expected.1[5...]))
    #expect(mixed[4] == expected.0[33])
    #expect(try first.decode([long[34]]) == [expected.0[34]])
  }

  /// Both branches go on as if each had been read from the beginning, from the middle of a page and from its end.
  @Test(arguments: ExecutorKind.allCases)
  func branchesDoNotDisturbEachOther(kind: ExecutorKind) throws {
    let model = try ExecutorBench.open("tiny-relu-f16")
    let engine = try kind.engine(model, ExecutorBench.options(batchSize: 300))
    let page = engine.pageLayout.positions
    for length in [page - 3, page, page + 5] {
      let prompt = ExecutorBench.tokens(length, model, seed: 5)
      let (left, right) = (ExecutorBench.tokens(6, model, seed: 6), ExecutorBench.tokens(page + 2, model, seed: 7))
      func fresh(_ rest: [Int32]) throws -> [[Float]] {
        let sequence = engine.makeSequence()
        try sequence.append(prompt, phase: .prompt)
        return try sequence.rows(rest, phase: .prompt)
      }
      let expected = (try fresh(left), try fresh(right))

      let first = engine.makeSequence()
      try first.append(prompt, phase: .prompt)
      let second = try first.fork()
      let third = try second.fork()
      #expect(engine.cacheUse.pages == engine.pageLayout.pages(for: length))
      #expect(second.tokens == prompt)
      // By turns, so that each writes after the other has.
      var rows = (
        try first.rows(Array(left[..<2]), phase: .prompt), try second.rows(Array(right[..<3]), phase: .prompt)
      )
      rows.0 += try first.rows(Array(left[2...]), phase: .prompt)
      rows.1 += try second.rows(Array(right[3...]), phase: .prompt)
      #expect(rows.0 == expected.0 && rows.1 == expected.1)
      // What the third still has is as it was.
      first.close()
      second.close()
      #expect(try third.rows(left, phase: .prompt) == expected.0)
      third.close()
      #expect(engine.cacheUse.pages == 0)
    }
  }

  @Test(arguments: ExecutorKind.allCases)
  func truncatingGoesBack(kind: ExecutorKind) throws {
    let model = try ExecutorBench.open("tiny-bamboo-f16.powerinfer")
    let engine = try kind.engine(model, ExecutorBench.options(batchSize: 300))
    let page = engine.pageLayout.positions
    let tokens = ExecutorBench.tokens(2 * page + 3, model, seed: 8)
    let whole = try engine.makeSequence().rows(tokens, phase: .prompt)
    let sequence = engine.makeSequence()
    try sequence.append(tokens + tokens[..<5], phase: .prompt)
    for position in [2 * page + 1, 2 * page, page + 7, page, 1, 0] {
      sequence.truncate(to: position)
      #expect(engine.cacheUse.pages == engine.pageLayout.pages(for: position) && sequence.position == position)
      // Something else, which must not be seen any more once it is gone.
      try sequence.append([1, 2, 3], phase: .prompt)
      sequence.truncate(to: position)
      #expect(try sequence.rows(Array(tokens[position...]), phase: .prompt).elementsEqual(whole[position...]))
    }
  }

  @Test(arguments: ExecutorKind.allCases)
  func candidatesAreTheBestLogits(kind: ExecutorKind) throws {
    let model = try ExecutorBench.open("tiny-silu-f16")
    let engine = try kind.engine(model, ExecutorBench.options())
    let sequence = engine.makeSequence()
    let tokens = ExecutorBench.tokens(40, model, seed: 9)
    let rows = try sequence.rows(tokens, phase: .prompt)
    let width = model.configuration.vocabularySize
    for count in [0, 1, 7, width, width + 1] {
      for wanted in [0..<40, 33..<38, 39..<40, 4..<4] {
        let found = try engine.withCore { try $0.executor.candidates(of: wanted, count: count) }
        #expect(found.count == wanted.count)
        for (candidates, row) in zip(found, rows[wanted]) {
          let sorted = row.indices.sorted { (row[$1], $0) < (row[$0], $1) }.prefix(count)
          #expect(candidates.map(\.token) == sorted.map { Int32($0) })
          #expect(candidates.map(\.logit) == sorted.map { row[$0] })
        }
      }
    }
  }

  /// None, the last, some in the middle, more than are computed in one go, all.
  @Test(arguments: ExecutorKind.allCases, models)
  func givesTheLogitsThatAreWanted(kind: ExecutorKind, name: String) throws {
    let model = try ExecutorBench.open(name)
    let engine = try kind.engine(model, ExecutorBench.options())
    let tokens = ExecutorBench.tokens(60, model, seed: 10)
    let all = try engine.makeSequence().rows(tokens, phase: .prompt)
    for wanted in [0..<0, 59..<60, 7..<11, 10..<55, 0..<60] {
      let sequence = engine.makeSequence()
      let rows = try engine.rows([
        Batch.Piece(sequence: sequence.id, position: 0, tokens: tokens[...], phase: .prompt, wanted: wanted)
      ])
      #expect(rows.elementsEqual(all[wanted]), "\(wanted)")
      // Again, in another order: asking changes nothing.
      try engine.withCore { core in
        for row in [wanted.count - 1, 0] where wanted.count > 0 {
          try core.executor.withLogits(of: row..<row + 1) { _, logits in
            #expect(Array(logits) == all[wanted.lowerBound + row])
          }
        }
      }
      // Rows without logits have left their keys and values behind all the same.
      sequence.truncate(to: 59)
      #expect(try sequence.rows([tokens[59]], phase: .prompt) == [all[59]])
    }
  }
}
