import PowerInferGPU
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// A device that is lost, or has no memory left, in the middle of something.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped), .timeLimit(.minutes(10))) struct GPUFaultTests {
  private static let name = "tiny-relu-f16"

  private func options(contextSize: Int = 128, batchSize: Int = 16) -> EngineOptions {
    ExecutorBench.options(contextSize: contextSize, batchSize: batchSize)
  }

  private func lost(_ call: String) throws -> GPUError {
    .deviceLost(device: "GPU \(try #require(GPUBench.device).description.index)", call: call)
  }

  // MARK: A device that is lost

  /// Everything a sequence does, and all the logits it gives.
  private func talk(_ engine: Engine) throws -> [[Float]] {
    let text = ExecutorBench.tokens(60, engine.model, seed: 1)
    let first = engine.makeSequence()
    var rows = try first.rows(Array(text[..<20]), phase: .prompt)
    rows += try first.decode(Array(text[20..<22]))
    let second = try first.fork()
    rows += try second.rows(Array(text[30..<34]), phase: .prompt)
    rows += try engine.rows([
      Batch.Piece(sequence: first.id, position: 22, tokens: text[22..<23], phase: .decode, wanted: 0..<1),
      Batch.Piece(sequence: second.id, position: 26, tokens: text[34..<40], phase: .prompt, wanted: 0..<6),
    ])
    first.truncate(to: 21)
    rows += try first.decode(Array(text[40..<42]))
    let batch = engine.batch([
      Batch.Piece(sequence: second.id, position: 32, tokens: text[42..<43], phase: .decode, wanted: 0..<1)
    ])
    let best = try engine.withCore { core in
      try core.forward(batch)
      return try core.candidates(of: batch, count: 3)
    }
    rows.append(best[0].map(\.logit))
    return rows
  }

  /// Wherever the device fails, all logits from then on are those of a processor that read the same, bit for bit.
  @Test(arguments: ["vkQueueSubmit2", "vkWaitSemaphores"])
  func theProcessorGoesOn(call: String) throws {
    let model = try ExecutorBench.open(Self.name)
    let faults = DeviceFaults()
    // Few logits at a time, which do not come with the pass: so the device can also fail among them.
    var limits = GPUExecutor.Limits()
    (limits.broughtBytes, limits.logitBytes) = (0, 4 * model.configuration.vocabularySize * 4)
    func engine() throws -> Engine {
      let device = try GPUBench.open(faults: faults)
      return try GPUBench.engine(model, options(), on: device, limits: limits, fallsBack: true)
    }
    let processor = try Engine(model: model, options: options())
    let expected = try talk(processor)
    let healthy = try engine()
    faults.count(call)
    let whole = try talk(healthy)
    let calls = faults.calls
    #expect(calls > 12 && healthy.gpuName != nil && healthy.gpuRemark == nil)
    var switches: Set<Int> = []
    for n in stride(from: 0, to: calls, by: 3) {
      faults.stop()
      let engine = try engine()
      faults.fail(call, at: n)
      let rows = try talk(engine)
      #expect(engine.gpuName == nil)
      #expect(engine.gpuRemark == "\(try lost(call)) The processor goes on.")
      // What is said of the cache is of the one that is in use.
      #expect(engine.pageLayout == processor.pageLayout && engine.cacheUse.pageLimit == engine.pageLimit)
      let common = zip(rows, whole).prefix { $0 == $1 }.count
      #expect(rows.count == expected.count && rows[common...].elementsEqual(expected[common...]), "call \(n)")
      switches.insert(common)
    }
    #expect(switches.count > 3)
  }

  /// Without anything to go on with: one error, always the same.
  @Test(arguments: ["vkQueueSubmit2", "vkWaitSemaphores"])
  func aLostDeviceIsAnError(call: String) async throws {
    let model = try ExecutorBench.open(Self.name)
    let faults = DeviceFaults()
    let engine = try GPUBench.engine(model, options(), on: GPUBench.open(faults: faults))
    let sequence = engine.makeSequence()
    _ = try sequence.rows([1, 2, 3], phase: .prompt)
    faults.fail(call)
    let lost = try lost(call)
    #expect(throws: lost) { try sequence.decode([4]) }
    #expect(sequence.position == 3)
    #expect(throws: lost) { try sequence.decode([4]) }
    #expect(throws: lost) { try engine.makeSequence().rows([1], phase: .prompt) }
    for seed in 0..<3 {
      await #expect(throws: lost) { try await engine.generate(.random(UInt64(seed), prompt: 5, answer: 5)).collect() }
    }
    #expect(engine.load == EngineLoad() && engine.gpuRemark == nil && engine.gpuName != nil)
  }

  private func requests() -> [GenerationRequest] {
    (0..<5).map { index in
      var request = GenerationRequest.random(UInt64(index), prompt: 8 + 9 * index, answer: 12)
      request.sampling.temperature = index.isMultiple(of: 2) ? 0 : 1
      return request
    }
  }

  private func collect(
    _ requests: [GenerationRequest], _ engine: Engine
  ) async -> [Result<Collected, any Error>] {
    await withTaskGroup(of: (Int, Result<Collected, any Error>).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask {
          do { return (index, .success(try await engine.generate(request).collect())) } catch {
            return (index, .failure(error))
          }
        }
      }
      return await group.reduce(into: [Int: Result<Collected, any Error>]()) { $0[$1.0] = $1.1 }
        .sorted { $0.key < $1.key }.map(\.value)
    }
  }

  /// Several requests at a time lose their device and come to their ends by processor.
  @Test(arguments: ["vkQueueSubmit2", "vkWaitSemaphores"], [0, 3, 9])
  func requestsGoOn(call: String, n: Int) async throws {
    let model = try ExecutorBench.open(Self.name)
    let faults = DeviceFaults()
    let engine = try GPUBench.engine(model, options(), on: GPUBench.open(faults: faults), fallsBack: true)
    let processor = try Engine(model: model, options: options())
    faults.fail(call, at: n)
    for (request, result) in zip(requests(), await collect(requests(), engine)) {
      let answer = try result.get()
      let reason = answer.result?.finishReason
      #expect(reason == .length || reason == .stop)
      guard request.sampling.temperature == 0 else { continue }
      // Chosen from the logits of one or the other, which differ by rounding.
      let sequence = processor.makeSequence()
      try sequence.append(Array(request.promptTokens.dropLast()), phase: .prompt)
      let read = [request.promptTokens.last ?? 0] + answer.tokens.dropLast()
      for (token, logits) in zip(answer.tokens, try sequence.decode(read)) {
        #expect(logits[Int(token)] > (logits.max() ?? 0) - 0.05)
      }
    }
    let lost = try lost(call)
    #expect(engine.gpuName == nil && engine.gpuRemark == "\(lost) The processor goes on.")
    #expect(engine.load == EngineLoad() && engine.cacheUse.sequences == 0)
  }

  @Test func requestsFailTogether() async throws {
    let model = try ExecutorBench.open(Self.name)
    let faults = DeviceFaults()
    let engine = try GPUBench.engine(model, options(), on: GPUBench.open(faults: faults))
    faults.fail("vkQueueSubmit2", at: 5)
    let lost = try lost("vkQueueSubmit2")
    for _ in 0..<2 {
      for result in await collect(requests(), engine) {
        let error = #expect(throws: GPUError.self) { try result.get() }
        #expect(error == lost)
      }
    }
    #expect(engine.load == EngineLoad() && engine.cacheUse.sequences == 0)
  }

  /// The device is lost while the cache grows, before there is a pass.
  @Test(arguments: [true, false])
  func isLostWhileTheCacheGrows(fallsBack: Bool) async throws {
    let model = try ExecutorBench.open(Self.name)
    let faults = DeviceFaults()
    let page = CacheLayout.pagePositions
    let engine = try GPUBench.engine(
      model, options(contextSize: 9 * page, batchSize: 64), on: GPUBench.open(faults: faults), fallsBack: fallsBack)
    let holder = engine.makeSequence()
    try holder.append(ExecutorBench.tokens(8 * page, model, seed: 2), phase: .prompt)
    // A request needs a page more than there are.
    faults.fail("vkQueueSubmit2")
    let request = GenerationRequest.random(1, prompt: 5, answer: 3)
    let lost = try lost("vkQueueSubmit2")
    if fallsBack {
      let answer = try await engine.generate(request).collect()
      #expect(answer.tokens.count == 3 && engine.gpuRemark == "\(lost) The processor goes on.")
      #expect(try holder.decode([1]).count == 1)
    } else {
      await #expect(throws: lost) { try await engine.generate(request).collect() }
      #expect(throws: lost) { try holder.decode([1]) }
    }
  }

  // MARK: Memory

  /// Every allocation fails in turn while an executor is made.
  @Test func memoryRunsOutWhileItIsMade() throws {
    let folder = try TemporaryFolder()
    var tiny = TinyModel(layers: 1)
    (tiny.hiddenSize, tiny.feedForwardSize, tiny.heads, tiny.keyValueHeads) = (32, 32, 2, 1)
    let model = try LanguageModel(opening: tiny.write(to: folder.file("tiny.gguf")))
    let faults = DeviceFaults()
    // Each buffer has an allocation of its own.
    let device = try GPUBench.open(GPUOptions(blockBytes: 1), faults: faults)
    func usage() -> [Int] { [device.usage.deviceBytes, device.usage.buffers, device.usage.allocations] }
    // What the device keeps for itself comes with the first upload.
    func make() throws { _ = try GPUExecutor(model: model, device: device, options: options()) }
    try make()
    let before = usage()
    faults.count("vkAllocateMemory")
    try make()
    let calls = faults.calls
    #expect(calls > 50 && usage() == before)
    for n in 0..<calls {
      faults.fail("vkAllocateMemory", at: n, code: DeviceFaults.outOfMemory)
      let error = #expect(throws: GPUError.self) { try make() }
      #expect(error?.isShortOfMemory == true && error?.description.contains("has no ") == true)
      #expect(usage() == before, "allocation \(n)")
    }
    faults.stop()
    try make()
    #expect(usage() == before)
  }

  /// What an engine's cache cannot grow by is an error where nothing can be given up, and the engine goes on with what it has.
  @Test func memoryRunsOutWhileTheCacheGrows() throws {
    let model = try ExecutorBench.open(Self.name)
    let page = CacheLayout.pagePositions
    let options = options(contextSize: 9 * page, batchSize: 64)
    let faults = DeviceFaults()
    let device = try GPUBench.open(GPUOptions(blockBytes: 1), faults: faults)
    let engine = try GPUBench.engine(model, options, on: device)
    let text = ExecutorBench.tokens(8 * page + 4, model, seed: 3)
    let expected = try {
      let sequence = try GPUBench.engine(model, options).makeSequence()
      try sequence.append(Array(text[..<(8 * page)]), phase: .prompt)
      return try sequence.decode(Array(text[(8 * page)...]))
    }()
    let sequence = engine.makeSequence()
    try sequence.append(Array(text[..<(8 * page)]), phase: .prompt)
    let full = device.usage.bufferBytes
    faults.fail("vkAllocateMemory", 0..<Int.max, code: DeviceFaults.outOfMemory)
    let error = EngineError.outOfCacheMemory(bytes: engine.pageLayout.byteCount)
    for _ in 0..<2 {
      #expect(throws: error) { try sequence.decode([text[8 * page]]) }
      #expect(sequence.position == 8 * page && device.usage.bufferBytes == full)
    }
    // Other requests' pages: as many as there were, and no more.
    #expect(throws: error) { try engine.makeSequence().rows([1], phase: .prompt) }
    // Every allocation of growth in turn, until it succeeds: twice as many pages, or one.
    var n = 0
    while n < 100 {
      faults.fail("vkAllocateMemory", n..<Int.max, code: DeviceFaults.outOfMemory)
      do {
        #expect(try sequence.decode([text[8 * page]]) == [expected[0]])
        break
      } catch let found as EngineError {
        #expect(found == error && sequence.position == 8 * page)
      }
      n += 1
    }
    #expect((1..<100).contains(n))
    faults.stop()
    #expect(try sequence.decode(Array(text[(8 * page + 1)...])) == Array(expected[1...]))
  }

  /// Every call to the driver fails in turn while passes are made: an error, after which the same works.
  @Test func memoryRunsOutDuringPasses() throws {
    let model = try ExecutorBench.open(Self.name)
    let text = ExecutorBench.tokens(9, model, seed: 6)
    func rows(_ sequence: TokenSequence) throws -> [[Float]] {
      sequence.truncate(to: 0)
      return try sequence.rows(Array(text[..<8]), phase: .prompt) + sequence.decode([text[8]])
    }
    let expected = try rows(GPUBench.engine(model, options()).makeSequence())
    let faults = DeviceFaults()
    let engine = try GPUBench.engine(model, options(), on: GPUBench.open(faults: faults))
    let sequence = engine.makeSequence()
    var n = 0
    while n < 1000 {
      faults.fail("", at: n, code: DeviceFaults.outOfMemory)
      do {
        #expect(try rows(sequence) == expected)
        if faults.calls <= n { break }
      } catch let error as GPUError {
        #expect(error.isShortOfMemory)
      }
      n += 1
    }
    #expect((10..<1000).contains(n))
    faults.stop()
    #expect(try rows(sequence) == expected)
  }

  /// Kept prefixes give way to what is needed now.
  @Test func keptPrefixesMakeRoom() throws {
    let model = try ExecutorBench.open(Self.name)
    let page = CacheLayout.pagePositions
    let options = options(contextSize: 9 * page, batchSize: 64)
    let faults = DeviceFaults()
    let engine = try GPUBench.engine(model, options, on: GPUBench.open(GPUOptions(blockBytes: 1), faults: faults))
    let kept = engine.makeSequence()
    try kept.append(ExecutorBench.tokens(8 * page, model, seed: 4), phase: .prompt)
    try kept.keepPrefix()
    kept.close()
    #expect(engine.cacheUse.pages == 8)
    faults.fail("vkAllocateMemory", 0..<Int.max, code: DeviceFaults.outOfMemory)
    let text = ExecutorBench.tokens(3 * page, model, seed: 5)
    let rows = try engine.makeSequence().rows(text, phase: .prompt)
    #expect(engine.cacheUse.pages <= 8)
    #expect(rows == (try GPUBench.engine(model, options).makeSequence().rows(text, phase: .prompt)))
  }
}
