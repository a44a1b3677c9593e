import Foundation
import PowerInferGGUF
import PowerInferKernels
import PowerInferSparsity
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInfer
@testable import PowerInferModel

@Suite struct QualityProbeTests {
  /// Another observer's copy of everything that was seen, for a computation of its own.
  private final class Recorder: NeuronObserver {
    struct Neuron: Sendable {
      var gate: Float
      var hidden: Float
      var prediction: Float?
    }

    private let record = Mutex<[Int: [[Neuron]]]>([:])  // by layer, [neuron][token]
    var seen: [Int: [[Neuron]]] { record.withLock { $0 } }
    private let neurons: Int
    private let next: QualityProbe

    init(neurons: Int, next: QualityProbe) {
      self.neurons = neurons
      self.next = next
    }

    func observe(_ view: NeuronView) {
      next.observe(view)
      record.withLock { seen in
        var layer = seen[view.layer] ?? Array(repeating: [], count: neurons)
        for neuron in view.neurons {
          for token in 0..<view.tokens {
            let index = token * view.stride + neuron
            layer[neuron].append(
              Neuron(
                gate: (view.gate ?? view.up)[index], hidden: view.hidden[index], prediction: view.prediction?[index]))
          }
        }
        seen[view.layer] = layer
      }
    }
  }

  private func model(_ family: String, _ folder: TemporaryFolder, magic: Magic = .powerInfer) throws -> LanguageModel {
    var tiny = TinyModel(magic: magic, weightType: .f16)
    tiny.architecture = family
    tiny.predictorRank = 32
    return try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
  }

  private let tokens = (0..<50).map { Int32(($0 * 37 + 11) % 200) }

  /// Norms from the weights, in double precision, by hand.
  private func norms(_ model: LanguageModel) -> [[Double]] {
    model.weights.layers.map { layer in
      func row(_ matrix: Matrix, _ index: Int) -> [Double] {
        var floats = [Float](repeating: 0, count: matrix.columns)
        Kernels.active.dequantize(matrix.format, matrix.row(index), count: matrix.columns, into: &floats)
        return floats.map(Double.init)
      }
      switch layer.down {
      case .neurons(let down):
        return (0..<down.rows).map { row(down, $0).reduce(0) { $0 + $1 * $1 }.squareRoot() }
      case .rows(let down):
        let rows = (0..<down.rows).map { row(down, $0) }
        return (0..<down.columns).map { neuron in rows.reduce(0) { $0 + $1[neuron] * $1[neuron] }.squareRoot() }
      }
    }
  }

  @Test(arguments: [
    ("llama", Magic.gguf), ("llama", .powerInfer), ("bamboo", .powerInfer), ("falcon", .powerInfer),
    ("opt", .powerInfer),
  ])
  func normsOfEitherLayout(family: String, magic: Magic) throws {
    let folder = try TemporaryFolder()
    let model = try model(family, folder, magic: magic)
    let expected = norms(model)
    for workers in [1, 3] {
      let found = NeuronNorms.norms(of: model, team: ThreadTeam(workers: workers))
      #expect(found.count == expected.count)
      for (found, expected) in zip(found, expected) {
        #expect(found.count == 96 && zip(found, expected).allSatisfy { abs(Double($0) - $1) <= 1e-6 * $1 })
      }
    }
  }

  @Test(arguments: ["llama", "bamboo", "falcon", "opt"], [1, 3])
  func predictorsAgainstAPlainComputation(family: String, threads: Int) throws {
    let folder = try TemporaryFolder()
    let model = try model(family, folder)
    let threshold: Float = 0.1
    let sources = [ActivationSource](repeating: .predictor(threshold: threshold), count: 2)
    let probe = QualityProbe(
      model: model, sources: sources, norms: NeuronNorms.norms(of: model, team: ThreadTeam(workers: 1)))
    let recorder = Recorder(neurons: 96, next: probe)
    var options = EngineOptions(contextSize: 64, threads: threads, batchSize: 16)
    options.sparsity.mode = .predictor
    options.sparsity.predictorThreshold = threshold
    options.sparsity.masksPrompts = true
    options.observer = recorder
    try Engine(model: model, options: options).makeSequence().evaluate(tokens, logitsOf: 20..<50) { _, _ in }

    let norms = norms(model)
    for layer in 0..<2 {
      let seen = try #require(recorder.seen[layer])
      var (fired, listed, hits, seenCount) = (0, 0, 0, 0)
      var (all, kept) = (0.0, 0.0)
      for (neuron, tokens) in seen.enumerated() {
        for token in tokens {
          let prediction = try #require(token.prediction)
          let contribution = Double(abs(token.hidden)) * norms[layer][neuron]
          seenCount += 1
          all += contribution
          if token.hidden != 0 { fired += 1 }
          if prediction >= threshold {
            listed += 1
            kept += contribution
            if token.hidden != 0 { hits += 1 }
          }
        }
      }
      let found = probe.layers[layer]
      #expect(found.seen == seenCount && found.fired == fired && found.listed == listed && found.hits == hits)
      #expect(0 < hits && hits < fired && hits < listed)
      #expect(found.recall == Double(hits) / Double(fired) && found.precision == Double(hits) / Double(listed))
      #expect(found.activeShare == Double(fired) / Double(seenCount))
      #expect(found.computedShare == Double(listed) / Double(seenCount))
      #expect(abs(found.contribution - all) < 1e-6 * all && abs(found.keptContribution - kept) < 1e-6 * all)
      #expect(abs(try #require(found.keptShare) - kept / all) < 1e-6)
    }
    // In the last layer those alone whose logits are wanted; with blocks side by side, all of their batches.
    #expect(probe.layers.map(\.seen) == [50 * 96, (family == "falcon" ? 34 : 30) * 96])
    #expect(probe.overall.hits == probe.layers[0].hits + probe.layers[1].hits)
  }

