import Foundation
import PowerInferKernels
import PowerInferModel
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInfer

@Suite struct ProfileTests {
  /// A clock that a test sets.
  final class FakeClock: Sendable {
    private let time = Atomic<UInt64>(0)

    var nanoseconds: UInt64 {
      get { time.load(ordering: .relaxed) }
      set { time.store(newValue, ordering: .relaxed) }
    }
  }

  let clock = FakeClock()

  func profile(threads: Int) -> Profile {
    let clock = clock
    return Profile(threads: threads) { clock.nanoseconds }
  }

  @Test func timeGoesToTheStageThatRuns() {
    let profile = profile(threads: 2)
    profile.measure(.decode, .init(passes: 1, tokens: 1, positions: 10)) {
      profile.enter(.attentionNorm, thread: 0)
      clock.nanoseconds = 5
      #expect(profile.enter(.attention, thread: 0) == .attentionNorm)
      #expect(profile.enter(.attention, thread: 1) == nil)
      clock.nanoseconds = 12
      #expect(profile.enter(.waiting, thread: 0) == .attention)
      clock.nanoseconds = 20
      #expect(profile.enter(nil, thread: 0) == .waiting)
      #expect(profile.enter(nil, thread: 1) == .attention)
      clock.nanoseconds = 23
    }
    #expect(profile.nanoseconds(.decode, .attentionNorm, thread: 0) == 5)
    #expect(profile.nanoseconds(.decode, .attention, thread: 0) == 7)
    #expect(profile.nanoseconds(.decode, .attention, thread: 1) == 15)
    #expect(profile.nanoseconds(.decode, .waiting, thread: 0) == 8)
    #expect(profile.meanNanoseconds(.decode, .attention) == 11)
    for stage in Stage.allCases { #expect(profile.meanNanoseconds(.prompt, stage) == 0) }
    #expect(profile.work(.decode) == .init(passes: 1, tokens: 1, positions: 10, logits: 0, nanoseconds: 23))
    profile.reset()
    #expect(profile.work(.decode) == .init() && profile.meanNanoseconds(.decode, .attention) == 0)
  }

  @Test func passesAndLogitsAddUp() {
    let profile = profile(threads: 1)
    profile.measure(.prompt, .init(passes: 1, tokens: 3, positions: 6)) { clock.nanoseconds += 100 }
    profile.measure(.prompt, .init(passes: 1, tokens: 2, positions: 9)) { clock.nanoseconds += 50 }
    profile.measure(.prompt, .init(logits: 1)) { clock.nanoseconds += 7 }
    #expect(profile.work(.prompt) == .init(passes: 2, tokens: 5, positions: 15, logits: 1, nanoseconds: 157))
    #expect(profile.work(.decode) == .init())
  }

  @Test func aThreadTooManyIsIgnored() {
    let profile = profile(threads: 1)
    #expect(profile.enter(.down, thread: 1) == nil)
    clock.nanoseconds = 9
    #expect(profile.enter(.down, thread: 1) == nil)
    #expect(profile.meanNanoseconds(.prompt, .down) == 0)
  }

  @Test(arguments: [1, 2, 3])
  func everyMomentBelongsToOneStage(threads: Int) {
    let team = ThreadTeam(workers: threads)
    // A clock that goes on by one whenever anybody looks, so that times are never 0.
    let ticks = Atomic<UInt64>(0)
    let profile = Profile(threads: threads) { ticks.add(1, ordering: .relaxed).newValue }
    let clock = StageClock(profile)
    let arrivals = Atomic<Int>(0)
    profile.measure(.decode, .init(passes: 1, tokens: 1)) {
      team.run { member in
        clock.enter(.gateUp, member: member)
        clock.sync(member)
        arrivals.add(1, ordering: .relaxed)
        clock.enter(.down, member: member)
        clock.leave(member: member)
      }
    }
    #expect(arrivals.load(ordering: .relaxed) == threads)
    for thread in 0..<threads {
      for stage in [Stage.gateUp, .waiting, .down] {
        #expect(profile.nanoseconds(.decode, stage, thread: thread) > 0)
      }
      let inside = Stage.allCases.reduce(0) { $0 + profile.nanoseconds(.decode, $1, thread: thread) }
      #expect(inside < profile.work(.decode).nanoseconds)
    }
  }

  /// Without a profile a barrier still is one.
  @Test func aClockThatIsOffOnlyWaits() {
    let team = ThreadTeam(workers: 2)
    let arrived = Atomic<Int>(0)
    let early = Atomic<Int>(0)
    for _ in 0..<100 {
      arrived.store(0, ordering: .relaxed)
      team.run { member in
        StageClock.off.enter(.logits, member: member)
        arrived.add(1, ordering: .relaxed)
        StageClock.off.sync(member)
        if arrived.load(ordering: .relaxed) != 2 { early.add(1, ordering: .relaxed) }
        StageClock.off.leave(member: member)
      }
    }
    #expect(early.load(ordering: .relaxed) == 0)
  }

  @Test func aReportIsPerToken() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: TinyModel().write(to: folder.file("model.gguf")))
    let profile = profile(threads: 2)
    // Four tokens at positions 0 to 3: 10 positions. Of 40 µs, thread 0 is 16 in attention, thread 1 24 in gate and up.
    for token in 0..<4 {
      profile.measure(.decode, .init(passes: 1, tokens: 1, positions: token + 1, logits: 1)) {
        profile.enter(.attention, thread: 0)
        profile.enter(.gateUp, thread: 1)
        clock.nanoseconds += 4000
        profile.enter(.waiting, thread: 0)
        clock.nanoseconds += 2000
        for thread in 0..<2 { profile.enter(nil, thread: thread) }
        clock.nanoseconds += 4000
      }
    }
    let report = try #require(
      ProfileReport(profile.times, .decode, model: model, cacheBytesPerPosition: 256))
    #expect(report.phase == "decode" && report.threads == 2 && report.tokens == 4)
    #expect(report.microsecondsPerToken == 10)
    func row(_ title: String) throws -> ProfileReport.Row {
      try #require(report.rows.first { $0.stage == title })
    }
    // 8 µs in the mean of the threads, of 2560 bytes of keys and values.
    #expect(
      try row("attention")
        == .init(stage: "attention", microsecondsPerToken: 2, share: 0.2, gigabytesPerSecond: 2560 / 8000))
    // 12 µs: 98,304 bytes and 24,576 products for each of four tokens.
    #expect(
      try row("gate and up")
        == .init(
          stage: "gate and up", microsecondsPerToken: 3, share: 0.3, gigabytesPerSecond: 4 * 98_304 / 12_000,
          gigaflopsPerSecond: 8 * 24_576 / 12_000))
    #expect(try row("waiting") == .init(stage: "waiting", microsecondsPerToken: 1, share: 0.1))
    #expect(try row("outside") == .init(stage: "outside", microsecondsPerToken: 4, share: 0.4))
    #expect(try row("down") == .init(stage: "down", microsecondsPerToken: 0, share: 0))
    #expect(abs(report.rows.reduce(0) { $0 + $1.share } - 1) < 1e-12)
    #expect(ProfileReport(profile.times, .prompt, model: model, cacheBytesPerPosition: 256) == nil)
  }

  @Test func anEngineTellsPromptsFromDecoding() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: TinyModel().write(to: folder.file("model.gguf")))
    var options = EngineOptions(threads: 2, batchSize: 4)
    #expect(try Engine(model: model, options: options).statistics.stages == nil)
    options.isProfiled = true
    let engine = try Engine(model: model, options: options)
    let sequence = engine.makeSequence()
    _ = try sequence.evaluate([1, 2, 3, 4, 5, 6])
    _ = try sequence.evaluate([7])
    func work(_ phase: Batch.Phase) throws -> StageTimes.Work {
      var work = try #require(engine.statistics.stages?.phases.first { $0.phase == phase }).work
      #expect(work.nanoseconds > 0)
      work.nanoseconds = 0
      return work
    }
    #expect(try work(.prompt) == .init(passes: 2, tokens: 6, positions: 21, logits: 1))
    #expect(try work(.decode) == .init(passes: 1, tokens: 1, positions: 7, logits: 1))
    #expect(engine.profileReports.map(\.phase) == ["prompt", "decode"])
    engine.resetMeasurements()
    #expect(engine.profileReports.isEmpty)
  }

  @Test func decodingReadsTheWeightsAndTheCache() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: TinyModel().write(to: folder.file("model.gguf")))
    let session = try Engine(model: model, options: .init(threads: 1))
    // Keys and values of two layers, 32 elements of two bytes each.
    #expect(session.cacheBytesPerPosition == 256)
    let weights = Double(model.weights.bytesPerToken)
    #expect(session.bytesPerToken(decoding: 1) == weights + 256)
    // The tokens look at 11, 12 and 13 positions.
    #expect(session.bytesPerToken(decoding: 3, from: 10) == weights + 12 * 256)
    // The last layer spares four tokens 22,528 products each.
    let products = 5 * 61_440 - 4 * 22_528 + 64 * model.configuration.vocabularySize
    #expect(session.operations(prompt: 5) == 2 * products)
  }
}
