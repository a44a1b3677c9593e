import PowerInferGGUF
import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// A model shared by a GPU and the processor computes what the processor alone does, wherever it is divided.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped), .timeLimit(.minutes(10))) struct HybridExecutorTests {
  static let models = [
    "tiny-relu-f16", "tiny-relu-f16.powerinfer", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-f16.powerinfer",
    "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-f32", "tiny-falcon-40b-f16.powerinfer", "tiny-opt-f16",
    "tiny-opt-f16.powerinfer", "tiny-silu-f16", "tiny-silu-q8_0", "tiny-skewed-f16.powerinfer",
  ]

  /// Order of summation, and what it rounds to another half in the cache; or another code where activations are in 8 bits.
  static func limit(_ name: String) -> Float {
    ExecutorKind.isInBlocks(name) ? GoldenLogitsTests.batchLimit : 0.02
  }

  /// A prompt, answers one by one, several sequences at a time, and a prompt beside an answer.
  static func talk(_ engine: Engine) throws -> [[Float]] {
    let text = ExecutorBench.tokens(64, engine.model, seed: 71)
    let first = engine.makeSequence()
    var rows = try first.rows(Array(text[..<9]), phase: .prompt)
    rows += try first.decode(Array(text[9..<14]))
    let second = try first.fork()
    try second.append(Array(text[14..<17]), phase: .prompt)
    rows += try engine.rows([
      Batch.Piece(sequence: first.id, position: 14, tokens: text[20..<21], phase: .decode, wanted: 0..<1),
      Batch.Piece(sequence: second.id, position: 17, tokens: text[21..<22], phase: .decode, wanted: 0..<1),
    ])
    // Of some rows no logits are wanted.
    let third = engine.makeSequence()
    rows += try engine.rows([
      Batch.Piece(sequence: first.id, position: 15, tokens: text[22..<23], phase: .decode, wanted: 0..<0),
      Batch.Piece(sequence: second.id, position: 18, tokens: text[23..<24], phase: .decode, wanted: 0..<1),
      Batch.Piece(sequence: third.id, position: 0, tokens: text[30..<54], phase: .prompt, wanted: 22..<24),
    ])
    try first.append(Array(text[54..<56]), phase: .decode)
    return rows + (try first.decode(Array(text[56..<58])))
  }

  @Test(arguments: models, [SparsityMode.dense, .gate, .predictor, .threshold, .auto])
  func equalsTheProcessor(name: String, mode: SparsityMode) throws {
    let model = try ExecutorBench.open(name)
    guard let sparsity = try ResidentNeuronsTests.options(model, mode) else { return }
    var options = ExecutorBench.options(sparsity)
    // Where activations are in 8 bits a prediction on the border may fall to the other side: then the device alone is the measure,
    // which makes the same ones.
    let isOnDevice = mode == .predictor && ExecutorKind.isInBlocks(name)
    let expected = try Self.talk(isOnDevice ? GPUBench.engine(model, options) : Engine(model: model, options: options))
    options.isDeterministic = mode != .auto
    let last = model.configuration.layerCount - 1
    for (hot, layers, hasOutput) in [
      (HybridBench.Hot.none, 0, true), (.few, 0, false), (.half, 0, true), (.most, 0, true), (.all, 0, true),
      (.growing, 0, true), (.half, last, true), (.growing, last, false), (.all, last, false),
    ] {
      let engine = try HybridBench.engine(model, options, hot, processorLayers: layers, hasOutput: hasOutput)
      let rows = try Self.talk(engine)
      let worst = zip(rows, expected).map { ExecutorBench.difference($0, $1) }.max() ?? .infinity
      #expect(rows.count == expected.count)
      #expect(worst < Self.limit(name), "\(name), \(mode), \(hot), \(layers) layers: \(worst)")
    }
  }

  /// Weights in memory of their own are arranged for the processor, however they will be read; the device gets them as the file has them.
  @Test(arguments: ["tiny-silu-q8_0", "tiny-relu-q4_0.powerinfer"], [NeuronReading.listed, .whole])
  func dividesArrangedWeights(name: String, reading: NeuronReading) throws {
    let mapped = try ExecutorBench.open(name)
    let model = try LanguageModel(
      opening: try #require(mapped.file.paths.first), residency: .copied, reading: { _ in reading })
    let options = ExecutorBench.options(try #require(try ResidentNeuronsTests.options(mapped, .dense)))
    let expected = try Self.talk(Engine(model: mapped, options: options))
    for hot in [HybridBench.Hot.half, .all] {
      let rows = try Self.talk(HybridBench.engine(model, options, hot, processorLayers: 0, hasOutput: true))
      let worst = zip(rows, expected).map { ExecutorBench.difference($0, $1) }.max() ?? .infinity
      #expect(rows.count == expected.count && worst < Self.limit(name), "\(name), \(reading), \(hot): \(worst)")
    }
  }
}
