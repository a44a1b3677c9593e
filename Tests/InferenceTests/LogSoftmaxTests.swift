import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInfer

@Suite struct LogSoftmaxTests {
  private func row<Result>(_ logits: [Float], _ body: (LogitRow) throws -> Result) rethrows -> Result {
    try logits.withUnsafeBufferPointer { try body(LogitRow($0)) }
  }

  @Test func theExponentialIsTheLibrarys() {
    var random = SeededGenerator(seed: 3)
    var inputs = [0, -0.0, -0x1p-1022, -1e-300, -1e-17, -log(2.0) / 2, -log(2.0), -1, -707.9, -708]
    for scale in [1e-6, 1.0, 40, 700] { inputs += (0..<500).map { _ in -abs(Double(random.float())) * scale } }
    for x in inputs {
      let found = exponential(ofNonPositive: SIMD8(repeating: x))[7]
      #expect(abs(found - exp(x)) <= 1e-15 * exp(x), "\(x)")
    }
    var lanes = SIMD8<Double>(0, -708.1, -1e300, -.infinity, .nan, -1, -2, -3)
    lanes = exponential(ofNonPositive: lanes)
    #expect(lanes[0] == 1 && lanes[1] == 0 && lanes[2] == 0 && lanes[3] == 0 && lanes[4].isNaN)
    #expect(abs(lanes[7] - exp(-3)) < 1e-16)
  }

  @Test(arguments: [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 280, 1000])
  func sumsAreExactAtAnyWidth(count: Int) {
    var random = SeededGenerator(seed: UInt64(count))
    for scale in [Float(1), 30, 1e4] {
      var logits = random.floats(count, scale: scale)
      if count > 2 { logits[count / 2] = -.infinity }
      let best = logits.max() ?? 0
      let expected = Double(best) + log(logits.reduce(0) { $0 + exp(Double($1) - Double(best)) })
      row(logits) {
        #expect(abs($0.logSumExp - expected) <= 1e-14 * max(1, abs(expected)))
        #expect(Int($0.top) == logits.firstIndex(of: best))
        #expect($0.logProbability(of: 0) == Double(logits[0]) - $0.logSumExp)
      }
    }
  }

  @Test(arguments: ["tiny-yarn-f32", "tiny-k-quants"]) func agreesWithGoldenLogits(name: String) throws {
    for golden in try GoldenPrompt.load("Tiny/\(name).json") {
      let logits = try #require(golden.dense.logits).map { Float($0) }
      // The file has logits to five digits and log-sum-exp to four.
      row(logits) { #expect(abs($0.logSumExp - golden.dense.logsumexp) < 0.00006) }
    }
  }

  @Test(arguments: [1, 8, 17, 40]) func noDistributionIsNotFinite(count: Int) {
    for index in [0, count / 2, count - 1] {
      for value in [Float.nan, .infinity] {
        var logits = [Float](repeating: 1, count: count)
        logits[index] = value
        row(logits) { #expect(!$0.logSumExp.isFinite) }
      }
    }
    row([Float](repeating: -.infinity, count: count)) { #expect(!$0.logSumExp.isFinite) }
  }

  @Test func ofEqualLogitsTheFirstIsTheTop() {
    row([0, 2, 1, 2]) { #expect($0.top == 1) }
  }

  @Test func estimates() {
    var mean = RunningMean()
    #expect(mean.estimate.value.isNaN && mean.estimate.error == nil)
    mean.add(1e9 + 1)
    #expect(mean.estimate == Estimate(1e9 + 1, error: nil))
    for x in [1e9 + 2, 1e9 + 6] { mean.add(x) }
    // The variance of 1, 2, 6 is 7.
    #expect(mean.estimate.value == 1e9 + 3)
    #expect(abs((mean.estimate.error ?? 0) - (7.0 / 3).squareRoot()) < 1e-9)
    mean.add(.infinity)
    mean.add(1)
    #expect(mean.estimate == Estimate(.infinity, error: nil))

    #expect(Estimate.share(1, of: 2) == Estimate(0.5, error: 0.5))
    #expect(Estimate.share(1, of: 1) == Estimate(1, error: nil))
    #expect(Estimate.squareRoot(of: Estimate(4, error: 1)) == Estimate(2, error: 0.25))
    #expect(Estimate.squareRoot(of: Estimate(0, error: 0)) == Estimate(0, error: 0))
  }

  @Test func quantilesLieBetweenTheirNeighbours() {
    let quantile = Quantiles([4, 1, 3, 2])
    #expect(quantile(0) == 1 && quantile(1) == 4 && quantile(0.5) == 2.5)
    #expect(abs(quantile(0.9) - 3.7) < 1e-12)
    #expect(Quantiles([7])(0.3) == 7)
    #expect(Quantiles([1, .infinity])(0) == 1 && Quantiles([1, .infinity])(0.5) == .infinity)
  }

  @Test func aDivergenceNeedsVariationToCorrelate() {
    var score = DivergenceScore()
    for _ in 0..<3 {
      score.add(.init(negativeLogLikelihood: 1, reference: 2, divergence: 0, hasSameTop: false))
    }
    #expect(
      score.correlation == nil && score.sameTop == Estimate(0, error: 0) && score.logRatio == Estimate(-1, error: 0))
  }
}
