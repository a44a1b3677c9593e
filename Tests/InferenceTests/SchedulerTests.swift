import Foundation
import PowerInfer
import PowerInferTestKit
import Synchronization
import Testing

/// Requests side by side. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct SchedulerTests {
  @Test(arguments: [false, true]) func companyChangesNothing(isDeterministic: Bool) async throws {
    let executor = try FakeExecutor(maxRows: 24)
    executor.countsPhase = isDeterministic
    let engine = try Engine(fake: executor, isDeterministic: isDeterministic) { $0.parallel = 5 }
    var requests: [GenerationRequest] = []
    for index in 0..<16 {
      var request = GenerationRequest.random(UInt64(index), prompt: 1 + index * index % 97, answer: 3 + index % 30)
      if index % 3 == 0 { request.sampling.temperature = 0 }
      if index % 4 == 1 { request.logProbabilities = 2 }
      if index % 5 == 2 { request.sampling.repeatPenalty = 1.3 }
      requests.append(request)
    }
    let together = try await withThrowingTaskGroup(of: (Int, Collected).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask {
          try await Task.sleep(for: .microseconds((index * 7919) % 5000))
          return (index, try await engine.generate(request).collect())
        }
      }
      return try await group.reduce(into: [Int: Collected]()) { $0[$1.0] = $1.1 }
    }
    for (index, request) in requests.enumerated() {
      let expected = try await alone(request, countsPhase: isDeterministic)
      let found = try #require(together[index])
      #expect(found.tokens == expected.tokens && found.text == expected.text, "request \(index)")
      #expect(found.result?.finishReason == expected.result?.finishReason)
      #expect(found.pieces.flatMap(\.choices) == expected.pieces.flatMap(\.choices))
      let statistics = try #require(found.result?.statistics)
      #expect(statistics.readTokens + statistics.reusedTokens == request.promptTokens.count)
      #expect(found.start?.seed == request.sampling.seed)
    }
    executor.counts.withLock { counts in
      #expect(counts.faults == [])
      #expect(counts.mostRows <= 24)
    }
    #expect(engine.cacheUse.sequences == 0)
    #expect(engine.load == EngineLoad())
    try engine.forgetPrefixes()
    #expect(engine.cacheUse.pages == 0 && executor.counts.withLock { $0.pages } == 0)
  }

  @Test func answersShareAPass() async throws {
    let executor = try FakeExecutor()
    executor.endsEvery = .max
    let engine = try Engine(fake: executor)
    _ = try await withThrowingTaskGroup(of: Collected.self) { group in
      for index in 0..<8 {
        group.addTask { try await engine.generate(.random(UInt64(index), prompt: 20, answer: 50)).collect() }
      }
      return try await group.reduce(into: 0) { count, _ in count += 1 }
    }
    // Alone they would take 8 × 50 passes and more.
    executor.counts.withLock { #expect($0.passes < 200 && $0.faults == []) }
  }

  @Test func aShortPromptDoesNotWaitForALongOne() async throws {
    let executor = try FakeExecutor(maxRows: 16)
    executor.endsEvery = .max
    executor.keepsPieces = true
    let gate = Mutex(true)
    executor.onPass = { _ in while gate.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.001) } }
    let engine = try Engine(fake: executor, contextSize: 4000) { $0.eventLimit = 10_000 }
    // One that answers, then a long prompt and a short one behind it.
    let running = engine.generate(.random(1, prompt: 5, answer: 1000))
    #expect(try await eventually { engine.load.running == 1 })
    let long = engine.generate(.random(2, prompt: 3000, answer: 1))
    let short = engine.generate(.random(3, prompt: 10, answer: 1))
    gate.withLock { $0 = false }
    #expect(try await short.collect().tokens.count == 1)
    #expect(try await long.collect().result?.statistics.readTokens == 3000)
    running.cancel()
    let passes = executor.counts.withLock { $0.pieces }
    let reading = passes.dropFirst().prefix { pass in pass.contains { $0.phase == .prompt } }
    #expect(reading.count > 150)
    // The long prompt has the first rows; the short one shares them until it is read.
    let done = try #require(reading.firstIndex { pass in pass.contains { $0.position + $0.count == 10 } })
    #expect(done <= reading.startIndex + 3)
    // The answer that ran before goes on in every pass.
    #expect(reading.allSatisfy { pass in pass.contains { $0.phase == .decode && $0.count == 1 } })
  }

  @Test func onlySoManyAreComputedAndWait() async throws {
    let executor = try FakeExecutor()
    executor.endsEvery = .max
    let gate = Mutex(true)
    executor.onPass = { _ in while gate.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.001) } }
    let engine = try Engine(fake: executor) { ($0.parallel, $0.queueLimit) = (2, 3) }
    let streams = (0..<5).map { engine.generate(.random(UInt64($0), prompt: 4, answer: 4)) }
    let refused = engine.generate(.random(9, prompt: 4, answer: 4))
    let error = await #expect(throws: GenerationError.queueFull(limit: 3)) { try await refused.collect() }
    #expect(
      error?.description == "The engine is busy and 3 requests wait already, which is the limit: try again later.")
    #expect(try await eventually { engine.load.running > 0 })
    #expect(engine.load.running <= 2 && engine.load.running + engine.load.waiting == 5)
    gate.withLock { $0 = false }
    for stream in streams { #expect(try await stream.collect().tokens.count == 4) }
    // There is room again at once.
    #expect(try await engine.generate(.random(10, prompt: 4, answer: 4)).collect().tokens.count == 4)
  }

  @Test func requestsThatCannotBeAnsweredAreSentences() async throws {
    let engine = try Engine(fake: FakeExecutor(), contextSize: 64)
    func message(_ request: GenerationRequest) async -> String {
      do {
        _ = try await engine.generate(request).collect()
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(
      await message(GenerationRequest(.tokens([])))
        == "The prompt is empty: at least one token is needed to go on from.")
    #expect(
      await message(.random(1, prompt: 64, answer: 1))
        == "The prompt has 64 tokens, but the context holds 64 and the answer needs room too.")
    #expect(
      await message(GenerationRequest(.tokens([3, 4000])))
        == "Token id 4000 is not in the vocabulary, expected 0 to 279.")
    var request = GenerationRequest.random(1, prompt: 4, answer: 4)
    request.logProbabilities = 101
    #expect(await message(request) == "Log-probabilities of 101 tokens are asked for, expected 0 to 100.")
    request = .random(1, prompt: 4, answer: -1)
    #expect(await message(request) == "The number of tokens to generate must be 0 or more, but it is -1.")
    request = .random(1, prompt: 4, answer: 4)
    request.sampling.topP = 2
    #expect(await message(request) == "The sampling option top-p must be between 0 and 1, but it is 2.0.")
    request = .random(1, prompt: 4, answer: 4)
    request.sampling.logitBias = [500: 1]
    #expect(await message(request) == "The logit bias names token 500, but the vocabulary has 280 tokens.")
    // Nothing of these is left, and the engine works.
    #expect(engine.cacheUse.sequences == 0 && engine.load == EngineLoad())
    #expect(await message(.random(1, prompt: 4, answer: 4)) == "")
  }

  @Test func schedulingOptionsOutOfRangeAreSentences() throws {
    let error = #expect(throws: EngineError.self) {
      try Engine(fake: FakeExecutor()) { $0.parallel = 0 }
    }
    #expect(error?.description == "The number of parallel requests is 0, expected 1 to 4096.")
    #expect(throws: EngineError.self) { try Engine(fake: FakeExecutor()) { $0.queueLimit = -1 } }
    #expect(throws: EngineError.self) { try Engine(fake: FakeExecutor()) { $0.eventLimit = 0 } }
  }

  @Test func noTokensMayBeAskedFor() async throws {
    let executor = try FakeExecutor()
    let engine = try Engine(fake: executor)
    let collected = try await engine.generate(.random(1, prompt: 10, answer: 0)).collect()
    #expect(collected.result?.finishReason == .length && collected.tokens == [] && collected.progress == [10])
    #expect(collected.result?.statistics.readTokens == 10)
  }

  @Test func aFullContextEndsOrSlides() async throws {
    let executor = try FakeExecutor(maxRows: 8)
    executor.endsEvery = .max
    let engine = try Engine(fake: executor, contextSize: 32)
    var request = GenerationRequest.random(5, prompt: 20, answer: 100)
    let ended = try await engine.generate(request).collect()
    #expect(ended.result?.finishReason == .contextFull && ended.tokens.count == 13)
    request.options.contextPolicy = .slide(keep: 4)
    async let neighbour = engine.generate(.random(6, prompt: 3, answer: 20)).collect()
    let slid = try await engine.generate(request).collect()
    #expect(slid.result?.finishReason == .length && slid.tokens.count == 100)
    #expect(try #require(slid.result?.contextSlides) > 3)
    #expect(try await neighbour.tokens.count == 20)
    // The command line's generator comes to the same.
    let plain = try FakeExecutor(maxRows: 8)
    plain.endsEvery = .max
    let sequence = try Engine(fake: plain, contextSize: 32).makeSequence()
    let generator = Generator(
      evaluator: sequence, vocabulary: ModelVocabulary(plain.model.tokenizer, continuing: true),
      sampler: try Sampler(request.sampling))
    let expected = try generator.generate(request.promptTokens, options: request.options)
    #expect(slid.tokens == expected.tokens && slid.text == expected.text)
    #expect(slid.result?.contextSlides == expected.contextSlides)
    #expect(executor.counts.withLock { $0.faults } == [])
  }

  @Test func logProbabilitiesComeWithTheirTokens() async throws {
    let engine = try Engine(fake: FakeExecutor())
    var request = GenerationRequest.random(3, prompt: 8, answer: 12)
    request.sampling.temperature = 0
    request.logProbabilities = 5
    let collected = try await engine.generate(request).collect()
    for piece in collected.pieces {
      #expect(piece.tokens == piece.choices.map(\.chosen.token))
      for choice in piece.choices {
        #expect(choice.likeliest.count == 5 && choice.likeliest.first == choice.chosen)
        let best = choice.chosen.logProbability
        let others = choice.likeliest.map(\.logProbability)
        #expect(others.allSatisfy { $0 <= best && $0 < 0 })
      }
    }
    request.logProbabilities = nil
    #expect(try await engine.generate(request).collect().tokens == collected.tokens)
  }

  @Test func aBatchOfOneRowServesAll() async throws {
    let executor = try FakeExecutor(maxRows: 1)
    let engine = try Engine(fake: executor)
    let requests = (0..<4).map { GenerationRequest.random(UInt64($0), prompt: 5 + $0, answer: 6) }
    let found = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask { (index, try await engine.generate(request).collect().tokens) }
      }
      return try await group.reduce(into: [Int: [Int32]]()) { $0[$1.0] = $1.1 }
    }
    for (index, request) in requests.enumerated() {
      #expect(try await alone(request).tokens == found[index])
    }
    #expect(executor.counts.withLock { $0.faults } == [])
  }

  @Test func aConversationIsAnswered() async throws {
    let executor = try FakeExecutor()
    let engine = try Engine(fake: executor)
    var request = GenerationRequest(messages: [Message(.system, "Be brief."), Message(.user, "hello world")])
    request.options.maxTokens = 5
    request.sampling.temperature = 0
    let collected = try await engine.generate(request).collect()
    let prompt = try PromptRenderer(model: executor.model).tokens(of: [
      Message(.system, "Be brief."), Message(.user, "hello world"),
    ])
    #expect(collected.start?.promptTokens == prompt.count)
    var same = GenerationRequest(.tokens(prompt))
    (same.options, same.sampling) = (request.options, request.sampling)
    #expect(try await engine.generate(same).collect().tokens == collected.tokens)
  }
}
