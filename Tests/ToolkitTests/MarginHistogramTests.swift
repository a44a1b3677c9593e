import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

@Suite struct MarginHistogramTests {
  private func histogram(_ samples: [(margin: Float, weight: UInt128)]) -> MarginHistogram {
    var counts = [UInt64](repeating: 0, count: MarginHistogram.binCount)
    var weights = [UInt128](repeating: 0, count: MarginHistogram.binCount)
    for sample in samples {
      counts[MarginHistogram.bin(sample.margin)] += 1
      weights[MarginHistogram.bin(sample.margin)] += sample.weight
    }
    var result = MarginHistogram()
    result.merge(counts: counts, weights: weights)
    return result
  }

  @Test func aNeuronIsComputedFromItsBinOn() {
    #expect([-1, 0, .nan, -.infinity].allSatisfy { MarginHistogram.bin($0) == 0 })
    #expect(MarginHistogram.bin(.leastNonzeroMagnitude) == 1 && MarginHistogram.bin(0.019) == 1)
    #expect(MarginHistogram.bin(0.021) == 2 && MarginHistogram.bin(MarginHistogram.limit) == 500)
    for wide in [10.01, 1e9, .infinity] as [Float] { #expect(MarginHistogram.bin(wide) == 501) }
  }

  /// Against trying every margin.
  @Test(arguments: [0, 1e-4, 0.01, 0.3, 1]) func cutsMissNoMoreThanTheirShare(share: Double) {
    var random = SeededGenerator(seed: 3)
    let samples = (0..<5000).map { _ -> (margin: Float, weight: UInt128) in
      let margin = (random.float() - 0.3) * 6
      return (margin, margin < 2 ? UInt128(random.below(1000)) : 0)
    }
    let cut = histogram(samples).cut(missing: share)
    let total = samples.reduce(0) { $0 + $1.weight }
    func missed(_ margin: Float) -> Double {
      Double(samples.filter { $0.margin > margin + 1e-5 }.reduce(0) { $0 + $1.weight }) / Double(total)
    }
    #expect(abs(cut.missed - missed(cut.margin)) < 1e-12 && cut.missed <= share)
    #expect(cut.margin == 0 || missed(cut.margin - MarginHistogram.width) > share)
    let computed = Double(samples.count { $0.margin <= cut.margin + 1e-5 }) / 5000
    #expect(abs(cut.computed - computed) < 1e-12)
  }

  /// Nothing fires, everything fires at once, and what no margin reaches.
  @Test func layersThatAreAllAlike() {
    #expect(histogram([(3, 0), (4, 0)]).cut(missing: 0) == .init(margin: 0, computed: 0, missed: 0))
    #expect(histogram([(-3, 5), (-4, 5)]).cut(missing: 0) == .init(margin: 0, computed: 1, missed: 0))
    #expect(histogram([(-3, 1), (1e9, 1)]).cut(missing: 0) == .init(margin: 10, computed: 0.5, missed: 0.5))
    #expect(MarginHistogram().cut(missing: 0.5) == .init(margin: 0, computed: 0, missed: 0))
  }
}
