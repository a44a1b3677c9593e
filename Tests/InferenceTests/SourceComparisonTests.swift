import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInfer

@Suite struct SourceComparisonTests {
  private let folder: TemporaryFolder
  private let text: ScoredText

  init() throws {
    folder = try TemporaryFolder()
    text = try ScoredText(
      tokens: (0..<100).map { Int32(($0 * 37 + 11) % 200) }, contextSize: 21, beginning: 7, chunkLimit: 3)
  }

  private func model(_ family: String = "llama", _ magic: Magic = .powerInfer) throws -> LanguageModel {
    var tiny = TinyModel(magic: magic, weightType: .f16)
    tiny.architecture = family
    return try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  private func comparison(
    _ model: LanguageModel, threads: Int = 1, decoding: Int = 4, turns: Int = 3, threshold: Float? = nil
  ) -> SourceComparison {
    var options = EngineOptions(threads: threads, batchSize: 8)
    options.sparsity.predictorThreshold = threshold
    return SourceComparison(model: model, text: text, options: options, decoding: decoding, turns: turns)
  }

  @Test(arguments: ["llama", "bamboo", "falcon", "opt"])
  func everySourceOfAModelIsMeasured(family: String) throws {
    let model = try model(family)
    let outcome = try comparison(model).run()
    #expect(outcome.isComplete && outcome.sources.map(\.mode) == [.dense, .gate, .predictor])
    #expect(outcome.leftOut.map(\.mode) == [.bits, .threshold])
    #expect(outcome.leftOut[0].reason == "2 of 2 layers ask whole gates: F16 has no leading bits.")
    let (dense, gate, predictor) = (outcome.sources[0], outcome.sources[1], outcome.sources[2])
    #expect(dense.change == Estimate(0, error: 0) && dense.overall.computedShare == 1 && dense.overall.recall == 1)
    // Lossless; and active is the same share, for nothing is lost of the input.
    #expect(gate.perplexity == dense.perplexity && gate.change == dense.change)
    #expect(gate.overall.keptShare == 1 && gate.overall.activeShare == dense.overall.activeShare)
    #expect(gate.layers.map(\.contribution) == dense.layers.map(\.contribution))
    let recall = try #require(predictor.overall.recall)
    let kept = try #require(predictor.overall.keptShare)
    #expect(0 < recall && recall < 1 && 0 < kept && kept < 1)
    let ratio = predictor.perplexity.perplexity.value / dense.perplexity.perplexity.value
    #expect(abs(predictor.change.value - (ratio - 1)) < 1e-12 && predictor.change.value != 0)
    #expect(try #require(predictor.change.error) > 0)
    #expect(predictor.sources == [.predictor(threshold: 0), .predictor(threshold: 0)])

    // What a session by itself finds.
    var options = EngineOptions(contextSize: 21, threads: 3, batchSize: 8)
    options.sparsity.mode = .predictor
    options.sparsity.masksPrompts = true
    #expect(try PerplexityTest(text, engine: Engine(model: model, options: options)).run() == predictor.perplexity)
  }

  @Test func sameFiguresForAnyThreads() throws {
    let model = try model()
    let one = try comparison(model, threshold: 0.1).run().sources
    let three = try comparison(model, threads: 3, threshold: 0.1).run().sources
    #expect(one.map(\.layers) == three.map(\.layers) && one.map(\.perplexity) == three.map(\.perplexity))
    #expect(one[2].sources == [.predictor(threshold: 0.1), .predictor(threshold: 0.1)])
  }

  @Test func withEveryNeuronPredictedNothingChanges() throws {
    let sources = try comparison(model(), threshold: -.infinity).run().sources
    #expect(sources[2].perplexity == sources[0].perplexity && sources[2].change.value == 0)
    #expect(sources[2].overall.keptShare == 1 && sources[2].overall.computedShare == 1)
    let none = try comparison(model(), threshold: .infinity).run().sources[2]
    #expect(none.overall.keptShare == 0 && none.overall.recall == 0 && none.overall.precision == nil)
  }

  /// A gate that is never silent, and down projections without a row per neuron.
  @Test(arguments: [1, 3])
  func thresholdsOnSmoothGates(threads: Int) throws {
    let model = try model("llama", .gguf)
    var options = EngineOptions(threads: threads, batchSize: 8)
    func sources(_ thresholds: [Float]) throws -> [SourceQuality] {
      options.sparsity.gateThresholds = try GateThresholds(thresholds: thresholds, target: 0.5, tokens: 1, text: "any")
      return try SourceComparison(model: model, text: text, options: options, decoding: 2, turns: 1).run().sources
    }
    let found = try sources([0.1, 0.2])
    #expect(found.map(\.mode) == [.dense, .threshold])
    let threshold = found[1]
    #expect(threshold.sources == [.threshold(0.1), .threshold(0.2)] && threshold.overall.activeShare == 1)
    for layer in threshold.layers {
      let (computed, kept) = try (#require(layer.computedShare), #require(layer.keptShare))
      #expect(0 < computed && computed < kept && kept < 1 && layer.recall == layer.computedShare)
    }
    options.contextSize = 21
    options.sparsity.mode = .threshold
    options.sparsity.masksPrompts = true
    #expect(try PerplexityTest(text, engine: Engine(model: model, options: options)).run() == threshold.perplexity)

    let none = try sources([0, 0])
    #expect(none[1].overall.computedShare == 1 && none[1].overall.keptShare == 1)
    #expect(abs(none[1].change.value) < 1e-3)
  }

  /// Hot neurons are computed whether they fire or not.
  @Test func hotNeuronsAreListedWithoutBeingAsked() throws {
    let model = try model()
    var options = EngineOptions(threads: 2, batchSize: 8)
    options.sparsity.predictorThreshold = .infinity
    let hottest = (0..<96).map { Float($0 < 24 ? 1 : 0) }
    let rest = [Float](repeating: 0, count: 96)
    options.sparsity.profile = try ActivationProfile(
      frequencies: [hottest, hottest], contributions: [rest, rest], tokens: 1, text: "any")
    let comparison = SourceComparison(model: model, text: text, options: options, decoding: 2, turns: 1)
    #expect(try comparison.run().sources[2].overall.computedShare == 0.25)
  }

  @Test func whatAModelLacksIsASentence() throws {
    let outcome = try comparison(model("llama", .gguf)).run()
    #expect(outcome.sources.map(\.mode) == [.dense])
    #expect(
      outcome.leftOut.map(\.reason) == [
        "The gate source needs neurons that are silent, as ReLU's are, but the model's activation is silu, which is never "
          + "exactly zero; the threshold source is made for it.",
        "The bits source needs neurons that are silent, as ReLU's are, or the thresholds that `powerinfer calibrate` finds, but the "
          + "model's activation is silu and it has none.",
        "The predictor source needs a predictor in every layer, but the file has no \"blk.0.fc1.weight\".",
        "The threshold source needs the thresholds that `powerinfer calibrate` finds, but the model has none.",
      ])
  }

  @Test func theErrorOfAChangeIsThatOfPairs() {
    // ln ratios 0, ln 2, ln 4 (their mean ln 2, their variance (ln 2)²).
    let change = SourceQuality.change([1, 2 + log(2), 5 + log(4)], from: [1, 2, 5])
    #expect(abs(change.value - 1) < 1e-12)
    #expect(abs((change.error ?? .nan) - 2 * log(2) / 3.0.squareRoot()) < 1e-12)
  }

  /// Sources take turns; the first turn of each does not count.
  @Test func speedsAreMediansOfTurns() throws {
    // A clock that stands at the beginning and at the end of each turn.
    let seconds: [Double] = [100, 100, 100, 1, 2, 4, 2, 4, 4, 4, 8, 4]
    var (calls, time) = (0, 0.0)
    let outcome = try comparison(model()).run(now: {
      if calls % 2 == 1 { time += seconds[calls / 2] }
      calls += 1
      return time
    })
    #expect(calls == 2 * seconds.count)
    #expect(outcome.sources.map(\.speeds) == [[4, 2, 1], [2, 1, 0.5], [1, 1, 1]])
    #expect(outcome.sources.map(\.speed) == [2, 1, 1])
  }

  @Test func noMoreIsDecodedThanThereIs() throws {
    let model = try model()
    for (asked, decoded) in [(4, 4), (11, 11), (12, 11), (0, 1)] {
      let comparison = comparison(model, decoding: asked)
      #expect(comparison.decoded == decoded && comparison.prefix == 10)
    }
    let shortest = SourceComparison(
      model: model, text: try ScoredText(tokens: Array(0..<6), contextSize: 3, beginning: nil),
      options: EngineOptions(threads: 1), decoding: 9, turns: 0)
    #expect(shortest.prefix == 1 && shortest.decoded == 2 && shortest.turns == 1)
    #expect(try shortest.run().isComplete)
  }

  @Test func progressCountsUpToAllTokens() throws {
    var steps: [SourceComparison.Step: [Int]] = [:]
    _ = try comparison(model()).run(onProgress: { steps[$0] = [$1, $2] })
    #expect(
      steps == [
        .decoding: [48, 48], .reading(.dense): [63, 63], .reading(.gate): [63, 63], .reading(.predictor): [63, 63],
      ])
  }

  @Test func cancellingKeepsWholeSourcesOnly() throws {
    let model = try model()
    #expect(try comparison(model).run(isCancelled: { true }).sources.isEmpty)
    var isCancelled = false
    let outcome = try comparison(model).run(
      onProgress: { step, _, _ in isCancelled = step == .reading(.gate) }, isCancelled: { isCancelled })
    #expect(!outcome.isComplete && outcome.sources.map(\.mode) == [.dense] && outcome.leftOut.count == 2)
  }
}
