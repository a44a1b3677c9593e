import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

/// Activation sources against computing all neurons, and against themselves.
@Suite struct SparseSourceTests {
  static let powerInferModels = [
    "tiny-relu-f16.powerinfer", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-f16.powerinfer",
    "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-q4_0.powerinfer", "tiny-falcon-40b-f16.powerinfer",
    "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-f16.powerinfer", "tiny-opt-q4_0.powerinfer",
    "tiny-biased-f16.powerinfer",
  ]

  private func open(_ name: String) throws -> (LanguageModel, [Int32]) {
    let resources = try #require(Bundle.module.resourceURL)
    let model = try LanguageModel(opening: resources.appendingPathComponent("Golden/Tiny/\(name).gguf").path)
    return (model, try #require(GoldenPrompt.load("Tiny/\(name).json").first).tokens)
  }

  /// Logits of the last token after `batches` of so many tokens each, in turns.
  private func logits(
    _ model: LanguageModel, _ tokens: [Int32], _ sparsity: SparsityOptions, threads: Int = 1, batchSize: Int = 1
  ) throws -> [Float] {
    var options = EngineOptions(contextSize: tokens.count, threads: threads, batchSize: batchSize)
    options.sparsity = sparsity
    let session = try Engine(model: model, options: options).makeSequence()
    return try session.evaluate(tokens, phase: batchSize > 16 ? .prompt : .decode) { Array($0) } ?? []
  }

  /// Nothing is lost, whatever the number of threads; nor by switching between the two while decoding.
  @Test(arguments: powerInferModels)
  func gateEqualsDense(name: String) throws {
    let (model, tokens) = try open(name)
    let dense = try logits(model, tokens, SparsityOptions(mode: .dense))
    for threads in [1, 2, 5] {
      for mode in [SparsityMode.dense, .gate, .auto] {
        #expect(try logits(model, tokens, SparsityOptions(mode: mode), threads: threads) == dense)
      }
    }
  }

  /// Nor with several tokens at once, which take lists in every other pass until enough was measured.
  @Test(arguments: powerInferModels)
  func gateEqualsDenseTogether(name: String) throws {
    let (model, tokens) = try open(name)
    for batchSize in [2, 5, 8, 16] {
      let dense = try logits(model, tokens, SparsityOptions(mode: .dense), threads: 2, batchSize: batchSize)
      #expect(try logits(model, tokens, SparsityOptions(mode: .gate), threads: 3, batchSize: batchSize) == dense)
    }
  }

  /// A few tokens at once take turns between lists of their own and masking all neurons.
  @Test(arguments: powerInferModels, [SparsityMode.predictor, .gate])
  func fewTokens(name: String, mode: SparsityMode) throws {
    let (model, tokens) = try open(name)
    for batchSize in [2, 3, 4] {
      let one = try logits(model, tokens, SparsityOptions(mode: mode), batchSize: batchSize)
      var masked = SparsityOptions(mode: mode)
      masked.masksPrompts = true
      #expect(try logits(model, tokens, masked, threads: 3, batchSize: batchSize) == one)
    }
  }

  @Test(arguments: powerInferModels)
  func predictorSameBitsForAnyThreads(name: String) throws {
    let (model, tokens) = try open(name)
    let one = try logits(model, tokens, SparsityOptions(mode: .predictor))
    #expect(try one != logits(model, tokens, SparsityOptions(mode: .dense)))
    for threads in [2, 3, 5] {
      #expect(try logits(model, tokens, SparsityOptions(mode: .predictor), threads: threads) == one)
    }
  }

  /// With everything predicted active it is the dense model, with nothing the model without feed-forward.
  @Test(arguments: powerInferModels)
  func infiniteThresholds(name: String) throws {
    let (model, tokens) = try open(name)
    let dense = try logits(model, tokens, SparsityOptions(mode: .dense))
    var options = SparsityOptions(mode: .predictor)
    options.predictorThreshold = -.infinity
    #expect(try logits(model, tokens, options, threads: 2) == dense)
    options.predictorThreshold = .infinity
    let none = try logits(model, tokens, options, threads: 2)
    #expect(none != dense && none.allSatisfy(\.isFinite))
    options.masksPrompts = true
    let masked = try logits(model, tokens, options, batchSize: 64)
    #expect(zip(none, masked).allSatisfy { abs($0 - $1) < GoldenLogitsTests.batchLimit })
    options.predictorThreshold = .nan
    #expect(throws: SparsityError.thresholdNotANumber) { try logits(model, tokens, options) }
  }
}

/// Hot neurons, thresholds and what is said about them.
@Suite struct SparsePlanTests {
  private func open(_ name: String) throws -> (LanguageModel, [Int32]) {
    let resources = try #require(Bundle.module.resourceURL)
    let model = try LanguageModel(opening: resources.appendingPathComponent("Golden/Tiny/\(name).gguf").path)
    return (model, try #require(GoldenPrompt.load("Tiny/\(name).json").first).tokens)
  }

  private func session(
    _ model: LanguageModel, _ sparsity: SparsityOptions, _ tokens: [Int32], threads: Int = 2, batchSize: Int = 1
  ) throws -> (TokenSequence, [Float]) {
    var options = EngineOptions(contextSize: tokens.count, threads: threads, batchSize: batchSize)
    options.sparsity = sparsity
    let session = try Engine(model: model, options: options).makeSequence()
    return (session, try session.evaluate(tokens, phase: batchSize > 16 ? .prompt : .decode) { Array($0) } ?? [])
  }

  private func profile(_ model: LanguageModel, _ frequency: (_ neuron: Int) -> Float) throws -> ActivationProfile {
    let shape = FeedForwardShape(model.configuration)
    let frequencies = (0..<shape.layers).map { _ in (0..<shape.neurons).map(frequency) }
    return try ActivationProfile(frequencies: frequencies, contributions: frequencies, tokens: 1, text: "")
  }

  /// Nobody hot is as no profile; everybody hot is dense; some hot is somewhere between, the same for batches and for any threads.
  @Test(arguments: SparseSourceTests.powerInferModels)
  func hotNeuronsAreNotAsked(name: String) throws {
    let (model, tokens) = try open(name)
    var options = SparsityOptions(mode: .predictor)
    options.predictorThreshold = .infinity
    let none = try session(model, options, tokens).1
    options.profile = try profile(model) { _ in 0 }
    #expect(try session(model, options, tokens).1 == none)
    options.profile = try profile(model) { _ in 1 }
    let dense = try session(model, SparsityOptions(mode: .dense), tokens).1
    #expect(try session(model, options, tokens).1 == dense)

    options.profile = try profile(model) { $0 % 3 == 1 ? 1 : 0 }
    let (some, logits) = try session(model, options, tokens)
    #expect(logits != none && logits != dense)
    let neurons = Double(model.configuration.feedForwardSize)
    let hot = Double((0..<Int(neurons)).count { $0 % 3 == 1 })
    #expect(abs(try #require(some.engine.sparsityReport.computed) - hot / neurons) < 1e-9)
    #expect(try session(model, options, tokens, threads: 5).1 == logits)
    for batchSize in [2, 4, 64] {
      options.masksPrompts = true
      let batch = try session(model, options, tokens, batchSize: batchSize).1
      #expect(zip(batch, logits).allSatisfy { abs($0 - $1) < GoldenLogitsTests.batchLimit })
    }
  }

  /// A threshold of 0 keeps every neuron, a huge one none; what lies between is the same for batches.
  @Test(arguments: [
    "tiny-yarn-f32", "tiny-k-quants", "tiny-relu-f16.powerinfer", "tiny-bamboo-f16.powerinfer", "tiny-falcon-7b-f32",
    "tiny-opt-f16.powerinfer",
  ])
  func thresholds(name: String) throws {
    let (model, tokens) = try open(name)
    var options = SparsityOptions(mode: .threshold)
    #expect(throws: SparsityError.noGateThresholds) { try self.session(model, options, tokens) }
    func set(_ threshold: Float) throws {
      options.gateThresholds = try GateThresholds(
        thresholds: Array(repeating: threshold, count: model.configuration.layerCount), target: 0.5, tokens: 1, text: ""
      )
    }
    let dense = try self.session(model, SparsityOptions(mode: .dense), tokens).1
    try set(0)
    let all = try self.session(model, options, tokens).1
    // Rows turned by neuron are rounded anew where they are in blocks.
    let limit = name == "tiny-k-quants" ? GoldenLogitsTests.batchLimit : 0.02
    #expect(zip(all, dense).allSatisfy { abs($0 - $1) < limit })
    try set(1e30)
    let (session, none) = try self.session(model, options, tokens)
    #expect(session.engine.sparsityReport.active == 0 && none != dense && none.allSatisfy(\.isFinite))
    try set(0.05)
    let some = try self.session(model, options, tokens).1
    #expect(try self.session(model, options, tokens, threads: 3).1 == some)
    for batchSize in [2, 3, 4, 64] {
      options.masksPrompts = true
      let batch = try self.session(model, options, tokens, batchSize: batchSize).1
      #expect(zip(batch, some).allSatisfy { abs($0 - $1) < GoldenLogitsTests.batchLimit })
    }
  }

  /// A prediction that is no number counts as active (spec §4.1), also where the predictor is rounded anew.
  @Test(
    arguments: ["tiny-relu-f16", "tiny-bamboo-f16", "tiny-falcon-40b-f16", "tiny-opt-f16"], PredictorFormat.allCases)
  func predictionsThatAreNoNumbersAreActive(name: String, format: PredictorFormat) throws {
    let resources = try #require(Bundle.module.resourceURL)
    let path = resources.appendingPathComponent("Golden/Tiny/\(name).powerinfer.gguf").path
    let tokens = try #require(GoldenPrompt.load("Tiny/\(name).powerinfer.json").first).tokens
    var file = ModelFile(try GGUFFile(opening: path))
    for index in file.tensors.indices where file.tensors[index].name.hasSuffix("fc2.weight") {
      // Halves that are NaN.
      file.tensors[index].bytes = file.tensors[index].bytes.map { _ in 0x7f }
    }
    let model = try LanguageModel(file: GGUFFile(bytes: file.encoded()))
    let dense = try session(model, SparsityOptions(mode: .dense), tokens).1
    var options = SparsityOptions(mode: .predictor)
    options.predictorFormat = format
    #expect(try session(model, options, tokens).1 == dense)
  }

  /// Infinities in a file mean what they say.
  @Test func infiniteThresholdsInTheFile() throws {
    let resources = try #require(Bundle.module.resourceURL)
    let path = resources.appendingPathComponent("Golden/Tiny/tiny-relu-f16.powerinfer.gguf").path
    let tokens = try #require(GoldenPrompt.load("Tiny/tiny-relu-f16.powerinfer.json").first).tokens
    var file = ModelFile(try GGUFFile(opening: path))
    for (threshold, computed) in [(Float.infinity, 0.0), (-.infinity, 1)] {
      file.set("powerinfer.sparse_threshold", .float32(threshold))
      let model = try LanguageModel(file: GGUFFile(bytes: file.encoded()))
      #expect(
        try session(model, SparsityOptions(mode: .predictor), tokens).0.engine.sparsityReport.computed == computed)
    }
  }

