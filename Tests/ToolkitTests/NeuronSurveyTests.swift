import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInferToolkit

@Suite struct NeuronSurveyTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Every kind of neuron there is, and both layouts of the down projection.
  static let families: [(name: String, magic: Magic, activation: String?)] = [
    ("llama", .gguf, nil), ("llama", .gguf, "relu"), ("llama", .powerInfer, nil), ("bamboo", .powerInfer, nil),
    ("falcon", .gguf, nil), ("falcon", .powerInfer, nil), ("opt", .gguf, nil), ("opt", .powerInfer, nil),
  ]

  private static func tiny(_ family: (name: String, magic: Magic, activation: String?)) -> TinyModel {
    var tiny = TinyModel(magic: family.magic, layers: 3)
    tiny.architecture = family.name
    tiny.activation = family.activation
    // Not the same in every dimension, and no multiple of anything.
    tiny.feedForwardSize = 77
    return tiny
  }

  private func open(_ tiny: TinyModel) throws -> LanguageModel {
    try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  /// Chunks of 21 tokens, whose last batch is a single one.
  private func text(_ model: LanguageModel) throws -> ScoredText {
    let tokens = (0..<90).map { Int32($0 * $0 * 7 % model.configuration.vocabularySize) }
    return try ScoredText(tokens: tokens, contextSize: 21, beginning: 1)
  }

  private func survey(
    _ model: LanguageModel, threads: Int = 2, thresholds: GateThresholds? = nil
  ) throws -> NeuronStatistics {
    try NeuronSurvey(
      model: model, text: text(model), named: "a.txt", options: EngineOptions(threads: threads, batchSize: 10),
      thresholds: thresholds
    ).run()
  }

  // MARK: Against counting it all again

  /// Keeps everything that is seen.
  private final class Collector: NeuronObserver {
    struct Sample {
      var gate: Float?
      var hidden: Float
    }

    /// [layers][neurons][tokens]
    let samples: Mutex<[[[Sample]]]>

    init(_ c: ModelConfiguration) {
      samples = Mutex(Array(repeating: Array(repeating: [], count: c.feedForwardSize), count: c.layerCount))
    }

    func observe(_ view: NeuronView) {
      samples.withLock {
        for token in 0..<view.tokens {
          for neuron in view.neurons {
            let place = token * view.stride + neuron
            $0[view.layer][neuron].append(Sample(gate: view.gate?[place], hidden: view.hidden[place]))
          }
        }
      }
    }
  }

  /// What neurons did for every token of the text, in double precision, [layers][neurons][tokens].
  private func everything(_ model: LanguageModel) throws -> [[[(magnitude: Double, hidden: Double)]]] {
    let collector = Collector(model.configuration)
    var options = EngineOptions(contextSize: 21, threads: 1, batchSize: 10)
    options.sparsity.mode = .dense
    options.observer = collector
    let session = try Engine(model: model, options: options).makeSequence()
    let text = try text(model)
    for chunk in 0..<text.chunkCount {
      session.truncate(to: 0)
      try session.evaluateEach(text.input(ofChunk: chunk)) { _, _ in }
    }
    return collector.samples.withLock {
      $0.map {
        $0.map {
          $0.map { sample in
            guard let gate = sample.gate.map(Double.init) else {
              return (abs(Double(sample.hidden)), Double(sample.hidden))
            }
            let activated = model.configuration.activation == .silu ? gate / (1 + exp(-gate)) : max(gate, 0)
            return (abs(activated), Double(sample.hidden))
          }
        }
      }
    }
  }

  /// From the values that were written into the file: [layers][neurons].
  private func norms(_ tiny: TinyModel) -> [[Double]] {
    (0..<tiny.layers).map { layer in
      let isByNeuron = tiny.magic == .powerInfer
      let name = "blk.\(layer).\(isByNeuron ? "ffn_down_t" : "ffn_down").weight"
      let values = tiny.weights.first { $0.layout.name == name }?.values ?? []
      return (0..<tiny.feedForwardSize).map { neuron in
        (0..<tiny.hiddenSize).map { output in
          let place = isByNeuron ? neuron * tiny.hiddenSize + output : output * tiny.feedForwardSize + neuron
          return Double(values[place]) * Double(values[place])
        }.reduce(0, +).squareRoot()
      }
    }
  }

  @Test(arguments: families.indices) func countsWhatEveryNeuronDoesForEveryToken(family: Int) throws {
    let tiny = Self.tiny(Self.families[family])
    let model = try open(tiny)
    let profile = try survey(model).profile
    #expect(profile.tokens == 84 && profile.text == "a.txt")
    let (expected, norms) = (try everything(model), norms(tiny))
    var silent = 0
    for layer in 0..<3 {
      for neuron in 0..<77 {
        let samples = expected[layer][neuron]
        #expect(samples.count == 84)
        let fired = samples.count { $0.hidden != 0 }
        silent += 84 - fired
        #expect(profile.frequencies[layer][neuron] == Float(Double(fired) / 84))
        let added = samples.reduce(0) { $0 + abs($1.hidden) } * norms[layer][neuron] / 84
        #expect(abs(Double(profile.contributions[layer][neuron]) - added) <= 1e-6 * added)
      }
    }
    // Otherwise nothing is tested.
    #expect((silent > 0) == (model.configuration.activation == .relu))
  }

  @Test(arguments: families.indices, [0.3, 0.8] as [Float])
  func thresholdsLeaveOutWhatTheySay(family: Int, target: Float) throws {
    let tiny = Self.tiny(Self.families[family])
    let model = try open(tiny)
    let calibration = try Calibration(survey(model), target: target)
    #expect(calibration.thresholds.thresholds == calibration.layers.map(\.threshold))
    #expect(calibration.thresholds.target == target && calibration.thresholds.tokens == 84)
    let (expected, norms) = (try everything(model), norms(tiny))
    for (layer, found) in calibration.layers.enumerated() {
      var (left, silent, lost, all) = (0, 0, 0.0, 0.0)
      for neuron in 0..<77 {
        for sample in expected[layer][neuron] {
          let added = abs(sample.hidden) * norms[layer][neuron]
          all += added
          if sample.magnitude == 0 { silent += 1 }
          if sample.magnitude < Double(found.threshold) {
            left += 1
            lost += added
          }
        }
      }
      let count = Double(77 * 84)
      // SiLU is rounded, so that a sample or two may lie on the other side of the threshold.
      #expect(abs(found.leftOut - Double(left) / count) < 3 / count, "layer \(layer)")
      #expect(abs(found.silent - Double(silent) / count) < 1e-12)
      #expect(abs(found.kept - (1 - lost / all)) < 1e-4)
      if found.silent < Double(target) {
        #expect(abs(found.leftOut - Double(target)) < 0.01)
      } else {
        #expect(found.leftOut == found.silent && found.kept == 1)
      }
    }
    #expect(abs(calibration.leftOut - calibration.layers.reduce(0) { $0 + $1.leftOut } / 3) < 1e-12)
    #expect(abs(calibration.kept - calibration.layers.reduce(0) { $0 + $1.kept } / 3) < 1e-12)
  }

  /// A profile by thresholds counts as firing what a calibration by the same text keeps.
  @Test(arguments: [0, 4]) func thresholdsDecideWhatFires(family: Int) throws {
    let model = try open(Self.tiny(Self.families[family]))
    #expect(ProfileSummary(try survey(model).profile).active == 1)
    let calibration = try Calibration(survey(model), target: 0.6)
    let summary = ProfileSummary(try survey(model, thresholds: calibration.thresholds).profile)
    for (layer, found) in summary.layers.enumerated() {
      #expect(abs(found.active - (1 - calibration.layers[layer].leftOut)) < 1e-6)
    }
  }

  /// By thresholds that it finds beside the model, decoding the calibration's own text.
  @Test(arguments: [0, 1, 4]) func aSessionLeavesOutWhatACalibrationSays(family: Int) throws {
    let model = try open(Self.tiny(Self.families[family]))
    let calibration = try Calibration(survey(model), target: 0.7)
    try calibration.thresholds.writeSidecar(folder.file("model.thresholds.gguf"), for: model)
    var options = EngineOptions(contextSize: 21, threads: 2)
    options.sparsity.mode = .threshold
    let session = try Engine(model: model, options: options).makeSequence()
    let text = try text(model)
    for chunk in 0..<text.chunkCount {
      session.truncate(to: 0)
      for token in text.input(ofChunk: chunk) { _ = try session.evaluate([token]) }
    }
    let layers = session.engine.sparsityReport.layers
    #expect(layers.map(\.tokens) == [84, 84, 84])
    for (layer, found) in layers.enumerated() {
      // What reaches the first layer is the same as in the calibration, up to the rounding of batches; what reaches the
      // others has been through layers with neurons left out.
      let difference = try #require(found.computed) - (1 - calibration.layers[layer].leftOut)
      #expect(abs(difference) < (layer == 0 ? 0.001 : 0.05), "layer \(layer)")
    }
  }

  @Test(arguments: [0, 2]) func resultsAreTheSameForAnyThreads(family: Int) throws {
    let model = try open(Self.tiny(Self.families[family]))
    let expected = try survey(model, threads: 1)
    for threads in [2, 3, 5] {
      let other = try survey(model, threads: threads)
      #expect(other.profile == expected.profile && other.histograms == expected.histograms)
    }
  }

  @Test func aTargetOfZeroLeavesNothingOut() throws {
    let calibration = try Calibration(survey(open(Self.tiny(Self.families[2]))), target: 0)
    #expect(calibration.thresholds.thresholds == [0, 0, 0] && calibration.leftOut == 0 && calibration.kept == 1)
    #expect(calibration.silent > 0.2)
  }

  @Test(arguments: [TensorType.q4_0, .q8_0, .f16]) func anyTypeOfWeightsIsRead(type: TensorType) throws {
    var tiny = TinyModel(magic: .powerInfer, weightType: type)
    tiny.feedForwardSize = 96
    let statistics = try survey(open(tiny))
    #expect(statistics.profile.contributions.allSatisfy { $0.contains { $0 > 0 } })
    #expect(try Calibration(statistics, target: 0.4).kept > 0.5)
  }

  // MARK: What can go wrong

  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test(arguments: [Float.nan, .infinity], ["ffn_up", "ffn_down"])
  func aDamagedModelIsNamed(value: Float, tensor: String) throws {
    var model = try open(Self.tiny(Self.families[0]))
    let damaged = try model.file.requireTensor("blk.1.\(tensor).weight")
    var bytes = try folder.read("model.gguf")
    let start = try #require(bytes.indices.first { bytes[$0...].starts(with: damaged.bytes) })
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.replaceSubrange(start..<start + 4, with: $0) }
    model = try LanguageModel(opening: folder.write("damaged.gguf", bytes))
    #expect(
      sentence { _ = try survey(model) }
        == "Layer 1 gives infinity or a value that is not a number; the model is damaged.")
  }

  @Test func cancellingIsASentence() throws {
    let model = try open(TinyModel())
    for limit in [0, 1, 3, 6] {
      var asked = 0
      let survey = try NeuronSurvey(
        model: model, text: text(model), named: "", options: EngineOptions(threads: 1, batchSize: 10))
      #expect(
        sentence {
          _ = try survey.run(isCancelled: {
            asked += 1
            return asked > limit
          })
        } == "Cancelled; nothing was written.")
      #expect(asked <= limit + 2)
    }
  }

  @Test func progressEndsWithAllTokens() throws {
    let model = try open(TinyModel())
    var seen: [Int] = []
    let survey = try NeuronSurvey(
      model: model, text: text(model), named: "", options: EngineOptions(threads: 1, batchSize: 10))
    _ = try survey.run(progress: { done, total in
      #expect(total == 84)
      seen.append(done)
    })
    #expect(seen == [10, 20, 21, 31, 41, 42, 52, 62, 63, 73, 83, 84])
  }

  @Test func wrongOptionsAreSentences() throws {
    let model = try open(TinyModel())
    let text = try text(model)
    func complaint(_ options: EngineOptions, _ thresholds: GateThresholds? = nil) -> String {
      sentence {
        _ = try NeuronSurvey(model: model, text: text, named: "", options: options, thresholds: thresholds)
      }
    }
    #expect(complaint(EngineOptions(threads: 0)) == "The number of threads is 0, expected 1 to 512.")
    #expect(complaint(EngineOptions(threads: .max)).hasPrefix("The number of threads is 9223372036854775807, "))
    #expect(complaint(EngineOptions(batchSize: 0)) == "The batch size is 0, expected 1 to 4096.")
    #expect(
      complaint(EngineOptions(), try GateThresholds(thresholds: [1], target: 0, tokens: 1, text: ""))
        == "There are gate thresholds for 1 layers, but the model has 2.")
    #expect(
      sentence { _ = try Calibration(survey(model), target: 1) }
        == "The share of neurons to leave out is 1.0, expected 0 or more and less than 1.")
    #expect(
      SurveyError.notEnoughMemory(bytes: 12).description
        == "Counting what neurons do takes 12 bytes, more than this machine gives; fewer threads take less.")
  }
}
