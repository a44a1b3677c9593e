import Foundation
import PowerInfer
import PowerInferGPU
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

/// Logits and masks of passes that leave neurons out, against an independent float64 implementation
/// (`Scripts/reference_logits.py`).
@Suite struct SparseGoldenTests {
  /// What an engine that rounds activations to 8 bits may differ by, as a multiple of what that does to the reference: one
  /// rounding is not like another, and a neuron that flips makes others flip. 1.3 was measured for logits, 1.5 for bits.
  static let roundingAllowance = 2.0
  /// Bits of a layer's masks that may flip beyond that, where the reference saw few or none.
  static let spareBits = 4.0

  static let predictorModels = [
    "tiny-relu-f16.powerinfer", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-f16.powerinfer",
    "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-q4_0.powerinfer", "tiny-falcon-40b-f16.powerinfer",
    "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-f16.powerinfer", "tiny-opt-q4_0.powerinfer",
    "tiny-skewed-f16.powerinfer", "tiny-skewed-mixed.powerinfer", "tiny-biased-f16.powerinfer",
  ]

  /// Without predictors; models with BF16 are left out, whose batches are rounded to BF16.
  static let stockModels = [
    "tiny-silu-f16", "tiny-silu-q8_0", "tiny-relu-f16", "tiny-opt-f16", "tiny-falcon-7b-f32", "tiny-yarn-f32",
    "tiny-legacy-quants", "tiny-k-quants", "tiny-biased-f16",
  ]

  /// Token by token; in batches of rows with lists; in such that all neurons are computed for, with positions that cross
  /// passes; in one.
  static let passes = [(batchSize: 1, threads: 1), (1, 3), (3, 1), (3, 3), (7, 1), (7, 3), (64, 3)]

  @Test(arguments: predictorModels)
  func predictor(name: String) throws {
    let comparison = try Comparison(name, \.predictor, .predictor)
    for (batchSize, threads) in Self.passes {
      try comparison.expectLogits(batchSize: batchSize, threads: threads)
      try comparison.expectMasks(batchSize: batchSize, threads: threads)
    }
  }

  @Test(arguments: predictorModels + stockModels)
  func threshold(name: String) throws {
    let comparison = try Comparison(name, \.threshold, .threshold)
    for (batchSize, threads) in Self.passes {
      try comparison.expectLogits(batchSize: batchSize, threads: threads)
      try comparison.expectMasks(batchSize: batchSize, threads: threads)
    }
  }

  /// Gates in Q4_0, of families with and without gates and with two that must fire; and gates that are never silent, in Q8_0, Q4_1 and Q6_K,
  /// with thresholds.
  @Test(arguments: [
    "tiny-relu-q4_0.powerinfer", "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-q4_0.powerinfer",
    "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-q4_0.powerinfer", "tiny-skewed-mixed.powerinfer", "tiny-silu-q8_0",
    "tiny-legacy-quants", "tiny-k-quants",
  ])
  func leadingBits(name: String) throws {
    let comparison = try Comparison(name, \.leadingBits, .bits)
    for (batchSize, threads) in Self.passes {
      try comparison.expectLogits(batchSize: batchSize, threads: threads)
      try comparison.expectMasks(batchSize: batchSize, threads: threads)
    }
  }

  /// Neurons whose gates are silent give nothing: the logits are those of all neurons.
  @Test(arguments: predictorModels + ["tiny-relu-f16", "tiny-opt-f16"])
  func gate(name: String) throws {
    let comparison = try Comparison(name, \GoldenPrompt.denseMode, .gate)
    for (batchSize, threads) in Self.passes {
      try comparison.expectLogits(batchSize: batchSize, threads: threads)
    }
  }

