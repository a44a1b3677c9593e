import Foundation
import PowerInfer
import PowerInferKernels
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// What is learnt from: gradients, rounding, growth and trimming.
@Suite struct PredictorNetworkTests {
  private let d = 7
  private let f = 11
  private let r = 5
  private let tokens = 9

  private func network(_ random: inout SplitMix64, rank: Int? = nil) -> PredictorNetwork {
    // Sizes that fill no blocks, so that weights are F16.
    PredictorNetwork(
      inputScales: Array(repeating: 1, count: d), neurons: f, rank: rank ?? r, type: .q4_0, random: &random)
  }

  private func fill(_ buffer: FloatBuffer, _ generator: inout SeededGenerator) {
    for index in 0..<buffer.count { buffer.start[index] = generator.float() }
  }

  /// The mean loss of the tokens, in double precision.
  private func loss(_ fc1: [Double], _ fc2: [Double], _ input: [Double], _ weights: [Double], price: Double) -> Double {
    var sum = 0.0
    for token in 0..<tokens {
      let hidden = (0..<r).map { unit in
        max(0, (0..<d).reduce(0.0) { $0 + fc1[unit * d + $1] * input[token * d + $1] })
      }
      for neuron in 0..<f {
        let score = (0..<r).reduce(0.0) { $0 + fc2[neuron * r + $1] * hidden[$1] }
        sum += weights[token * f + neuron] * log1p(exp(-score)) + price * log1p(exp(score))
      }
    }
    return sum / Double(tokens)
  }

  private func doubles(_ buffer: FloatBuffer) -> [Double] { (0..<buffer.count).map { Double(buffer.start[$0]) } }

  @Test func gradientsAreThoseOfTheLoss() throws {
    var (random, generator) = (SplitMix64(seed: 3), SeededGenerator(seed: 4))
    let network = network(&random)
    let scratch = TrainingScratch(batch: tokens, inputs: d, neurons: f, rank: r)
    fill(scratch.input, &generator)
    fill(scratch.weights, &generator)
    for index in 0..<scratch.weights.count { scratch.weights.start[index] = max(0, scratch.weights.start[index]) * 3 }
    let (input, weights) = (doubles(scratch.input), doubles(scratch.weights))
    let rounded = [doubles(network.fc1.rounded), doubles(network.fc2.rounded)]
    scratch.predict(network, count: tokens)
    var gradients: [[Float]] = [[], []]
    scratch.learn(network, count: tokens, price: 0.3) { matrix, gradient in
      let count = matrix.rows * matrix.columns
      gradients[matrix === network.fc1 ? 0 : 1] = Array(UnsafeBufferPointer(start: gradient, count: count))
    }
    for which in 0..<2 {
      #expect(gradients[which].count == rounded[which].count && gradients[which].contains { abs($0) > 0.01 })
      for index in gradients[which].indices {
        func moved(_ step: Double) -> Double {
          var matrices = rounded
          matrices[which][index] += step
          return loss(matrices[0], matrices[1], input, weights, price: Double(Float(0.3)))
        }
        let step = 1e-6
        let expected = (moved(step) - moved(-step)) / (2 * step)
        #expect(abs(Double(gradients[which][index]) - expected) < 1e-5, "matrix \(which), weight \(index)")
      }
    }
  }

  /// Scores of one batch of random inputs.
  private func scores(_ network: PredictorNetwork) -> [Float] {
    var generator = SeededGenerator(seed: 9)
    let scratch = TrainingScratch(batch: tokens, inputs: network.inputs, neurons: network.neurons, rank: network.rank)
    fill(scratch.input, &generator)
    scratch.predict(network, count: tokens)
    return Array(UnsafeBufferPointer(start: scratch.scores.start, count: tokens * network.neurons))
  }

  @Test func growthChangesNoPrediction() {
    var random = SplitMix64(seed: 3)
    let small = network(&random)
    let large = small.grown(to: 12, inputScales: Array(repeating: 1, count: d), random: &random)
    #expect(large.rank == 12 && large.inputs == d && large.neurons == f)
    for (a, b) in zip(scores(small), scores(large)) { #expect(abs(a - b) < 1e-6) }
    let added = (r * d..<12 * d).map { large.fc1.values.start[$0] }
    #expect(added.allSatisfy { $0 != 0 })
  }

  @Test func trimmingTakesWhatMattersLeast() {
    var random = SplitMix64(seed: 3)
    let full = network(&random)
    // Units 1 and 3 do nothing: one because nobody listens, the other because it never speaks.
    for neuron in 0..<f { full.fc2.values.start[neuron * r + 1] = 0 }
    for column in 0..<d { full.fc1.values.start[3 * d + column] = 0 }
    full.round()
    let trimmed = full.trimmed(to: 3, activity: [1, 1, 1, 0, 1])
    #expect(trimmed.rank == 3)
    for (a, b) in zip(scores(full), scores(trimmed)) { #expect(abs(a - b) < 1e-6) }
  }

  @Test(arguments: PredictorType.allCases) func weightsAreTrainedAsTheyAreStored(type: PredictorType) {
    var random = SplitMix64(seed: 5)
    let network = PredictorNetwork(
      inputScales: Array(repeating: 1, count: 64), neurons: 8, rank: 32, type: type, random: &random)
    for matrix in [network.fc1, network.fc2] {
      #expect(matrix.format == type.format)
      let bytes = matrix.encoded()
      #expect(bytes.count == matrix.rows * matrix.rowBytes)
      var floats = [Float](repeating: 0, count: matrix.rows * matrix.columns)
      bytes.withUnsafeBytes {
        Kernels.active.dequantize(type.format, $0.baseAddress!, count: floats.count, into: &floats)
      }
      #expect(floats == (0..<floats.count).map { matrix.rounded.start[$0] })
    }
  }

  @Test func whatIsSavedIsAllThatIsLearnt() throws {
    var random = SplitMix64(seed: 5)
    let network = network(&random)
    for (index, buffer) in [network.fc1.means, network.fc2.squares].enumerated() {
      for place in 0..<buffer.count { buffer.start[place] = Float(place + index) }
    }
    let restored = try #require(PredictorNetwork(blocks: network.blocks, inputs: d, neurons: f, type: .q4_0))
    #expect(zip(network.blocks, restored.blocks).allSatisfy { $0.elementsEqual($1) })
    #expect(scores(network) == scores(restored))
    #expect(PredictorNetwork(blocks: network.blocks, inputs: d + 1, neurons: f, type: .q4_0) == nil)
    #expect(PredictorNetwork(blocks: Array(network.blocks.dropLast()), inputs: d, neurons: f, type: .q4_0) == nil)
    let forgetting = restored.forgetting()
    for buffer in [forgetting.fc1.means, forgetting.fc1.squares, forgetting.fc2.means, forgetting.fc2.squares] {
      #expect(buffer.bytes.allSatisfy { $0 == 0 })
    }
    #expect(scores(forgetting) == scores(network))
  }
}
