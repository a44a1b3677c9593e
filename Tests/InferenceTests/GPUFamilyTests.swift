import PowerInferGGUF
import PowerInferGPU
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// Families and formats that there are no golden files for, on a GPU: against a plain implementation in double precision, and against the
/// processor.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped), .timeLimit(.minutes(10))) struct GPUFamilyTests {
  /// Biases on queries, keys and values, and rotation over the halves of a head.
  private static func qwen2(_ type: TensorType) -> TinyModel {
    var tiny = TinyModel(weightType: type, seed: 17)
    (tiny.architecture, tiny.hiddenSize, tiny.heads, tiny.keyValueHeads) = ("qwen2", 64, 4, 2)
    tiny.changeLayouts = { layouts in
      layouts.flatMap { layout -> [TensorLayout] in
        guard ["attn_q.weight", "attn_k.weight", "attn_v.weight"].contains(where: layout.name.hasSuffix) else {
          return [layout]
        }
        let name = layout.name.replacing(".weight", with: ".bias")
        return [layout, TensorLayout(name: name, type: .f32, shape: [layout.shape[1]])]
      }
    }
    return tiny
  }

  /// Rows of whole super-blocks.
  private static func wide(_ type: TensorType, _ magic: Magic = .gguf) -> TinyModel {
    var tiny = TinyModel(magic: magic, weightType: type, isTied: false, seed: 23)
    (tiny.hiddenSize, tiny.feedForwardSize, tiny.heads, tiny.keyValueHeads) = (256, 512, 4, 2)
    tiny.predictorRank = 256
    return tiny
  }

  static let models: [(name: String, model: TinyModel)] =
    [("qwen2 F16", qwen2(.f16)), ("qwen2 Q8_0", qwen2(.q8_0))]
    + [.f32, .f16, .q4_0, .q4_1, .q5_0, .q8_0, .q4_K, .q6_K].flatMap { (type: TensorType) in
      [("\(type)", wide(type)), ("\(type), PowerInfer", wide(type, .powerInfer))]
    }

  @Test(arguments: models.indices)
  func equalsTheProcessor(index: Int) throws {
    let (name, tiny) = Self.models[index]
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: tiny.write(to: folder.file("tiny.gguf")))
    let text = ExecutorBench.tokens(40, model, seed: 41)
    let isExact = [.f32, .f16].contains(tiny.weightType)
    func rows(_ kind: ExecutorKind, _ sparsity: SparsityOptions) throws -> ([[Float]], ExecutorStatistics) {
      let engine = try kind.engine(model, ExecutorBench.options(contextSize: 64, sparsity))
      let sequence = engine.makeSequence()
      let rows = try sequence.rows(Array(text[..<24]), phase: .prompt) + sequence.decode(Array(text[24...]))
      return (rows, engine.statistics)
    }
    func expect(_ rows: [[Float]], _ others: [[Float]], within limit: Float, _ comment: Comment) {
      let worst = zip(rows, others).map { ExecutorBench.difference($0, $1) }.max() ?? .infinity
      #expect(rows.count == 40 && worst < limit, comment)
    }
    let gpu = try rows(.gpu, SparsityOptions(mode: .dense)).0
    expect(
      gpu, try rows(.processor, SparsityOptions(mode: .dense)).0,
      within: isExact ? 0.02 : GoldenLogitsTests.batchLimit, "\(name), processor")
    expect(
      gpu, try rows(.reference, SparsityOptions(mode: .dense)).0,
      within: Float(isExact ? GoldenLogitsTests.floatLimit : GoldenLogitsTests.eightBitLimit), "\(name), reference")
    guard tiny.magic == .powerInfer else { return }
    var sparsity = SparsityOptions(mode: .predictor)
    sparsity.predictorFormat = .file
    let (predicted, found) = try rows(.gpu, sparsity)
    let (other, expected) = try rows(.processor, sparsity)
    // Predictors at random are often in doubt: of rounded ones some neurons flip, and others after them.
    if isExact { expect(predicted, other, within: 0.02, "\(name), predicted") }
    for (layer, same) in zip(found.layers, expected.layers) {
      #expect(layer.tokens == 16 && same.tokens == 16)
      let doubtful = isExact ? 2 : layer.computed / 50
      #expect(abs(layer.computed - same.computed) <= doubtful && abs(layer.fired - same.fired) <= doubtful, "\(name)")
    }
  }

  /// Gates and up projections in different formats cannot be computed by one kernel.
  @Test(arguments: [SparsityMode.dense, .gate, .predictor])
  func gatesInAnotherFormat(mode: SparsityMode) throws {
    var tiny = Self.wide(.q8_0, .powerInfer)
    tiny.changeLayouts = { layouts in
      layouts.map {
        $0.name.hasSuffix("ffn_gate.weight") ? TensorLayout(name: $0.name, type: .f16, shape: $0.shape) : $0
      }
    }
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: tiny.write(to: folder.file("tiny.gguf")))
    let text = ExecutorBench.tokens(20, model, seed: 42)
    let options = ExecutorBench.options(contextSize: 64, SparsityOptions(mode: mode))
    let engines = [try GPUBench.engine(model, options), try Engine(model: model, options: options)]
    let rows = try engines.map { try $0.makeSequence().decode(text) }
    for (row, other) in zip(rows[0], rows[1]) { #expect(ExecutorBench.difference(row, other) < 0.6) }
    for (found, expected) in zip(engines[0].statistics.layers, engines[1].statistics.layers) where mode != .dense {
      #expect(found.tokens == 20 && expected.tokens == 20)
      // A few of ten thousand are on the border.
      #expect(abs(found.computed - expected.computed) < 100 && abs(found.fired - expected.fired) < 100)
    }
  }
}
