import PowerInferGPU
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// Activation sources on a GPU: against the processor, and against themselves.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped), .timeLimit(.minutes(10))) struct GPUSparsityTests {
  /// Gated and not, parallel blocks, two ReLUs, matrices of several formats, down projections by output.
  static let models = [
    "tiny-relu-f16.powerinfer", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-q4_0.powerinfer",
    "tiny-falcon-40b-f16.powerinfer", "tiny-falcon-7b-q4_0.powerinfer", "tiny-opt-f16.powerinfer",
    "tiny-skewed-f16.powerinfer",
  ]

  static func sparsity(_ mode: SparsityMode, _ model: LanguageModel, _ threshold: Float = 0.08) throws
    -> SparsityOptions
  {
    var sparsity = SparsityOptions(mode: mode)
    if mode == .threshold {
      sparsity.gateThresholds = try GateThresholds(
        thresholds: model.weights.layers.map { _ in threshold }, target: 0.5, tokens: 1, text: "")
    }
    return sparsity
  }

  private func profile(_ model: LanguageModel, _ frequency: (_ neuron: Int) -> Float) throws -> ActivationProfile {
    let shape = FeedForwardShape(model.configuration)
    let frequencies = (0..<shape.layers).map { _ in (0..<shape.neurons).map(frequency) }
    return try ActivationProfile(frequencies: frequencies, contributions: frequencies, tokens: 1, text: "")
  }

  /// As the processor computes them, with the same counts of neurons: logits of float models within rounding, where no neuron flips.
  @Test(arguments: [
    ("tiny-relu-f16.powerinfer", SparsityMode.predictor), ("tiny-relu-f16.powerinfer", .threshold),
    ("tiny-relu-f16.powerinfer", .gate), ("tiny-bamboo-f16.powerinfer", .predictor),
    ("tiny-bamboo-f16.powerinfer", .threshold), ("tiny-falcon-40b-f16.powerinfer", .predictor),
    ("tiny-falcon-40b-f16.powerinfer", .threshold), ("tiny-falcon-40b-f16.powerinfer", .gate),
    ("tiny-opt-f16.powerinfer", .predictor), ("tiny-opt-f16.powerinfer", .gate),
    ("tiny-skewed-f16.powerinfer", .predictor), ("tiny-silu-f16", .threshold), ("tiny-relu-f16", .gate),
    ("tiny-opt-f16", .threshold),
  ])
  func countsAsTheProcessorDoes(name: String, mode: SparsityMode) throws {
    let model = try ExecutorBench.open(name)
    var sparsity = try Self.sparsity(mode, model)
    sparsity.predictorFormat = .file
    let text = ExecutorBench.tokens(30, model, seed: 31)
    let options = ExecutorBench.options(sparsity)
    let engines = [try GPUBench.engine(model, options), try Engine(model: model, options: options)]
    let rows = try engines.map { engine in
      let sequence = engine.makeSequence()
      return try sequence.rows(Array(text[..<10]), phase: .prompt) + sequence.decode(Array(text[10...]))
    }
    for (row, other) in zip(rows[0], rows[1]) { #expect(ExecutorBench.difference(row, other) < 0.02) }
    let layers = engines.map { $0.statistics.layers }
    for (found, expected) in zip(layers[0], layers[1]) {
      #expect(found.source == expected.source && found.tokens == expected.tokens && found.tokens == 20)
      // Rounding decides about a neuron on the border.
      #expect(abs(found.computed - expected.computed) <= 2 && abs(found.fired - expected.fired) <= 2)
      #expect(found.computed > 0 && found.fired > 0 && found.fired < 20 * model.configuration.feedForwardSize)
      #expect(abs(found.readBytes.down - expected.readBytes.down) <= 0.02 * expected.readBytes.down)
    }
  }

  /// A row computes the same neurons, to the same bits, alone and beside others; prompts compute all.
  @Test(arguments: models, [SparsityMode.predictor, .threshold])
  func companyChangesNothing(name: String, mode: SparsityMode) throws {
    let model = try ExecutorBench.open(name)
    let text = ExecutorBench.tokens(24, model, seed: 32)
    func sequence(_ engine: Engine, _ length: Int) throws -> TokenSequence {
      let sequence = engine.makeSequence()
      try sequence.append(Array(text[..<12]), phase: .prompt)
      if length > 12 { _ = try sequence.decode(Array(text[12..<length])) }
      return sequence
    }
    let engine = try GPUBench.engine(model, ExecutorBench.options(Self.sparsity(mode, model)))
    let alone = try sequence(engine, 12).decode(Array(text[12...]))
    let dense = try GPUBench.engine(model, ExecutorBench.options())
    #expect(try alone != sequence(dense, 12).decode(Array(text[12...])))
    let prompt = Array(text[..<12])
    #expect(
      try engine.makeSequence().rows(prompt, phase: .prompt) == dense.makeSequence().rows(prompt, phase: .prompt))
    for count in [2, 5, 12] {
      let sequences = try (12..<12 + count).map { try sequence(engine, $0) }
      let together = try engine.rows(
        zip(sequences, 12...).map {
          Batch.Piece(sequence: $0.id, position: $1, tokens: text[$1..<$1 + 1], phase: .decode, wanted: 0..<1)
        })
      #expect(together == Array(alone[..<count]), "\(count) rows")
    }
    // Of some rows no logits are wanted, so that the last layer goes on with others.
    let sequences = try [12, 14, 17].map { try sequence(engine, $0) }
    let some = try engine.rows(
      zip(sequences, [12, 14, 17]).map {
        Batch.Piece(
          sequence: $0.id, position: $1, tokens: text[$1..<$1 + 1], phase: .decode, wanted: $1 == 14 ? 0..<1 : 0..<0)
      })
    #expect(some == [alone[2]])
    // Nobody asks for logits of a row alone: its keys and values are the same.
    let silent = try sequence(engine, 12)
    try silent.append(Array(text[12..<15]), phase: .decode)
    #expect(try silent.decode([text[15]]) == [alone[3]])
  }

  /// Rows of prompts beside rows of answers, in one pass over the weights.
  @Test(arguments: models, [SparsityMode.predictor, .threshold])
  func promptsBesideAnswers(name: String, mode: SparsityMode) throws {
    let model = try ExecutorBench.open(name)
    var options = ExecutorBench.options(try Self.sparsity(mode, model))
    options.isDeterministic = false
    let engine = try GPUBench.engine(model, options)
    let text = ExecutorBench.tokens(60, model, seed: 33)
    for length in [3, 30] {
      let (first, second, third) = (engine.makeSequence(), engine.makeSequence(), engine.makeSequence())
      for sequence in [first, second] { try sequence.append(Array(text[..<10]), phase: .prompt) }
      let expected = try second.decode([text[10]])[0]
      let prompt = Array(text[20..<20 + length])
      let rows = try engine.rows([
        Batch.Piece(sequence: third.id, position: 0, tokens: prompt[...], phase: .prompt, wanted: 0..<length),
        Batch.Piece(sequence: first.id, position: 10, tokens: text[10..<11], phase: .decode, wanted: 0..<1),
      ])
      let limit = ExecutorKind.isInBlocks(name) ? GoldenLogitsTests.batchLimit : 0.02
      #expect(ExecutorBench.difference(rows[length], expected) < limit)
      let whole = try engine.makeSequence().rows(prompt, phase: .prompt)
      for (row, other) in zip(rows, whole) { #expect(ExecutorBench.difference(row, other) < limit) }
    }
  }

  /// With everything predicted active it is the dense model, with nothing the model without feed-forward.
  @Test(arguments: models)
  func infiniteThresholds(name: String) throws {
    let model = try ExecutorBench.open(name)
    let text = ExecutorBench.tokens(16, model, seed: 34)
    func rows(_ sparsity: SparsityOptions) throws -> ([[Float]], ExecutorStatistics) {
      let engine = try GPUBench.engine(model, ExecutorBench.options(sparsity))
      return (try engine.makeSequence().decode(text), engine.statistics)
    }
    let dense = try rows(SparsityOptions(mode: .dense)).0
    var sparsity = SparsityOptions(mode: .predictor)
    sparsity.predictorThreshold = -.infinity
    let all = try rows(sparsity)
    #expect(all.0 == dense)
    #expect(
      all.1.layers.allSatisfy { $0.computed == 16 * model.configuration.feedForwardSize && $0.fired < $0.computed })
    sparsity.predictorThreshold = .infinity
    let none = try rows(sparsity)
    #expect(none.0 != dense && none.0.joined().allSatisfy(\.isFinite))
    #expect(none.1.layers.allSatisfy { $0.computed == 0 && $0.fired == 0 && $0.tokens == 16 })

    // Nobody hot is as no profile; everybody hot is dense; some hot are computed though nothing is predicted.
    sparsity.profile = try profile(model) { _ in 0 }
    #expect(try rows(sparsity).0 == none.0)
    sparsity.profile = try profile(model) { _ in 1 }
    #expect(try rows(sparsity).0 == dense)
    sparsity.profile = try profile(model) { $0 % 3 == 1 ? 1 : 0 }
    let some = try rows(sparsity)
    let hot = (0..<model.configuration.feedForwardSize).count { $0 % 3 == 1 }
    #expect(some.0 != dense && some.0 != none.0 && some.1.layers.allSatisfy { $0.computed == 16 * hot })
    sparsity.predictorThreshold = nil
    let asked = try rows(sparsity)
    let engine = try GPUBench.engine(model, ExecutorBench.options(sparsity))
    let sequences = try (0..<3).map { length in
      let sequence = engine.makeSequence()
      if length > 0 { _ = try sequence.decode(Array(text[..<length])) }
      return sequence
    }
    let together = try engine.rows(
      zip(sequences, 0...).map {
        Batch.Piece(sequence: $0.id, position: $1, tokens: text[$1..<$1 + 1], phase: .decode, wanted: 0..<1)
      })
    #expect(together == Array(asked.0[..<3]))
  }

  /// Predictors are weights: they are counted beforehand, and lie on the device alone.
  @Test(arguments: models)
  func predictorsAreCounted(name: String) throws {
    let model = try ExecutorBench.open(name)
    func bytes(_ sparsity: SparsityOptions) throws -> (expected: Int, found: Int) {
      let device = try GPUBench.open()
      var options = ExecutorBench.options(batchSize: 1)
      options.sparsity = sparsity
      let executor = try GPUExecutor(model: model, device: device, options: options)
      return (try GPUExecutor.weightBytes(model, sparsity: sparsity), executor.memory.copies)
    }
    let dense = try bytes(SparsityOptions(mode: .dense))
    let predicted = try bytes(SparsityOptions(mode: .predictor))
    #expect(predicted.expected > dense.expected)
    // Norms and biases are left out of the estimate, and buffers are rounded up.
    let rest = dense.found - dense.expected
    #expect(rest >= 0 && abs(predicted.found - predicted.expected - rest) <= 1024 * model.weights.layers.count)
  }

  @Test func refusesWhatTheModelLacks() throws {
    let device = try GPUBench.open()
    func refusal(_ name: String, _ sparsity: SparsityOptions) throws -> (any Error)? {
      var options = ExecutorBench.options()
      options.sparsity = sparsity
      let model = try ExecutorBench.open(name)
      return #expect(throws: (any Error).self) { try GPUExecutor(model: model, device: device, options: options) }
    }
    #expect(
      try refusal("tiny-silu-f16", SparsityOptions(mode: .gate)) as? SparsityError
        == .gateIsNeverSilent(activation: "silu"))
    #expect(
      try refusal("tiny-silu-f16", SparsityOptions(mode: .predictor)) as? SparsityError == .noPredictor(layer: 0))
    #expect(
      try refusal("tiny-silu-f16", SparsityOptions(mode: .threshold)) as? SparsityError == .noGateThresholds)
    #expect(device.usage.buffers == 0)
  }

  /// What is left to the executor loses nothing.
  @Test func automaticStaysLossless() throws {
    let model = try ExecutorBench.open("tiny-relu-f16.powerinfer")
    let engine = try GPUBench.engine(model, ExecutorBench.options(SparsityOptions()))
    #expect(engine.statistics.layers.allSatisfy { $0.source == .gate || $0.source == .dense })
    let silu = try GPUBench.engine(
      ExecutorBench.open("tiny-silu-f16"), ExecutorBench.options(SparsityOptions()))
    #expect(silu.statistics.layers.allSatisfy { $0.source == .dense })
  }
}
