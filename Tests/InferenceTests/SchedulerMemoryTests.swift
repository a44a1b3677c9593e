import Foundation
import PowerInfer
import PowerInferTestKit
import Synchronization
import Testing

/// Who gets pages, who gives them up, and that none is lost. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct SchedulerMemoryTests {
  @Test func aSharedBeginningIsReadOnce() async throws {
    let executor = try FakeExecutor(maxRows: 16)
    let engine = try Engine(fake: executor)
    let system = GenerationRequest.random(99, prompt: 200, answer: 0).promptTokens
    let requests = (0..<6).map { index in
      var request = GenerationRequest.random(UInt64(index), prompt: 9, answer: 5)
      request.prompt = .tokens(system + request.promptTokens)
      return request
    }
    let found = try await withThrowingTaskGroup(of: (Int, Collected).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask { (index, try await engine.generate(request).collect()) }
      }
      return try await group.reduce(into: [Int: Collected]()) { $0[$1.0] = $1.1 }
    }
    for (index, request) in requests.enumerated() {
      #expect(try await alone(request).tokens == found[index]?.tokens)
    }
    executor.counts.withLock { counts in
      #expect(counts.faults == [])
      #expect(counts.promptRows == 200 + 6 * 9)
    }
    #expect(found.values.count { $0.start?.reusedTokens == 200 } == 5)
    // A later one that begins like an answered one goes on from its answer, too.
    let first = try #require(found[0])
    var next = requests[0]
    next.prompt = .tokens(requests[0].promptTokens + first.tokens.dropLast() + [7, 8, 9])
    let later = try await engine.generate(next).collect()
    #expect(later.start?.reusedTokens == 209 + first.tokens.count - 1)
    #expect(try await alone(next).tokens == later.tokens)
    // Not so for one that wants nothing of others, nor after one that leaves nothing.
    next.usesPrefixes = false
    #expect(try await engine.generate(next).collect().start?.reusedTokens == 0)
    var secret = GenerationRequest.random(50, prompt: 40, answer: 4)
    secret.keepsPrefix = false
    _ = try await engine.generate(secret).collect()
    #expect(try await engine.generate(secret).collect().start?.reusedTokens == 0)
    #expect(executor.counts.withLock { $0.faults } == [])
  }

  @Test func nothingIsKeptWhereNothingShallBe() async throws {
    let engine = try Engine(fake: FakeExecutor()) { $0.keepsPrefixes = false }
    for _ in 0..<2 {
      let collected = try await engine.generate(.random(1, prompt: 30, answer: 4)).collect()
      #expect(collected.start?.reusedTokens == 0)
      #expect(engine.cacheUse.pages == 0)
    }
  }

  /// Who gives up pages reads them again, and every answer comes to its end.
  @Test(arguments: [1, 3, 4, 16]) func answersThatFindNoPageWaitAndGoOn(maxRows: Int) async throws {
    let executor = try FakeExecutor(maxRows: maxRows)
    executor.endsEvery = .max
    // One context of 64 positions: seven answers of 40 tokens do not fit.
    let engine = try Engine(fake: executor, contextSize: 64, pages: 16)
    let found = try await withThrowingTaskGroup(of: Collected.self) { group in
      for index in 0..<7 {
        group.addTask { try await engine.generate(.random(UInt64(index), prompt: 6, answer: 40)).collect() }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let reasons = found.compactMap(\.result?.finishReason)
    #expect(reasons == Array(repeating: .length, count: 7))
    for collected in found {
      let seed = try #require(collected.start?.seed)
      let expected = try await endlessAnswer(seed)
      #expect(expected.tokens == collected.tokens)
      #expect(collected.text == collected.result?.text)
    }
    #expect(executor.counts.withLock { $0.faults } == [])
    #expect(engine.cacheUse.sequences == 0)
    try engine.forgetPrefixes()
    #expect(engine.cacheUse.pages == 0)
  }

  /// Prompts, answers and what is read again share passes: each gets its own logits.
  @Test(arguments: [16, 18, 20, 22, 24, 27, 32, 48], 0..<2)
  func everyoneGetsTheirOwnLogits(pages: Int, round: Int) async throws {
    let executor = try FakeExecutor(maxRows: 64)
    executor.endsEvery = .max
    let engine = try Engine(fake: executor, contextSize: 64, pages: pages) { $0.keepsPrefixes = false }
    let requests = (0..<24).map { index in
      GenerationRequest.random(
        UInt64(24 * round + index), prompt: 2 + index * 13 % 41, answer: 3 + index * 7 % 19)
    }
    let found = try await withThrowingTaskGroup(of: (Int, Collected).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask { (index, try await engine.generate(request).collect()) }
      }
      return try await group.reduce(into: [Int: Collected]()) { $0[$1.0] = $1.1 }
    }
    for (index, request) in requests.enumerated() {
      let executor = try FakeExecutor()
      executor.endsEvery = .max
      let expected = try await Engine(fake: executor).generate(request).collect()
      #expect(found[index]?.tokens == expected.tokens && found[index]?.text == expected.text, "request \(index)")
      #expect(found[index]?.result?.finishReason == .length)
    }
    #expect(executor.counts.withLock { $0.faults } == [])
    #expect(engine.cacheUse.pages == 0)
  }

  private func endlessAnswer(_ seed: UInt64) async throws -> Collected {
    let executor = try FakeExecutor()
    executor.endsEvery = .max
    return try await Engine(fake: executor).generate(.random(seed, prompt: 6, answer: 40)).collect()
  }

  @Test func aPromptWaitsForPagesThatOthersUse() async throws {
    let executor = try FakeExecutor(maxRows: 16)
    executor.endsEvery = .max
    let engine = try Engine(fake: executor, contextSize: 64, pages: 16)
    let first = engine.generate(.random(1, prompt: 30, answer: 20))
    let second = engine.generate(.random(2, prompt: 50, answer: 5))
    let third = engine.generate(.random(3, prompt: 50, answer: 5))
    #expect(try await first.collect().tokens.count == 20)
    #expect(try await second.collect().tokens.count == 5)
    #expect(try await third.collect().tokens.count == 5)
    #expect(executor.counts.withLock { $0.faults } == [])
  }

  @Test func promptsThatBlockEachOtherAreReadOneAfterTheOther() async throws {
    let executor = try FakeExecutor(maxRows: 64)
    executor.endsEvery = .max
    let engine = try Engine(fake: executor, contextSize: 64, pages: 16) { $0.keepsPrefixes = false }
    let found = try await withThrowingTaskGroup(of: Collected.self) { group in
      for index in 0..<4 {
        group.addTask { try await engine.generate(.random(UInt64(index), prompt: 60, answer: 3)).collect() }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    for collected in found {
      let seed = try #require(collected.start?.seed)
      let executor = try FakeExecutor()
      executor.endsEvery = .max
      let expected = try await Engine(fake: executor).generate(.random(seed, prompt: 60, answer: 3)).collect()
      #expect(expected.tokens == collected.tokens)
    }
    #expect(executor.counts.withLock { $0.faults } == [])
    #expect(engine.cacheUse.pages == 0)
  }

  @Test func alonePromptsThatFindNoPageFail() async throws {
    let executor = try FakeExecutor()
    let engine = try Engine(fake: executor, contextSize: 64, pages: 16)
    let taken = engine.makeSequence()
    try taken.append(Array(repeating: 5, count: 60))
    let error = await #expect(throws: EngineError.self) {
      try await engine.generate(.random(1, prompt: 20, answer: 5)).collect()
    }
    #expect(
      error?.description
        == "The key/value cache is full: all of its 16 pages (1024 bytes) are in use.")
    // In the middle of an answer it is an end.
    let short = try await engine.generate(.random(1, prompt: 3, answer: 50)).collect()
    #expect(short.result?.finishReason == .cacheFull || short.result?.finishReason == .stop)
    taken.close()
    #expect(try await engine.generate(.random(1, prompt: 20, answer: 5)).collect().result != nil)
    #expect(executor.counts.withLock { $0.faults } == [])
  }

  @Test func aConsumerThatStopsReadingPausesItsOwnRequestAlone() async throws {
    let executor = try FakeExecutor()
    executor.endsEvery = .max
    let engine = try Engine(fake: executor) { $0.eventLimit = 4 }
    let slow = GenerationRequest.random(1, prompt: 6, answer: 60)
    let stream = engine.generate(slow)
    var iterator = stream.makeAsyncIterator()
    var collected = Collected()
    if let event = try await iterator.next() { collected.add(event) }
    let other = try await engine.generate(.random(2, prompt: 6, answer: 60)).collect()
    #expect(other.tokens.count == 60)
    // Nothing is computed for nobody.
    var before = -1
    #expect(
      try await eventually {
        let now = executor.counts.withLock { $0.passes }
        defer { before = now }
        return now == before
      })
    // The other one took 66 rows, this one its prompt and what may wait.
    let rows = executor.counts.withLock { $0.rows }
    #expect(rows < 112)
    while let event = try await iterator.next() { collected.add(event) }
    let plain = try FakeExecutor()
    plain.endsEvery = .max
    let expected = try await Engine(fake: plain).generate(slow).collect()
    #expect(collected.tokens == expected.tokens && collected.text == expected.text)
  }

  @Test(arguments: [false, true])
  func aPausedRequestGivesUpItsPagesAndReadsThemAgain(isDeterministic: Bool) async throws {
    let executor = try FakeExecutor(maxRows: 16)
    executor.endsEvery = .max
    executor.countsPhase = isDeterministic
    let engine = try Engine(fake: executor, contextSize: 64, pages: 16, isDeterministic: isDeterministic) {
      $0.eventLimit = 8
    }
    let slow = GenerationRequest.random(1, prompt: 12, answer: 40)
    var iterator = engine.generate(slow).makeAsyncIterator()
    var collected = Collected()
    if let event = try await iterator.next() { collected.add(event) }
    let other = try await engine.generate(.random(2, prompt: 8, answer: 54)).collect()
    #expect(other.result?.finishReason == .length)
    while let event = try await iterator.next() { collected.add(event) }
    let plain = try FakeExecutor()
    plain.endsEvery = .max
    plain.countsPhase = isDeterministic
    let expected = try await Engine(fake: plain, isDeterministic: isDeterministic).generate(slow).collect()
    #expect(collected.result?.finishReason == .length)
    #expect(collected.tokens == expected.tokens && collected.text == expected.text)
    #expect(executor.counts.withLock { $0.faults } == [])
  }
}
