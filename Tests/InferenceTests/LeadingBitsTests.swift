import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferTestKit
import Testing

/// Neurons chosen by the leading bits of their gates, against whole gates and against themselves.
@Suite struct LeadingBitsTests {
  /// Gates, two that must fire, and none.
  static let reluModels = [
    "tiny-relu-q4_0.powerinfer", "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-q4_0.powerinfer",
    "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-q4_0.powerinfer", "tiny-skewed-mixed.powerinfer",
  ]

  private func path(_ name: String) throws -> String {
    try #require(Bundle.module.resourceURL).appendingPathComponent("Golden/Tiny/\(name).gguf").path
  }

  private func open(_ name: String) throws -> (LanguageModel, [Int32]) {
    (try LanguageModel(opening: path(name)), try #require(GoldenPrompt.load("Tiny/\(name).json").first).tokens)
  }

  private func session(
    _ model: LanguageModel, _ sparsity: SparsityOptions, _ tokens: [Int32], threads: Int = 1, batchSize: Int = 1
  ) throws -> (TokenSequence, [Float]) {
    var options = EngineOptions(contextSize: tokens.count, threads: threads, batchSize: batchSize)
    options.sparsity = sparsity
    let session = try Engine(model: model, options: options).makeSequence()
    return (session, try session.evaluate(tokens, phase: batchSize > 16 ? .prompt : .decode) { Array($0) } ?? [])
  }

  private func bits(margin: Float? = nil) -> SparsityOptions {
    var options = SparsityOptions(mode: .bits)
    options.bitsMargin = margin
    return options
  }

  @Test(arguments: reluModels)
  func aWideMarginLosesNothing(name: String) throws {
    let (model, tokens) = try open(name)
    let dense = try session(model, SparsityOptions(mode: .dense), tokens).1
    for threads in [1, 3] {
      let (wide, logits) = try session(model, bits(margin: 1e30), tokens, threads: threads)
      #expect(logits == dense)
      let report = wide.engine.sparsityReport
      let gate = try session(model, SparsityOptions(mode: .gate), tokens).0.engine.sparsityReport
      #expect(report.active == gate.active && report.computed == 1)
    }
  }

  /// The same neurons for any number of threads, and for rows that come a few at a time, whether they take lists or not.
  @Test(arguments: reluModels)
  func theSameNeuronsForAnyThreads(name: String) throws {
    let (model, tokens) = try open(name)
    let (one, logits) = try session(model, bits(margin: 0), tokens)
    #expect(try logits != session(model, SparsityOptions(mode: .dense), tokens).1)
    for threads in [2, 3, 5] {
      let (other, found) = try session(model, bits(margin: 0), tokens, threads: threads)
      #expect(found == logits)
      #expect(other.engine.sparsityReport.layers.map(\.computed) == one.engine.sparsityReport.layers.map(\.computed))
    }
    var masked = bits(margin: 0)
    masked.masksPrompts = true
    for batchSize in [2, 3, 4] {
      let few = try session(model, bits(margin: 0), tokens, batchSize: batchSize).1
      #expect(try session(model, masked, tokens, threads: 3, batchSize: batchSize).1 == few)
    }
    // A larger margin never computes fewer of the first layer's neurons, which all read the same.
    let shares = try [0, 0.5, 1, 2].map { margin in
      try #require(session(model, bits(margin: margin), tokens).0.engine.sparsityReport.layers[0].computed)
    }
    #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 <= $1 } && shares[0] < shares[3])
  }

  /// Weights in memory of their own are arranged. The products of stripes round otherwise than those of rows, so that a neuron at
  /// the border, which gives next to nothing, may be chosen by one and not by the other.
  @Test(arguments: reluModels)
  func arrangedWeightsChooseAlike(name: String) throws {
    let (model, tokens) = try open(name)
    let expected = try session(model, bits(), tokens).1
    for reading in [NeuronReading.listed, .leadingBits] {
      let copied = try LanguageModel(opening: path(name), residency: .copied, reading: { _ in reading })
      if reading == .leadingBits, Kernels.active.hasStripes {
        for layer in copied.weights.layers {
          let asked = layer.gate ?? layer.up
          let isShort = asked.format == .q4_0 || asked.format == .q4_1
          #expect((asked.layout == .stripes) == (isShort && asked.rows.isMultiple(of: 16)))
        }
      }
      let found = try session(copied, bits(), tokens, threads: 2).1
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= CompanyTests.limit })
      let wide = try session(copied, bits(margin: 1e30), tokens).1
      #expect(try session(copied, SparsityOptions(mode: .dense), tokens, threads: 2).1 == wide)
    }
  }

  /// A bias that every neuron clears, and one that none does.
  @Test func layersThatAlwaysOrNeverFire() throws {
    let tokens = try #require(GoldenPrompt.load("Tiny/tiny-opt-q4_0.powerinfer.json").first).tokens
    for (bias, share) in [(Float(1e4), 1.0), (-1e4, 0.0)] {
      var file = ModelFile(try GGUFFile(opening: path("tiny-opt-q4_0.powerinfer")))
      for index in file.tensors.indices where file.tensors[index].name.hasSuffix("ffn_up.bias") {
        let count = file.tensors[index].bytes.count / 4
        file.tensors[index].bytes = [Float](repeating: bias, count: count).flatMap { value in
          withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init)
        }
      }
      let model = try LanguageModel(file: GGUFFile(bytes: file.encoded()))
      let (sequence, logits) = try session(model, bits(), tokens)
      #expect(sequence.engine.sparsityReport.computed == share && sequence.engine.sparsityReport.active == share)
      #expect(try logits == session(model, SparsityOptions(mode: .dense), tokens).1)
    }
  }

  /// Plain floats have no leading bits.
  @Test func wholeGatesWhereThereAreNoLeadingBits() throws {
    let (model, tokens) = try open("tiny-relu-f16.powerinfer")
    let (sequence, logits) = try session(model, bits(), tokens)
    #expect(try logits == session(model, SparsityOptions(mode: .gate), tokens).1)
    let report = sequence.engine.sparsityReport
    #expect(report.mode == .bits && report.layers.allSatisfy { $0.source == .gate })
    #expect(report.choice == "2 of 2 layers ask whole gates: F16 has no leading bits.")
    let (other, others) = try open("tiny-relu-q4_0.powerinfer")
    #expect(try session(other, bits(), others).0.engine.sparsityReport.choice == nil)
  }

  @Test func refusesWhatIsNoMarginAndModelsThatAreNeverSilent() throws {
    let (model, tokens) = try open("tiny-relu-q4_0.powerinfer")
    for margin in [-1, -.infinity, .infinity, -Float.leastNonzeroMagnitude] {
      #expect(throws: SparsityError.bitsMargin(margin)) { try session(model, bits(margin: margin), tokens) }
    }
    #expect(throws: SparsityError.self) { try session(model, bits(margin: .nan), tokens) }
    #expect(
      "\(SparsityError.bitsMargin(.nan))" == "The margin of leading bits is nan, expected a finite number, 0 or more.")
    let (silu, others) = try open("tiny-silu-q8_0")
    #expect(throws: SparsityError.bitsNeedThresholds(activation: "silu")) { try session(silu, bits(), others) }
    #expect(
      "\(SparsityError.bitsNeedThresholds(activation: "silu"))"
        == "The bits source needs neurons that are silent, as ReLU's are, or the thresholds that `powerinfer calibrate` finds, but the "
        + "model's activation is silu and it has none.")
  }

  /// With a wide margin every neuron may reach its threshold, so that thresholds alone decide.
  @Test(arguments: ["tiny-silu-q8_0", "tiny-legacy-quants", "tiny-k-quants"])
  func thresholdsDecideWithinAWideMargin(name: String) throws {
    let (model, tokens) = try open(name)
    var options = bits(margin: 1e6)
    options.gateThresholds = try GateThresholds(
      thresholds: Array(repeating: 0.2, count: model.configuration.layerCount), target: 0.5, tokens: 1, text: "")
    let wide = try session(model, options, tokens, threads: 2)
    #expect(wide.0.engine.sparsityReport.computed == 1)
    options.mode = .threshold
    #expect(try wide.1 == session(model, options, tokens).1)
    (options.mode, options.bitsMargin) = (.bits, 0.5)
    let narrow = try session(model, options, tokens).0.engine.sparsityReport
    #expect(try #require(narrow.computed) < 1)
  }

  /// What is read is counted: leading bits of all, the rest of those computed.
  @Test func bytesOfATokenAreCounted() throws {
    let (model, tokens) = try open("tiny-relu-q4_0.powerinfer")
    let (sequence, _) = try session(model, bits(margin: 1), tokens)
    let statistics = sequence.engine.statistics
    let report = sequence.engine.sparsityReport
    // 128 inputs: 4 scales and 32 bytes of leading bits, 32 of the others; rows of 72 bytes.
    let (computed, active) = try (#require(report.computed), #require(report.active))
    #expect(statistics.readBytes.leadingBits == 256 * 40)
    #expect(abs(statistics.readBytes.gateUp - (computed * 256 * 32 + active * 256 * 72)) < 1e-6)
    #expect(abs(statistics.readBytes.down - active * 256 * 72) < 1e-6)
  }
}
