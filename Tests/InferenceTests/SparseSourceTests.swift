import Foundation
import Inference
import Model
import Sparsity
import TestKit
import Testing

/// Activation sources against computing all neurons, and against themselves.
@Suite struct SparseSourceTests {
  static let powerInferModels = [
    "tiny-relu-f16.powerinfer", "tiny-relu-q4_0.powerinfer", "tiny-bamboo-f16.powerinfer",
    "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-7b-q4_0.powerinfer", "tiny-falcon-40b-f16.powerinfer",
    "tiny-falcon-40b-q4_0.powerinfer", "tiny-opt-f16.powerinfer", "tiny-opt-q4_0.powerinfer",
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
    var options = SessionOptions(contextSize: tokens.count, threads: threads, batchSize: batchSize)
    options.sparsity = sparsity
    let session = try Session(model: model, options: options)
    return try withExtendedLifetime(session) { try Array(session.evaluate(tokens)) }
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

  /// A few tokens at once take turns between uniting their lists and masking all neurons.
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
