import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferTestKit
import Testing

/// The forward pass against an independent float64 implementation (`Scripts/reference_logits.py`).
@Suite struct GoldenLogitsTests {
  /// Largest logit error that rounding the activations of quantised products to 8 bits was measured to make, with room for
  /// other instruction sets' order of summation.
  static let eightBitLimit = 0.6
  /// With float weights only the half-precision cache and the order of summation differ from float64.
  static let floatLimit = 0.02
  /// Many tokens at once meet weights in BF16 rounded to BF16, half a unit in the ninth bit, where the processor multiplies
  /// such numbers: 0.09 was measured on these models.
  static let bf16Limit = 0.2
  /// Models with BF16 weights.
  static let bf16Models: Set = ["tiny-linear-f16", "tiny-llama3-bf16"]

  @Test(arguments: [
    ("tiny-yarn-f32", floatLimit), ("tiny-linear-f16", floatLimit), ("tiny-llama3-bf16", floatLimit),
    ("tiny-relu-f16", floatLimit), ("tiny-relu-f16.powerinfer", floatLimit),
    ("tiny-relu-q4_0.powerinfer", eightBitLimit), ("tiny-legacy-quants", eightBitLimit),
    ("tiny-k-quants", eightBitLimit), ("tiny-bamboo-f16.powerinfer", floatLimit),
    ("tiny-bamboo-q4_0.powerinfer", eightBitLimit), ("tiny-falcon-7b-f32", floatLimit),
    ("tiny-falcon-7b-q4_0.powerinfer", eightBitLimit), ("tiny-falcon-40b-f16.powerinfer", floatLimit),
    ("tiny-falcon-40b-q4_0.powerinfer", eightBitLimit), ("tiny-opt-f16", floatLimit),
    ("tiny-opt-f16.powerinfer", floatLimit), ("tiny-opt-q4_0.powerinfer", eightBitLimit),
    ("tiny-skewed-f16.powerinfer", floatLimit), ("tiny-skewed-mixed.powerinfer", eightBitLimit),
    ("tiny-silu-f16", floatLimit), ("tiny-silu-q8_0", eightBitLimit), ("tiny-biased-f16", floatLimit),
    ("tiny-biased-f16.powerinfer", floatLimit),
  ])
  func tinyModels(name: String, limit: Double) throws {
    let resources = try #require(Bundle.module.resourceURL)
    let model = try LanguageModel(opening: resources.appendingPathComponent("Golden/Tiny/\(name).gguf").path)
    for golden in try GoldenPrompt.load("Tiny/\(name).json") {
      // Token by token, and in batches smaller than the prompt, so that positions cross passes.
      for batchSize in [1, 7] {
        let limit = batchSize > 1 && Self.bf16Models.contains(name) ? Self.bf16Limit : limit
        let difference = try LogitDifference(
          model: model, golden: golden, tieMargin: limit, options: .init(threads: 2, batchSize: batchSize))
        #expect(difference.largestError < limit, "\(name): largest error \(difference.largestError)")
        #expect(difference.logSumExpError < limit, "\(name): log-sum-exp off by \(difference.logSumExpError)")
        #expect(difference.wrongArgMaxima == [])
      }
    }
  }

