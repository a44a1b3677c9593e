import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

@Suite struct MagnitudeHistogramTests {
  private func histogram(_ samples: [(magnitude: Float, weight: UInt128)]) -> MagnitudeHistogram {
    var counts = [UInt64](repeating: 0, count: MagnitudeHistogram.binCount)
    var weights = [UInt128](repeating: 0, count: MagnitudeHistogram.binCount)
    for sample in samples {
      counts[MagnitudeHistogram.bin(sample.magnitude)] += 1
      weights[MagnitudeHistogram.bin(sample.magnitude)] += sample.weight
    }
    var result = MagnitudeHistogram()
    result.merge(counts: counts, weights: weights)
    return result
  }

  @Test func binsFollowOneAnotherInEqualRatios() {
    let last = MagnitudeHistogram.binCount - 1
    #expect(MagnitudeHistogram.edge(0) == 0 && MagnitudeHistogram.edge(1) == 0x1p-28)
    for bin in 1...last {
      let edge = MagnitudeHistogram.edge(bin)
      #expect(MagnitudeHistogram.bin(edge) == bin)
      #expect(MagnitudeHistogram.bin(edge.nextDown) == bin - 1)
      if bin > 1 { #expect(edge > MagnitudeHistogram.edge(bin - 1)) }
      if bin > 1 { #expect(edge / MagnitudeHistogram.edge(bin - 1) <= 1 + 0x1p-7) }
    }
    #expect(MagnitudeHistogram.edge(last) == (0x1p12 as Float) - 0x1p12 / 256)
    for small in [0, .leastNonzeroMagnitude, 1e-30] as [Float] { #expect(MagnitudeHistogram.bin(small) == 0) }
    for large in [4096, 1e9, .greatestFiniteMagnitude] as [Float] { #expect(MagnitudeHistogram.bin(large) == last) }
  }

  /// Against sorting: the shares are those of the threshold to the last count, and as near to the target as one bin is wide.
  @Test(arguments: [0.01, 0.25, 0.4, 0.5, 0.9, 0.999]) func cutsAreThoseOfSorting(target: Double) {
    var random = SeededGenerator(seed: 5)
    let samples = (0..<20_000).map { _ -> (magnitude: Float, weight: UInt128) in
      // Several octaves, most of them small, as gates are.
      let magnitude = abs(random.float() * random.float() * random.float())
      return (magnitude, UInt128(random.below(1000)))
    }
    let cut = histogram(samples).cut(leavingOut: target)
    let below = samples.filter { $0.magnitude < cut.threshold }
    #expect(cut.leftOut == Double(below.count) / 20_000)
    let (lost, all) = (below.reduce(0) { $0 + $1.weight }, samples.reduce(0) { $0 + $1.weight })
    #expect(abs(cut.kept - (1 - Double(lost) / Double(all))) < 1e-12)
    #expect(abs(cut.leftOut - target) < 0.002)
    let exact = samples.map(\.magnitude).sorted()[Int(target * 20_000)]
    #expect(abs(cut.threshold / exact - 1) < 0.01)
  }

  @Test func theNearerShareWinsAndTheLowerOfTwoAsNear() {
    let four = histogram([(1, 1), (2, 1), (3, 1), (4, 1)])
    // Just above the magnitude that is left out, whatever room there is to the next.
    let next = MagnitudeHistogram.edge(MagnitudeHistogram.bin(1) + 1)
    #expect(four.cut(leavingOut: 0.25) == .init(threshold: next, silent: 0, leftOut: 0.25, kept: 0.75))
    #expect(four.cut(leavingOut: 0.3).leftOut == 0.25 && four.cut(leavingOut: 0.45).leftOut == 0.5)
    #expect(four.cut(leavingOut: 0.375).leftOut == 0.25)
    #expect(four.cut(leavingOut: 0.1) == .init(threshold: 0, silent: 0, leftOut: 0, kept: 1))
    #expect(four.cut(leavingOut: 0.99).leftOut == 1 && four.cut(leavingOut: 0.99).kept == 0)
    // The range has an end: what lies beyond is kept.
    #expect(histogram([(1e9, 1), (1, 1)]).cut(leavingOut: 0.99).leftOut == 0.5)
  }

  @Test func silentOnesAreAlwaysLeftOutButForATargetOfZero() {
    let mostlySilent = histogram([(0, 0), (0, 0), (0, 0), (1, 7)])
    #expect(mostlySilent.cut(leavingOut: 0.4) == .init(threshold: 0x1p-28, silent: 0.75, leftOut: 0.75, kept: 1))
    #expect(mostlySilent.cut(leavingOut: 0) == .init(threshold: 0, silent: 0.75, leftOut: 0, kept: 1))
    let silent = histogram([(0, 0), (0, 0)])
    #expect(silent.cut(leavingOut: 0.4) == .init(threshold: 0x1p-28, silent: 1, leftOut: 1, kept: 1))
    #expect(MagnitudeHistogram().cut(leavingOut: 0.4) == .init(threshold: 0, silent: 0, leftOut: 0, kept: 1))
  }
}