  /// Token by token through lists that the device makes; in batches whose rows leave out their own; in such by tiles of rows.
  @Test(
    .enabled(if: GPUBench.device != nil, GPUBench.skipped),
    arguments: [(SparsityMode.predictor, predictorModels), (.threshold, predictorModels + stockModels)])
  func onAGPU(mode: SparsityMode, names: [String]) throws {
    let device = GPUChoice.index(try #require(GPUBench.device).description.index)
    for name in names {
      let comparison = try Comparison(name, mode == .predictor ? \.predictor : \.threshold, mode)
      guard GPUBench.runs(comparison.model) else { continue }
      for batchSize in [1, 3, 64] { try comparison.expectLogits(batchSize: batchSize, threads: 2, gpu: device) }
    }
  }

  @Test(.enabled(if: GPUBench.device != nil, GPUBench.skipped)) func embeddedModelOnAGPU() throws {
    let device = GPUChoice.index(try #require(GPUBench.device).description.index)
    let model = try LanguageModel(opening: RepositoryModel.embedded)
    for golden in try GoldenPrompt.load("logits-smollm2-relu.q4_0.json") {
      try Comparison(model, golden, \.predictor, .predictor).expectLogits(batchSize: 64, threads: 2, gpu: device)
    }
  }

  @Test func embeddedModel() throws {
    let model = try LanguageModel(opening: RepositoryModel.embedded)
    for golden in try GoldenPrompt.load("logits-smollm2-relu.q4_0.json") {
      let comparison = try Comparison(model, golden, \.predictor, .predictor)
      try comparison.expectLogits(batchSize: 1, threads: 2)
      try comparison.expectMasks(batchSize: 64, threads: 2)
    }
  }

  /// As ``GoldenLogitsTests/namedModel()``, with predictors.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["POWERINFER_TEST_MODEL"] != nil))
  func namedModel() throws {
    let environment = ProcessInfo.processInfo.environment
    let model = try LanguageModel(opening: #require(environment["POWERINFER_TEST_MODEL"]))
    for golden in try GoldenPrompt.load(#require(environment["POWERINFER_TEST_GOLDEN"])) {
      let comparison = try Comparison(model, golden, \.predictor, .predictor)
      try comparison.expectLogits(batchSize: 1, threads: 2)
      try comparison.expectMasks(batchSize: 64, threads: 2)
    }
  }
}

extension GoldenPrompt {
  fileprivate var denseMode: Mode? { dense }
}

/// A model in a mode, beside what it should give.
private struct Comparison {
  let model: LanguageModel
  let golden: GoldenPrompt
  let mode: GoldenPrompt.Mode
  let sparsity: SparsityOptions

  init(_ name: String, _ mode: KeyPath<GoldenPrompt, GoldenPrompt.Mode?>, _ source: SparsityMode) throws {
    let resources = try #require(Bundle.module.resourceURL)
    try self.init(
      LanguageModel(opening: resources.appendingPathComponent("Golden/Tiny/\(name).gguf").path),
      #require(GoldenPrompt.load("Tiny/\(name).json").first), mode, source)
  }

  init(
    _ model: LanguageModel, _ golden: GoldenPrompt, _ mode: KeyPath<GoldenPrompt, GoldenPrompt.Mode?>,
    _ source: SparsityMode
  ) throws {
    self.model = model
    self.golden = golden
    self.mode = try #require(golden[keyPath: mode])
    var sparsity = SparsityOptions(mode: source)
    sparsity.predictorFormat = .file
    sparsity.masksPrompts = true
    sparsity.bitsMargin = self.mode.margin
    sparsity.gateThresholds = try self.mode.gateThresholds.map {
      try GateThresholds(thresholds: $0.map { Float($0) }, target: 0.5, tokens: golden.tokens.count, text: "golden")
    }
    self.sparsity = sparsity
  }

  /// How far a quantised model's logits may be, and which leads may be lost, by what rounding does to the reference.
  private func limit(_ keyPath: KeyPath<GoldenRounding, Double>) -> Double {
    // Not of `mode`: with all neurons there is nothing that flips, and the golden file does not say.
    let isRounded = (golden.predictor ?? golden.threshold)?.rounding != nil
    guard isRounded else { return GoldenLogitsTests.floatLimit }
    let allowed = mode.rounding.map { $0[keyPath: keyPath] * SparseGoldenTests.roundingAllowance } ?? 0
    return max(GoldenLogitsTests.eightBitLimit, allowed)
  }

  func expectLogits(
    batchSize: Int, threads: Int, observer: MaskRecorder? = nil, gpu: GPUChoice = .none,
    location: SourceLocation = #_sourceLocation
  ) throws {
    var options = EngineOptions(threads: threads, batchSize: batchSize)
    options.sparsity = sparsity
    options.observer = observer
    options.gpu = gpu
    let difference = try LogitDifference(
      model: model, golden: golden, mode: mode, tieMargin: limit(\.margin), options: options)
    let comment: Comment = "batches of \(batchSize), \(threads) threads, \(observer == nil ? "not " : "")observed"
    #expect(difference.largestError < limit(\.logits), comment, sourceLocation: location)
    #expect(difference.logSumExpError < limit(\.logits), comment, sourceLocation: location)
    #expect(difference.wrongArgMaxima == [], comment, sourceLocation: location)
  }

  /// Compares masks, and the logits of a session that is observed: single tokens take the way of batches then.
  func expectMasks(batchSize: Int, threads: Int, location: SourceLocation = #_sourceLocation) throws {
    let score: MaskRecorder.Score =
      if sparsity.mode == .bits {
        .leadingBits(model.configuration.activation, thresholds: sparsity.gateThresholds?.thresholds)
      } else if let thresholds = sparsity.gateThresholds?.thresholds {
        .gate(model.configuration.activation, thresholds: thresholds)
      } else {
        .prediction(threshold: model.configuration.sparseThreshold)
      }
    let recorder = MaskRecorder(score, layers: model.configuration.layerCount)
    try expectLogits(batchSize: batchSize, threads: threads, observer: recorder, location: location)

    let masks = try #require(mode.masks, sourceLocation: location)
    let difference = recorder.difference(from: masks)
    #expect(difference.isComplete, sourceLocation: location)
    guard let rounding = mode.rounding else {
      #expect(difference.unexplained(near: masks.near) == [], sourceLocation: location)
      return
    }
    #expect(rounding.bits.count == masks.layers, sourceLocation: location)
    for (layer, share) in rounding.bits.enumerated() {
      let allowed = share * SparseGoldenTests.roundingAllowance * Double(difference.bitsPerLayer)
      let found = difference.count(layer: layer)
      #expect(
        Double(found) <= allowed + SparseGoldenTests.spareBits,
        "layer \(layer): \(found) of \(difference.bitsPerLayer) bits", sourceLocation: location)
    }
  }
}