  @Test(arguments: ["llama", "bamboo", "falcon", "opt"])
  func sameBitsForAnyThreads(family: String) throws {
    let folder = try TemporaryFolder()
    let model = try model(family, folder)
    func layers(_ threads: Int) throws -> [NeuronQuality] {
      let norms = NeuronNorms.norms(of: model, team: ThreadTeam(workers: threads))
      let probe = QualityProbe(model: model, sources: [.gate, .predictor(threshold: 0)], norms: norms)
      var options = EngineOptions(contextSize: 64, threads: threads, batchSize: 16)
      options.sparsity.mode = .predictor
      options.sparsity.masksPrompts = true
      options.observer = probe
      _ = try Engine(model: model, options: options).makeSequence().evaluate(tokens)
      return probe.layers
    }
    let one = try layers(1)
    #expect(try layers(2) == one && layers(5) == one)
    // A gate that is not silent lists all that fire.
    #expect(one[0].recall == 1 && one[0].keptShare == 1 && one[0].hits > 0)
  }

  /// Two tokens of a layer of which all but three neurons are silent.
  private func observe(_ source: ActivationSource, _ model: LanguageModel, pieces: [Range<Int>]) -> NeuronQuality {
    let stride = 96
    var gate = [Float](repeating: 0, count: 2 * stride)
    var hidden = gate
    var prediction = [Float](repeating: -1, count: 2 * stride)
    //                    token 0                                token 1
    for (index, g, h, p) in [
      (0, -3, 0.5, 0.25), (70, 2, -4, 0.2), (95, 0.125, 1, .nan), (stride, 1, 2, 0), (stride + 70, -1, 0, 9),
      (stride + 95, 4, -1, -0.5),
    ] as [(Int, Float, Float, Float)] {
      (gate[index], hidden[index], prediction[index]) = (g, h, p)
    }
    var norms = [[Float]](repeating: Array(repeating: 1, count: stride), count: 2)
    (norms[1][0], norms[1][70], norms[1][95]) = (2, 3, 5)
    let probe = QualityProbe(model: model, sources: [.dense, source], norms: norms)
    gate.withUnsafeBufferPointer { gate in
      hidden.withUnsafeBufferPointer { hidden in
        prediction.withUnsafeBufferPointer { prediction in
          guard let hidden = hidden.baseAddress else { return }
          for (worker, piece) in pieces.enumerated() {
            probe.observe(
              NeuronView(
                layer: 1, worker: worker, neurons: piece, tokens: 2, stride: stride, gate: gate.baseAddress, up: hidden,
                hidden: hidden, prediction: prediction.baseAddress))
          }
        }
      }
    }
    #expect(probe.layers[0] == NeuronQuality() && probe.layers[0].recall == nil && probe.layers[0].keptShare == nil)
    return probe.layers[1]
  }

  /// Contributions: 1, 12, 5 of the first token, 4, 0, 5 of the second: 27 in all.
  @Test(
    arguments: [
      // silu: -0.14, 1.76, 0.07; 0.73, -0.27, 3.93
      (ActivationSource.threshold(0.7), false, 3, 3, 21), (.threshold(0.1), false, 5, 4, 22),
      (.threshold(0), false, 192, 5, 27),
      (.threshold(.infinity), false, 0, 0, 0),
      // relu: 0, 2, 0.125; 1, 0, 4
      (.threshold(0.125), true, 4, 4, 26), (.threshold(2), true, 2, 2, 17),
      (.gate, true, 4, 4, 26), (.dense, true, 192, 5, 27),
      // 0.25, 0.2, NaN; 0, 9, -0.5
      (.predictor(threshold: 0.2), true, 4, 3, 18), (.predictor(threshold: 0.25), true, 3, 2, 6),
      (.predictor(threshold: .infinity), true, 1, 1, 5), (.predictor(threshold: -.infinity), true, 192, 5, 27),
    ] as [(ActivationSource, Bool, Int, Int, Double)])
  func aCaseByHand(source: ActivationSource, isReLU: Bool, listed: Int, hits: Int, kept: Double) throws {
    let folder = try TemporaryFolder()
    let model = try model("llama", folder, magic: isReLU ? .powerInfer : .gguf)
    let expected = observe(source, model, pieces: [0..<96])
    #expect(expected.seen == 192 && expected.fired == 5 && expected.contribution == 27)
    #expect(expected.listed == listed && expected.hits == hits && expected.keptContribution == kept)
    #expect(expected.recall == Double(hits) / 5 && expected.keptShare == kept / 27)
    #expect(expected.precision == (listed == 0 ? nil : Double(hits) / Double(listed)))
    #expect(observe(source, model, pieces: [32..<96, 0..<32]) == expected)
  }
}