  /// Weights in memory of their own are arranged for the kernels, by how their neurons will be read. How they are read then need not
  /// be what was said.
  @Test(arguments: [
    "tiny-legacy-quants", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-q4_0.powerinfer",
    "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-q4_0.powerinfer", "tiny-silu-q8_0",
  ])
  func arrangedWeights(name: String) throws {
    let resources = try #require(Bundle.module.resourceURL)
    let path = resources.appendingPathComponent("Golden/Tiny/\(name).gguf").path
    let golden = try #require(GoldenPrompt.load("Tiny/\(name).json").first)
    for reading in [NeuronReading.listed, .predicted, .leadingBits, .wholeGates, .whole] {
      let model = try LanguageModel(opening: path, residency: .copied, reading: { _ in reading })
      var alone: [SparsityMode: [Float]] = [:]
      for (mode, batchSize) in [(SparsityMode.dense, 1), (.dense, 7), (.auto, 1), (.auto, 3)] {
        var options = EngineOptions(threads: 2, batchSize: batchSize)
        options.sparsity.mode = mode
        let difference = try LogitDifference(
          model: model, golden: golden, tieMargin: Self.eightBitLimit, options: options)
        #expect(difference.largestError < Self.eightBitLimit, "\(name): largest error \(difference.largestError)")
        #expect(difference.wrongArgMaxima == [])
        guard batchSize == 1 else { continue }
        for threads in [1, 3] {
          options.threads = threads
          let sequence = try Engine(model: model, options: options).makeSequence()
          let logits = try sequence.evaluate(golden.tokens, phase: .decode) { Array($0) } ?? []
          if let before = alone[mode] { #expect(logits == before) } else { alone[mode] = logits }
        }
      }
      // What is lossless loses no bit, wherever the rows lie.
      #expect(alone[.dense] == alone[.auto])
    }
  }

  /// Few tokens and many are added up in different orders; a code of an 8-bit form that then rounds to the other side makes
  /// the largest difference (0.1 was measured on these models), which is well below the error of rounding at all.
  static let batchLimit: Float = 0.3

  @Test(arguments: [
    "tiny-legacy-quants", "tiny-k-quants", "tiny-relu-q4_0.powerinfer", "tiny-llama3-bf16",
    "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-f32", "tiny-falcon-7b-q4_0.powerinfer",
    "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-f16", "tiny-opt-q4_0.powerinfer",
  ])
  func sameBitsForAnyThreads(name: String) throws {
    let resources = try #require(Bundle.module.resourceURL)
    let model = try LanguageModel(opening: resources.appendingPathComponent("Golden/Tiny/\(name).gguf").path)
    let tokens = try #require(GoldenPrompt.load("Tiny/\(name).json").first).tokens
    func logits(threads: Int, batchSize: Int) throws -> [Float] {
      let session = try Engine(model: model, options: .init(threads: threads, batchSize: batchSize)).makeSequence()
      return try withExtendedLifetime(session) { try Array(session.evaluate(tokens)) }
    }
    let one = try logits(threads: 1, batchSize: 64)
    for batchSize in [1, 2, 5, 47, 64] {
      let batch = try logits(threads: 1, batchSize: batchSize)
      for threads in [2, 3, 5] { #expect(try logits(threads: threads, batchSize: batchSize) == batch) }
      let difference = zip(batch, one).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference < Self.batchLimit, "batches of \(batchSize): \(difference)")
    }
  }

  /// The original refuses such a file; all neurons can be computed without.
  @Test(arguments: ["tiny-bamboo-f16", "tiny-falcon-40b-f16", "tiny-opt-f16"])
  func sparseFilesNeedNoPredictors(name: String) throws {
    let resources = try #require(Bundle.module.resourceURL)
    let path = resources.appendingPathComponent("Golden/Tiny/\(name).powerinfer.gguf").path
    var file = ModelFile(try GGUFFile(opening: path))
    let count = file.tensors.count
    file.tensors.removeAll { $0.name.contains(".fc") }
    #expect(file.tensors.count == count - 4)
    let model = try LanguageModel(file: GGUFFile(bytes: file.encoded()))
    let golden = try #require(GoldenPrompt.load("Tiny/\(name).powerinfer.json").first)
    let difference = try LogitDifference(model: model, golden: golden, tieMargin: Self.floatLimit)
    #expect(difference.largestError < Self.floatLimit && difference.wrongArgMaxima == [])
  }

  @Test func embeddedModel() throws {
    let model = try LanguageModel(opening: RepositoryModel.embedded)
    for golden in try GoldenPrompt.load("logits-smollm2-relu.q4_0.json") {
      let difference = try LogitDifference(model: model, golden: golden, tieMargin: Self.eightBitLimit)
      #expect(difference.largestError < Self.eightBitLimit, "largest error \(difference.largestError)")
      #expect(difference.wrongArgMaxima == [])
    }
  }

  /// Any of the models that golden files exist for: `POWERINFER_TEST_MODEL` names the file, `POWERINFER_TEST_GOLDEN` its golden
  /// file, `POWERINFER_TEST_LIMIT` the largest logit error.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["POWERINFER_TEST_MODEL"] != nil))
  func namedModel() throws {
    let environment = ProcessInfo.processInfo.environment
    let model = try LanguageModel(opening: #require(environment["POWERINFER_TEST_MODEL"]))
    let limit = try #require(Double(environment["POWERINFER_TEST_LIMIT"] ?? "0.05"))
    for golden in try GoldenPrompt.load(#require(environment["POWERINFER_TEST_GOLDEN"])) {
      let difference = try LogitDifference(model: model, golden: golden, tieMargin: limit)
      print("largest error \(difference.largestError), arg maxima that differ \(difference.differingArgMaxima)")
      #expect(difference.largestError < limit)
      #expect(difference.wrongArgMaxima == [])
    }
  }
}
