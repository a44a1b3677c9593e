import Foundation
import PowerInfer
import PowerInferTestKit
import Synchronization
import Testing

/// Requests, streams and engines that end early. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct SchedulerEndTests {
  private func endless(maxRows: Int = 64) throws -> FakeExecutor {
    let executor = try FakeExecutor(maxRows: maxRows)
    executor.endsEvery = .max
    return executor
  }

  @Test func cancellingEndsWithWhatCame() async throws {
    let engine = try Engine(fake: endless(), contextSize: 4000)
    let stream = engine.generate(.random(1, prompt: 6, answer: 3000))
    var collected = Collected()
    for try await event in stream {
      collected.add(event)
      if collected.pieces.count == 3 { stream.cancel() }
    }
    #expect(collected.result?.finishReason == .cancelled)
    #expect(collected.result?.text == collected.text && collected.tokens.count < 3000)
    // Beside what is kept of the prompt nothing is left.
    #expect(engine.cacheUse.sequences == 0)
    try engine.forgetPrefixes()
    #expect(engine.cacheUse.pages == 0)
  }

  @Test func cancellingAPromptCountsWhatWasRead() async throws {
    let executor = try endless(maxRows: 8)
    let passes = Mutex(0)
    let gate = Mutex(true)
    executor.onPass = { _ in
      let isLate = passes.withLock { count in
        count += 1
        return count > 5
      }
      while isLate, gate.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.001) }
    }
    let engine = try Engine(fake: executor, contextSize: 4000)
    let stream = engine.generate(.random(1, prompt: 3900, answer: 10))
    var collected = Collected()
    for try await event in stream {
      collected.add(event)
      if collected.progress.last == 40 {
        stream.cancel()
        gate.withLock { $0 = false }
      }
    }
    let statistics = try #require(collected.result?.statistics)
    #expect(statistics.promptTokens == 3900)
    #expect(statistics.readTokens == executor.counts.withLock { $0.promptRows })
    #expect(statistics.readTokens == 48 && statistics.generatedTokens == 0)
    #expect(engine.cacheUse.sequences == 0)
  }

  @Test func aDroppedStreamGivesItsPagesBack() async throws {
    let engine = try Engine(fake: endless(), contextSize: 4000)
    do {
      var iterator = engine.generate(.random(1, prompt: 600, answer: 3000)).makeAsyncIterator()
      _ = try await iterator.next()
    }
    #expect(try await eventually { engine.cacheUse.sequences == 0 && engine.load.running == 0 })
    _ = engine.generate(.random(2, prompt: 600, answer: 3000))
    #expect(try await eventually { engine.cacheUse.sequences == 0 && engine.load == EngineLoad() })
    try engine.forgetPrefixes()
    #expect(engine.cacheUse.pages == 0)
  }

  @Test func aCancelledTaskGetsACancellationErrorAtOnce() async throws {
    let executor = try endless()
    let gate = Mutex(true)
    executor.onPass = { _ in while gate.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.001) } }
    let engine = try Engine(fake: executor)
    let task = Task { try await engine.generate(.random(1, prompt: 6, answer: 100)).collect() }
    #expect(try await eventually { engine.load.running == 1 })
    task.cancel()
    // Although the pass still runs.
    await #expect(throws: CancellationError.self) { try await task.value }
    gate.withLock { $0 = false }
    #expect(try await eventually { engine.cacheUse.sequences == 0 && engine.load.running == 0 })
  }

  @Test func aRequestThatWaitsCanBeCancelled() async throws {
    let engine = try Engine(fake: endless(), contextSize: 4000) { $0.parallel = 1 }
    let first = engine.generate(.random(1, prompt: 6, answer: 3000))
    let second = engine.generate(.random(2, prompt: 6, answer: 3000))
    second.cancel()
    let collected = try await second.collect()
    #expect(collected.result?.finishReason == .cancelled && collected.start == nil)
    first.cancel()
    #expect(try await first.collect().result?.finishReason == .cancelled)
    #expect(engine.load == EngineLoad())
  }

  @Test func anExecutorsErrorEndsTheRequestsOfItsPass() async throws {
    let executor = try endless()
    let passes = Mutex(0)
    executor.onPass = { _ in
      let isLast = passes.withLock { count in
        count += 1
        return count == 10
      }
      if isLast { throw FakeExecutor.Failure() }
    }
    let engine = try Engine(fake: executor)
    let streams = (0..<3).map { engine.generate(.random(UInt64($0), prompt: 6, answer: 400)) }
    for stream in streams { await #expect(throws: FakeExecutor.Failure.self) { try await stream.collect() } }
    #expect(engine.cacheUse.sequences == 0)
    // The engine goes on.
    #expect(try await engine.generate(.random(7, prompt: 6, answer: 4)).collect().tokens.count == 4)
    try engine.forgetPrefixes()
    #expect(engine.cacheUse.pages == 0 && executor.counts.withLock { $0.faults } == [])
  }

  @Test func anEngineLivesAsLongAsItsStreams() async throws {
    weak var weakEngine: Engine?
    var stream: GenerationStream?
    do {
      let engine = try Engine(fake: endless())
      stream = engine.generate(.random(1, prompt: 6, answer: 100))
      weakEngine = engine
    }
    #expect(try await stream?.collect().tokens.count == 100)
    stream = nil
    // Neither the idle thread nor anything else holds it.
    #expect(try await eventually { weakEngine == nil })
  }

  @Test func anEngineGoesInTheMiddleOfAPass() async throws {
    for round in 0..<50 {
      weak var weakEngine: Engine?
      do {
        let engine = try Engine(fake: endless(), contextSize: 4000)
        weakEngine = engine
        var iterators = (0..<4).map {
          engine.generate(.random(UInt64($0), prompt: 50, answer: 3000)).makeAsyncIterator()
        }
        for index in 0..<round % 5 where index < 4 { _ = try await iterators[index].next() }
      }
      #expect(try await eventually { weakEngine == nil })
    }
  }

  @Test func tenThousandRequestsLeaveNothingBehind() async throws {
    let executor = try FakeExecutor()
    executor.endsEvery = 6
    let engine = try Engine(fake: executor, contextSize: 128, pages: 200) { $0.queueLimit = 10_000 }
    let ends = try await withThrowingTaskGroup(of: FinishReason?.self) { group in
      for index in 0..<10_000 {
        group.addTask {
          var random = SeededGenerator(seed: UInt64(index))
          let request = GenerationRequest.random(
            UInt64(index % 500), prompt: 1 + Int(random.next() % 12), answer: 1 + Int(random.next() % 8))
          var greedy = request
          greedy.sampling.temperature = 0
          let stream = engine.generate(index % 4 == 0 ? request : greedy)
          switch random.next() % 8 {
          case 0: return nil  // dropped
          case 1:
            stream.cancel()
            return try await stream.collect().result?.finishReason
          case 2:
            var iterator = stream.makeAsyncIterator()
            for _ in 0..<random.next() % 4 { _ = try await iterator.next() }
            return nil
          default: return try await stream.collect().result?.finishReason
          }
        }
      }
      return try await group.reduce(into: [FinishReason?: Int]()) { $0[$1, default: 0] += 1 }
    }
    #expect(ends[.cancelled, default: 0] + ends[.stop, default: 0] + ends[.length, default: 0] > 7000)
    #expect(ends[.cacheFull] == nil)
    #expect(try await eventually { engine.load == EngineLoad() })
    #expect(engine.cacheUse.sequences == 0)
    try engine.forgetPrefixes()
    #expect(engine.cacheUse.pages == 0)
    executor.counts.withLock { #expect($0.pages == 0 && $0.faults == []) }
  }
}
