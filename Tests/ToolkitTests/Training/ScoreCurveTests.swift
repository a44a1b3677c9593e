import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

@Suite struct ScoreCurveTests {
  private func samples(_ seed: UInt64, shift: Float = 0) -> [(score: Float, weight: Float)] {
    var generator = SeededGenerator(seed: seed)
    return (0..<5000).map { _ in
      let weight = max(0, generator.float())
      return (generator.float() * 4 + weight * 2 + shift, weight)
    }
  }

  private func curve(_ samples: [(score: Float, weight: Float)]) -> ScoreCurve {
    var curve = ScoreCurve()
    for sample in samples { curve.add(sample.score, weight: sample.weight) }
    return curve
  }

  /// What a threshold does, counted one by one.
  private func exact(_ samples: [(score: Float, weight: Float)], _ threshold: Float) -> (
    computed: Double, found: Double
  ) {
    let listed = samples.filter { $0.score >= threshold }
    func sum(_ samples: [(score: Float, weight: Float)]) -> Double { samples.reduce(0) { $0 + Double($1.weight) } }
    return (Double(listed.count) / Double(samples.count), sum(listed) / sum(samples))
  }

  @Test func everyPointIsWhatItsThresholdDoes() {
    let samples = samples(1)
    let points = curve(samples).points
    #expect(points.last?.computed == 1 && points.contains { $0.threshold == 0 })
    for point in points where point.threshold > -60 {
      let expected = exact(samples, point.threshold)
      #expect(abs(point.computed - expected.computed) < 1e-12 && abs(point.found - expected.found) < 1e-9)
    }
    #expect(zip(points, points.dropFirst()).allSatisfy { $0.threshold > $1.threshold })
  }

  @Test(arguments: [0.05, 0.3, 0.9]) func sharesAreFoundBetweenBins(share: Double) {
    let samples = samples(2)
    let points = curve(samples).points
    let computed = ScoreCurve.point(in: points, where: \.computed, is: share)
    #expect(abs(exact(samples, computed.threshold).computed - share) < 0.01 && abs(computed.computed - share) < 1e-9)
    let found = ScoreCurve.point(in: points, where: \.found, is: share)
    #expect(abs(exact(samples, found.threshold).found - share) < 0.01 && abs(found.found - share) < 1e-9)
  }

  @Test func scoresBeyondTheBinsAndNoNumbers() {
    var curve = ScoreCurve()
    for score: Float in [1e30, -1e30, 1e-30, -1e-30, 0, -0.0] { curve.add(score, weight: 1) }
    #expect(curve.isFinite)
    let zero = curve.points.first { $0.threshold == 0 }
    #expect(zero?.computed == 4.0 / 6)
    curve.add(.nan, weight: 0)
    #expect(!curve.isFinite)
    #expect(
      ScoreCurve().points.last
        == ScoreCurve.Point(threshold: ScoreCurve().points.last!.threshold, computed: 0, found: 1))
  }

  private func shares(_ aims: [LayerAim]) -> [Double] {
    aims.map { aim in
      if case .computed(let share) = aim { share } else { -1 }
    }
  }

  /// Layers whose scores lie higher compute more, and all together what is wanted.
  @Test func layersShareOutWhatIsComputed() throws {
    let all = [samples(3), samples(4, shift: 1), samples(5, shift: -2)]
    let curves = all.map(curve)
    let aims = LayerAim.shared(.computed(0.25), curves, prices: [1, 1, 1])
    let shares = shares(aims)
    #expect(abs(shares.reduce(0, +) / 3 - 0.25) < 1e-6)
    #expect(shares[1] > shares[0] && shares[0] > shares[2])
    // The same threshold in each, as counted one by one.
    let threshold = aims[0].point(on: curves[0]).threshold
    for (samples, share) in zip(all, shares) { #expect(abs(exact(samples, threshold).computed - share) < 0.01) }
    let found = LayerAim.shared(.kept(0.9), curves, prices: [1, 1, 1])
    let kept = zip(found, curves).map { $0.point(on: $1).found }.reduce(0, +) / 3
    #expect(abs(kept - 0.9) < 1e-3)
  }

  /// What was learnt at a higher price has lower scores, and is to compute no less for it.
  @Test func pricesAreMadeUpFor() {
    let shift = Float(1.5)
    let plain = LayerAim.shared(.computed(0.4), [samples(3), samples(4)].map(curve), prices: [0.1, 0.1])
    let moved = LayerAim.shared(
      .computed(0.4), [samples(3), samples(4, shift: -shift)].map(curve), prices: [0.1, 0.1 * exp(shift)])
    for (a, b) in zip(shares(plain), shares(moved)) { #expect(abs(a - b) < 0.01) }
  }
}