  /// The original refuses such a file; only the predictor source needs what is missing.
  @Test func filesWithoutPredictors() throws {
    let resources = try #require(Bundle.module.resourceURL)
    let path = resources.appendingPathComponent("Golden/Tiny/tiny-relu-f16.powerinfer.gguf").path
    let tokens = try #require(GoldenPrompt.load("Tiny/tiny-relu-f16.powerinfer.json").first).tokens
    var file = ModelFile(try GGUFFile(opening: path))
    file.tensors.removeAll { $0.name.hasPrefix("blk.1.fc") }
    let model = try LanguageModel(file: GGUFFile(bytes: file.encoded()))
    for mode in [SparsityMode.auto, .gate, .dense] { _ = try session(model, SparsityOptions(mode: mode), tokens) }
    #expect(throws: SparsityError.noPredictor(layer: 1)) {
      try session(model, SparsityOptions(mode: .predictor), tokens)
    }
    #expect(
      "\(SparsityError.noPredictor(layer: 1))"
        == "The predictor source needs a predictor in every layer, but the file has no \"blk.1.fc1.weight\".")
  }

  @Test func refusesWhatTheModelLacks() throws {
    let (silu, tokens) = try open("tiny-yarn-f32")
    #expect(throws: SparsityError.gateIsNeverSilent(activation: "silu")) {
      try session(silu, SparsityOptions(mode: .gate), tokens)
    }
    #expect(throws: SparsityError.noPredictor(layer: 0)) {
      try session(silu, SparsityOptions(mode: .predictor), tokens)
    }
    var options = SparsityOptions(mode: .predictor)
    let (relu, reluTokens) = try open("tiny-relu-f16.powerinfer")
    options.profile = try ActivationProfile(frequencies: [[1]], contributions: [[1]], tokens: 1, text: "")
    #expect(throws: NeuronRecordError.self) { try session(relu, options, reluTokens) }
  }

  @Test func saysWhatWasChosen() throws {
    let (silu, tokens) = try open("tiny-yarn-f32")
    let report = try session(silu, SparsityOptions(), tokens).0.engine.sparsityReport
    #expect(report.choice == "Computing all neurons: SiLU is never exactly zero.")
    #expect(report.active == nil && report.layers.allSatisfy { $0.source == .dense })

    let (relu, reluTokens) = try open("tiny-relu-f16.powerinfer")
    let choice = try #require(try session(relu, SparsityOptions(), reluTokens).0.engine.sparsityReport.choice)
    #expect(choice.hasPrefix("Of \(relu.configuration.layerCount) layers, dense in "))
    #expect(choice.hasSuffix("µs per layer): measured while decoding."))
    let gate = try session(relu, SparsityOptions(mode: .gate), reluTokens).0.engine.sparsityReport
    let active = try #require(gate.active)
    #expect(gate.choice == nil && active > 0 && active < 1 && gate.hitRate == 1)
  }
}
