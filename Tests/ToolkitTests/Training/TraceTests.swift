import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInferToolkit

/// What is written down of a text that runs through a model.
@Suite struct TraceTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let families = ["llama", "bamboo", "falcon", "opt"]

  private func model(_ family: String) throws -> LanguageModel {
    var tiny = TinyModel(magic: .powerInfer, weightType: .f16, layers: 3)
    tiny.architecture = family
    tiny.feedForwardSize = 77
    return try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  /// Chunks of 21 tokens, whose last batch is a single one.
  private func text(_ model: LanguageModel) throws -> ScoredText {
    let tokens = (0..<110).map { Int32($0 * $0 * 7 % model.configuration.vocabularySize) }
    return try ScoredText(tokens: tokens, contextSize: 21, beginning: 1)
  }

  private func work(_ model: LanguageModel, _ text: ScoredText, _ name: String) throws -> WorkFolder {
    let origin = TrainingOrigin(
      model: model, text: text, thresholds: nil, batchSize: 10, recipe: TrainingRecipe())
    return try WorkFolder(folder.file(name), origin: origin, restarts: false)
  }

  @discardableResult private func trace(
    _ model: LanguageModel, _ text: ScoredText, _ work: WorkFolder, pass: Int = 0, threads: Int = 2
  ) throws -> [LayerTraces] {
    try TraceRun(
      model: model, pass: pass, text: text, options: EngineOptions(threads: threads, batchSize: 10), thresholds: nil,
      folder: work, team: ThreadTeam(workers: threads)
    ).run(progress: { _, _ in }, isCancelled: { false })
    return try (0..<3).map { layer in
      try LayerTraces(
        (0..<TraceRun.partCount(text)).map { work.trace(pass: pass, layer: layer, part: $0) },
        shape: TraceShape(model.configuration), layer: layer, tokens: text.tokens.count)
    }
  }

  /// Keeps everything that is seen.
  private final class Collector: NeuronObserver {
    struct Layer {
      var inputs: [[Float]] = []
      /// Of the batch under way, [tokens][neurons].
      var hidden: [[Float]] = []
      var predictions: [[Float]] = []
    }

    let layers = Mutex<[Int: Layer]>([:])

    func observe(_ input: PredictorInputView) {
      layers.withLock {
        var layer = $0[input.layer] ?? Layer()
        while layer.inputs.count < input.tokens.upperBound { layer.inputs.append([]) }
        for token in input.tokens {
          layer.inputs[token] = (0..<input.stride).map { input.values[token * input.stride + $0] }
        }
        $0[input.layer] = layer
      }
    }

    func observe(_ view: NeuronView) {
      layers.withLock {
        var layer = $0[view.layer] ?? Layer()
        while layer.hidden.count < view.tokens {
          layer.hidden.append(Array(repeating: 0, count: view.stride))
          layer.predictions.append(Array(repeating: 0, count: view.stride))
        }
        for token in 0..<view.tokens {
          for neuron in view.neurons {
            layer.hidden[token][neuron] = view.hidden[token * view.stride + neuron]
            layer.predictions[token][neuron] = view.prediction?[token * view.stride + neuron] ?? 0
          }
        }
        $0[view.layer] = layer
      }
    }
  }

  private func matrix(_ matrix: Matrix) -> [[Double]] {
    (0..<matrix.rows).map { row in
      var floats = [Float](repeating: 0, count: matrix.columns)
      Kernels.active.dequantize(matrix.format, matrix.row(row), count: matrix.columns, into: &floats)
      return floats.map(Double.init)
    }
  }

  /// What is shown as a predictor's input gives, multiplied by hand, what the predictor predicts.
  @Test(arguments: families) func inputsAreThoseOfPredictors(family: String) throws {
    let model = try model(family)
    let collector = Collector()
    var options = EngineOptions(contextSize: 32, threads: 2)
    options.sparsity.mode = .predictor
    options.sparsity.masksPrompts = true
    options.sparsity.predictorFormat = .file
    options.observer = collector
    let session = try Engine(model: model, options: options).makeSequence()
    try session.read(text(model).input(ofChunk: 0))
    let layers = collector.layers.withLock { $0 }
    #expect(layers.count == 3)
    for (index, layer) in layers {
      let predictor = try #require(model.weights.layers[index].predictor)
      let (fc1, fc2) = (matrix(predictor.fc1), matrix(predictor.fc2))
      #expect(layer.inputs.count == 21 && layer.hidden.count == 21)
      for (input, prediction) in zip(layer.inputs, layer.predictions) {
        let hidden = fc1.map { row in max(0, zip(row, input).reduce(0) { $0 + $1.0 * Double($1.1) }) }
        for (row, found) in zip(fc2, prediction) {
          let expected = zip(row, hidden).reduce(0) { $0 + $1.0 * $1.1 }
          #expect(abs(expected - Double(found)) < 0.02 * (1 + abs(expected)), "layer \(index)")
        }
      }
    }
  }

  @Test(arguments: families) func tracesHoldWhatNeuronsDo(family: String) throws {
    let model = try model(family)
    let text = try text(model)
    let traces = try trace(model, text, work(model, text, "work"))
    let norms = NeuronNorms.norms(of: model, team: ThreadTeam(workers: 1))
    let (d, f) = (model.configuration.hiddenSize, model.configuration.feedForwardSize)
    let (input, weights) = (FloatBuffer(d), FloatBuffer(f))
    let plain = ContributionWeighing(power: 1, total: nil)
    var token = 0
    for chunk in 0..<text.chunkCount {
      let collector = Collector()
      var options = EngineOptions(contextSize: 21, threads: 1, batchSize: 21)
      options.sparsity.mode = .dense
      options.observer = collector
      try Engine(model: model, options: options).makeSequence().read(text.input(ofChunk: chunk))
      let layers = collector.layers.withLock { $0 }
      for position in 0..<21 {
        for (index, layer) in layers {
          traces[index].readInput(token, into: input.start)
          let expected = layer.inputs[position]
          let size = (expected.reduce(0) { $0 + $1 * $1 } / Float(d)).squareRoot()
          let largest = expected.map(\.magnitude).max() ?? 0
          for column in 0..<d {
            // Half a step of an 8-bit block, and the rounding of other batches.
            #expect(abs(input.start[column] - expected[column] / size) < 0.006 * largest / size + 1e-4)
          }
          traces[index].readWeights(token, plain, into: weights.start)
          for neuron in 0..<f {
            let contribution = abs(layer.hidden[position][neuron]) * norms[index][neuron]
            // What is next to nothing may round to nothing in another batch.
            if contribution > 1e-3 || weights.start[neuron] > 1e-3 {
              #expect(abs(weights.start[neuron] - contribution) <= 0.07 * contribution + 1e-4)
            }
          }
        }
        token += 1
      }
    }
    #expect(token == text.tokens.count)
  }

  @Test func sameBytesForAnyThreads() throws {
    let model = try model("llama")
    let text = try text(model)
    for pass in 0..<2 {
      for threads in [1, 3] { try trace(model, text, work(model, text, "\(threads)"), pass: pass, threads: threads) }
      for layer in 0..<3 {
        let bytes = try folder.read("1/trace-\(pass)-\(layer)-0")
        #expect(try folder.read("3/trace-\(pass)-\(layer)-0") == bytes && bytes.count > 1000)
      }
    }
    // With predictors at work, what later layers read is something else.
    #expect(try folder.read("1/trace-0-2-0") != folder.read("1/trace-1-2-0"))
  }

  @Test func damageIsFound() throws {
    let model = try model("llama")
    let text = try text(model)
    let work = try work(model, text, "work")
    try trace(model, text, work)
    let path = work.trace(pass: 0, layer: 1, part: 0)
    let good = try Data(contentsOf: URL(filePath: path))
    for place in [0, 100, good.count / 2, good.count - 60, good.count - 40, good.count - 1] {
      var bad = good
      bad[place] ^= 16
      try bad.write(to: URL(filePath: path))
      #expect(throws: TrainingError.damaged(path)) { try trace(model, text, work) }
    }
    for count in [0, 20, good.count - 1] {
      try good.prefix(count).write(to: URL(filePath: path))
      #expect(throws: TrainingError.damaged(path)) { try trace(model, text, work) }
    }
    #expect(TrainingError.damaged("a").description == "\"a\" is damaged; give --restart to begin anew.")
  }

  @Test func weightsAreSharesOfTheirToken() throws {
    let model = try model("llama")
    let text = try text(model)
    let traces = try trace(model, text, work(model, text, "work"))
    let f = model.configuration.feedForwardSize
    let (plain, squares) = (FloatBuffer(f), FloatBuffer(f))
    for token in [0, 50] {
      traces[0].readWeights(token, ContributionWeighing(power: 1, total: nil), into: plain.start)
      traces[0].readWeights(token, ContributionWeighing(power: 2, total: 77), into: squares.start)
      let sum = (0..<f).reduce(Float(0)) { $0 + plain.start[$1] * plain.start[$1] }
      for neuron in 0..<f {
        let expected = 77 * plain.start[neuron] * plain.start[neuron] / sum
        #expect(abs(squares.start[neuron] - expected) < 1e-4 * (1 + expected))
      }
    }
  }

  @Test func codesAreRightToSixPercent() {
    for exponent in -20..<12 {
      for part in 0..<50 {
        let value = Float(sign: .plus, exponent: exponent, significand: 1 + Float(part) / 50)
        let code = ContributionCode.code(value)
        #expect(abs(ContributionCode.values[Int(code)] / value - 1) < 0.063 || code == 255)
      }
    }
    #expect(ContributionCode.code(1e-30) == 1 && ContributionCode.code(1e30) == 255 && ContributionCode.values[0] == 0)
  }
}
