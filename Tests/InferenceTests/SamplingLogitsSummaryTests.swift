import PowerInfer
import Testing

@Suite struct LogitsSummaryTests {
  private func summary(_ logits: [Float], top: Int) -> LogitsSummary {
    logits.withUnsafeBufferPointer { LogitsSummary($0, top: top) }
  }

  /// Log-sum-exp by NumPy in double precision, the hash by Python's hashlib over `numpy.float32(...).tobytes()`.
  @Test func numbersAreNumPysAndHashlibs() {
    let found = summary([2.5, -1.0, 0.3, 2.5, 1.7, -3.2, 0.9, 4.1, -0.4, 3.3, 0.0, 1.1], top: 4)
    #expect(found.top.map(\.token) == [7, 9, 0, 3])
    #expect(found.top.map(\.logit) == [4.1, 3.3, 2.5, 2.5])
    #expect(abs(found.logSumExp - 4.837744683412) < 1e-7)
    #expect(found.sha256 == "cf93caa6bdd8e496286b8af4829249e8cd8e087a7a44a425cc666aceff99b345")
  }

  @Test func moreThanThereAreAndNumbersThatAreNone() {
    let found = summary([.nan, 1, -.infinity], top: 9)
    #expect(found.top.map(\.token) == [1, 2])
    #expect(summary([], top: 3).top.isEmpty)
    #expect(summary([], top: 3).logSumExp == -.infinity)
    #expect(summary([1, 2], top: -1).top.isEmpty)
  }
}

@Suite struct SpeedTestTests {
  @Test func runsAreTimedAfterOneToWarmUp() throws {
    let evaluator = ScriptedEvaluator()
    var time = 0.0
    var step = 0.5
    func now() -> Double {
      time += step
      return time
    }
    var reports: [Int] = []
    let speeds = try SpeedTest(.prompt, tokens: 8).run(
      on: evaluator, vocabularySize: 120, repetitions: 2, now: now, onRun: { done, _ in reports.append(done) })
    #expect(speeds == [16, 16] && reports == [1, 2, 3])
    #expect(evaluator.reads.map(\.count) == [8, 8, 8] && evaluator.position == 0)
    #expect(evaluator.reads.joined().allSatisfy { $0 >= 0 && $0 < 120 })
    step = 1
    #expect(try SpeedTest(.decode, tokens: 3).run(on: evaluator, vocabularySize: 9, repetitions: 1, now: now) == [3])
    #expect(evaluator.reads.suffix(6).allSatisfy { $0.count == 1 })
    let deep = SpeedTest(.decode, tokens: 3, depth: 20)
    let before = evaluator.reads.count
    #expect(try deep.run(on: evaluator, vocabularySize: 9, repetitions: 1, now: now) == [3])
    #expect(evaluator.reads[before...].map(\.count) == [20, 1, 1, 1, 1, 1, 1] && evaluator.position == 0)
    #expect(deep.name == "tg3 @ d20" && deep.contextSize == 23)
    #expect(SpeedTest(.decode, tokens: 128).name == "tg128" && SpeedTest(.prompt, tokens: 512).name == "pp512")
  }

  /// NumPy: mean and std(ddof=1).
  @Test func spreadIsNumPys() {
    let spread = Spread([1, 2, 4, 9])
    #expect(spread.mean == 4 && abs(spread.deviation - 3.559026084010437) < 1e-12)
    #expect(Spread([5]) == Spread([5, 5]))
    #expect(Spread([]).mean == 0)
  }
}
