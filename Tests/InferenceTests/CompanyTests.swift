import Foundation
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// What a sequence computes alone and among others.
@Suite struct CompanyTests {
  /// Logits of rounding alone, with neurons that rounding moves across a threshold.
  static let limit: Float = 0.5

  /// A model whose weights are arranged for a mode.
  private static func open(_ name: String, _ mode: SparsityMode) throws -> LanguageModel {
    let path = try #require(Bundle.module.resourceURL).appendingPathComponent("Golden/Tiny/\(name).gguf").path
    return try LanguageModel(opening: path, residency: .copied, reading: mode.reading)
  }

  /// A request: its prompt, and the tokens of an answer that others have chosen.
  struct Script {
    var prompt: [Int32]
    var answer: [Int32]
    /// Passes before it arrives.
    var delay: Int
  }

  static func scripts(count: Int, _ model: LanguageModel, seed: UInt64) -> [Script] {
    let vocabularySize = model.configuration.vocabularySize
    let longest = UInt64(min(90, contextSize(model) - 8))
    var random = SplitMix64(seed: seed)
    func tokens(_ count: Int) -> [Int32] {
      (0..<count).map { _ in Int32(truncatingIfNeeded: random.next() % UInt64(vocabularySize)) }
    }
    return (0..<count).map { _ in
      Script(
        prompt: tokens(1 + Int(random.next() % longest)), answer: tokens(1 + Int(random.next() % 7)),
        delay: Int(random.next() % 6))
    }
  }

  /// The logits after the prompt and after each token of the answer.
  static func alone(_ script: Script, _ engine: Engine) throws -> [[Float]] {
    let sequence = engine.makeSequence()
    var rows: [[Float]] = []
    try sequence.evaluate(script.prompt, phase: .prompt) { rows.append(Array($0)) }
    for token in script.answer { try sequence.evaluate([token], phase: .decode) { rows.append(Array($0)) } }
    return rows
  }

  /// The same of all scripts at a time: prompts come in pieces of random lengths, beside the tokens of answers.
  static func together(_ scripts: [Script], _ engine: Engine, seed: UInt64) throws -> [[[Float]]] {
    var random = SplitMix64(seed: seed)
    let sequences = scripts.map { _ in engine.makeSequence() }
    var rows = scripts.map { _ in [[Float]]() }
    var position = scripts.map { _ in 0 }
    var pass = 0
    while rows.indices.contains(where: { rows[$0].count <= scripts[$0].answer.count }) {
      defer { pass += 1 }
      var pieces: [Batch.Piece] = []
      var owners: [Int] = []
      var room = engine.batchSize
      for (index, script) in scripts.enumerated() where script.delay <= pass && room > 0 {
        let (done, all) = (position[index], script.prompt.count)
        if done < all {
          let count = min(room, all - done, 1 + Int(random.next() % 30))
          pieces.append(
            Batch.Piece(
              sequence: sequences[index].id, position: done, tokens: script.prompt[done..<done + count], phase: .prompt,
              wanted: done + count == all ? count - 1..<count : 0..<0))
          room -= count
          position[index] += count
          if done + count == all { owners.append(index) }
        } else if rows[index].count <= script.answer.count {
          let token = script.answer[rows[index].count - 1]
          pieces.append(
            Batch.Piece(
              sequence: sequences[index].id, position: done, tokens: [token], phase: .decode, wanted: 0..<1))
          room -= 1
          position[index] += 1
          owners.append(index)
        }
      }
      guard !pieces.isEmpty else { continue }
      let batch = engine.batch(pieces)
      // Prompts come first in a batch.
      let names = batch.pieces.filter { !$0.wanted.isEmpty }.map(\.sequence)
      let width = engine.model.configuration.vocabularySize
      try engine.run(batch) { indices, logits in
        for (offset, index) in indices.enumerated() {
          let owner = sequences.firstIndex { $0.id == names[index] } ?? 0
          rows[owner].append(Array(logits[offset * width..<(offset + 1) * width]))
        }
      }
    }
    return rows
  }

  static let models = [
    "tiny-relu-f16.powerinfer", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-q4_0.powerinfer",
    "tiny-falcon-7b-q4_0.powerinfer", "tiny-falcon-40b-f16.powerinfer", "tiny-opt-q4_0.powerinfer", "tiny-k-quants",
    "tiny-yarn-f32",
  ]

  static func contextSize(_ model: LanguageModel) -> Int {
    // Learned positions begin with some that no token has.
    min(128, model.configuration.contextLength)
  }

  static func options(
    _ mode: SparsityMode, _ model: LanguageModel, threads: Int, isDeterministic: Bool
  ) throws -> EngineOptions {
    var options = EngineOptions(contextSize: contextSize(model), threads: threads, batchSize: 64)
    options.isDeterministic = isDeterministic
    options.sparsity = SparsityOptions(mode: mode)
    options.sparsity.gateThresholds = try GateThresholds(
      thresholds: Array(repeating: 0.05, count: model.configuration.layerCount), target: 0.5, tokens: 1, text: "")
    return options
  }

  /// Bit for bit, whatever the rows beside, for every source and any number of threads.
  @Test(arguments: models, SparsityMode.allCases)
  func sameBitsAloneAndInCompany(name: String, mode: SparsityMode) throws {
    let model = try Self.open(name, mode)
    let scripts = Self.scripts(count: 16, model, seed: 1)
    guard
      let engine = try? Engine(model: model, options: Self.options(mode, model, threads: 1, isDeterministic: true))
    else {
      // A source that the model does not have.
      #expect(mode == .gate || mode == .predictor)
      return
    }
    let alone = try scripts.map { try Self.alone($0, engine) }
    for threads in 1...3 {
      let engine = try Engine(
        model: model, options: Self.options(mode, model, threads: threads, isDeterministic: true))
      for seed in [UInt64(2), 3] {
        let together = try Self.together(scripts, engine, seed: seed)
        for (index, rows) in together.enumerated() {
          let first = rows.indices.first { rows[$0] != alone[index][$0] }
          #expect(first == nil, "request \(index), \(threads) threads")
        }
      }
    }
  }

  /// Otherwise within rounding.
  @Test(arguments: models, [SparsityMode.dense, .gate, .auto])
  func closeLogitsAloneAndInCompany(name: String, mode: SparsityMode) throws {
    let model = try Self.open(name, mode)
    let scripts = Self.scripts(count: 16, model, seed: 5)
    guard
      let engine = try? Engine(model: model, options: Self.options(mode, model, threads: 2, isDeterministic: false))
    else {
      #expect(mode == .gate)
      return
    }
    let alone = try scripts.map { try Self.alone($0, engine) }
    let together = try Self.together(scripts, engine, seed: 6)
    var worst: Float = 0
    for (rows, expected) in zip(together, alone) {
      for (row, other) in zip(rows, expected) {
        for (a, b) in zip(row, other) { worst = max(worst, abs(a - b)) }
      }
    }
    #expect(worst < Self.limit)
  }
}
