import PowerInferSparsity
import PowerInferTestKit
import Testing

@Suite struct NeuronOrderTests {
  @Test(arguments: [0, 1, 7]) func theFilesOwnOrderHasNoHotNeurons(count: Int) {
    let order = NeuronOrder(count: count)
    #expect(order.neurons == (0..<UInt32(count)).map { $0 } && order.hotCount == 0)
  }

  @Test func hottestComeFirstAndEquallyHotKeepTheirOrder() {
    let order = NeuronOrder(frequencies: [0.1, 0.9, 0, 0.9, 1, .nan, 0.1], askingCost: 1, computingCost: 10)
    #expect(order.neurons == [4, 1, 3, 0, 6, 2, 5])
    // (1 - 0.9) · 10 is 1, but for the rounding of 0.9, which lies a little below.
    #expect(order.hotCount == 1)
    #expect(NeuronOrder(frequencies: [], askingCost: 1, computingCost: 1) == NeuronOrder(count: 0))
  }

  /// Asking reads 128 bytes, computing in vain 512: worth it down to a frequency of 3/4.
  @Test func hotIsWhatCostsNoMoreThanAsking() {
    func hotCount(_ frequencies: [Float], _ asking: Double, _ computing: Double) -> Int {
      NeuronOrder(frequencies: frequencies, askingCost: asking, computingCost: computing).hotCount
    }
    #expect(hotCount([0.75, 0.7499, 1, 0.2], 128, 512) == 2)
    #expect(hotCount([1, 0.9999, 1], 0, 512) == 2)
    // However dear asking is, a neuron that is silent more often than not is no hot one.
    #expect(hotCount([0.5, 0.4999, 0.6], 1000, 1) == 2)
    #expect(hotCount([0.5, 0.4999, 0.6], 1, 0) == 2)
    #expect(hotCount([1, 1], .nan, 1) == 0 && hotCount([1, 1], 1, .nan) == 0)
  }

  @Test func everyOrderIsAPermutationByFallingFrequency() {
    var random = SeededGenerator(seed: 4)
    for count in [1, 2, 31, 1000] {
      // Coarse, so that many are equally frequent.
      let frequencies = (0..<count).map { _ in Float(random.below(20)) / 20 }
      let order = NeuronOrder(frequencies: frequencies, askingCost: 1, computingCost: 4)
      #expect(order.neurons.sorted() == (0..<UInt32(count)).map { $0 })
      let sorted = order.neurons.map { frequencies[Int($0)] }
      #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0 >= $1 })
      #expect(order.hotCount == frequencies.count { $0 >= 0.75 })
    }
  }
}
