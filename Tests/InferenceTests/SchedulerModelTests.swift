import PowerInfer
import PowerInferTestKit
import Testing

/// Requests side by side on the processor, with a tiny model. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct SchedulerModelTests {
  private static let model = Result {
    let folder = try TemporaryFolder()
    return try LanguageModel(opening: TinyModel(seed: 5).write(to: folder.file("tiny.gguf")))
  }

  private func engine(isDeterministic: Bool) throws -> Engine {
    var options = EngineOptions(contextSize: 128, threads: 2, batchSize: 24)
    options.isDeterministic = isDeterministic
    options.scheduling.parallel = 6
    return try Engine(model: Self.model.get(), options: options)
  }

  /// Eight answers at a time where there is room for little more than one: who gives up pages reads them again, beside prompts of others.
  @Test func scarcePagesChangeNoBit() async throws {
    let requests = (0..<24).map { index in
      var request = GenerationRequest.random(UInt64(index), prompt: 1 + index * 37 % 90, answer: 10 + index * 7 % 29)
      request.logProbabilities = 3
      return request
    }
    var options = EngineOptions(contextSize: 128, threads: 2, batchSize: 24)
    options.isDeterministic = true
    options.scheduling.parallel = 8
    let layout = try Engine(model: Self.model.get(), options: options).pageLayout
    options.cacheByteLimit = layout.byteCount * (layout.pages(for: 128) + 1)
    let engine = try Engine(model: Self.model.get(), options: options)
    let together = try await withThrowingTaskGroup(of: (Int, Collected).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask { (index, try await engine.generate(request).collect()) }
      }
      return try await group.reduce(into: [Int: Collected]()) { $0[$1.0] = $1.1 }
    }
    let alone = try self.engine(isDeterministic: true)
    for (index, request) in requests.enumerated() {
      let expected = try await alone.generate(request).collect()
      let found = try #require(together[index])
      #expect(found.tokens == expected.tokens && found.pieces == expected.pieces, "request \(index)")
      #expect(found.result?.finishReason == expected.result?.finishReason)
      #expect(found.result?.finishReason != .cacheFull)
    }
  }

  @Test func companyChangesNoBit() async throws {
    let requests = (0..<16).map { index in
      var request = GenerationRequest.random(UInt64(index), prompt: 1 + index * 11 % 70, answer: 4 + index % 20)
      request.logProbabilities = 3
      return request
    }
    let engine = try engine(isDeterministic: true)
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
      let alone = try await self.engine(isDeterministic: true).generate(request).collect()
      #expect(together[index]?.tokens == alone.tokens, "request \(index)")
      #expect(together[index]?.pieces == alone.pieces, "request \(index)")
    }
    #expect(engine.cacheUse.sequences == 0)
  }

  @Test func theGeneratorComesToTheSame() async throws {
    let request = GenerationRequest.random(3, prompt: 40, answer: 30)
    let streamed = try await engine(isDeterministic: true).generate(request).collect()
    let generator = Generator(
      evaluator: try engine(isDeterministic: true).makeSequence(),
      vocabulary: ModelVocabulary(try Self.model.get().tokenizer, continuing: true),
      sampler: try Sampler(request.sampling))
    let result = try generator.generate(request.promptTokens, options: request.options)
    #expect(result.tokens == streamed.tokens && result.text == streamed.text)
  }

  @Test func pagesThatWereGivenUpAreReadAgainToTheBit() async throws {
    var options = EngineOptions(contextSize: 128, threads: 2, batchSize: 24)
    options.isDeterministic = true
    options.scheduling.eventLimit = 4
    options.scheduling.keepsPrefixes = false
    let layout = try Engine(model: Self.model.get(), options: options).pageLayout
    options.cacheByteLimit = layout.byteCount * layout.pages(for: 128)
    let engine = try Engine(model: Self.model.get(), options: options)
    var slow = GenerationRequest.random(8, prompt: 20, answer: 60)
    slow.logProbabilities = 2
    var iterator = engine.generate(slow).makeAsyncIterator()
    var collected = Collected()
    if let event = try await iterator.next() { collected.add(event) }
    // Needs all pages that there are, while nobody reads the first one's answer.
    let other = try await engine.generate(.random(9, prompt: 100, answer: 25)).collect()
    #expect(other.result?.finishReason != .cacheFull)
    while let event = try await iterator.next() { collected.add(event) }
    let alone = try await self.engine(isDeterministic: true).generate(slow).collect()
    #expect(collected.tokens == alone.tokens && collected.pieces == alone.pieces)
  }
}
