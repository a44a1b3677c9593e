import PowerInfer
import PowerInferGGUF
import PowerInferTestKit
import Synchronization
import Testing

/// Which neurons fired, as an engine tells it, beside what an observer sees of all of them. The limit on time is for hangs.
@Suite(.timeLimit(.minutes(5))) struct NeuronActivityTests {
  private static let neurons = 96
  private static let model = Result {
    let folder = try TemporaryFolder()
    var tiny = TinyModel(magic: .powerInfer, isTied: false, layers: 3, seed: 5)
    tiny.feedForwardSize = neurons
    return try LanguageModel(opening: tiny.write(to: folder.file("tiny.gguf")))
  }

  /// Counts how often each neuron gives something, in passes of any kind.
  private final class Counter: NeuronObserver {
    private let record = Mutex([[Int]](repeating: [Int](repeating: 0, count: neurons), count: 3))
    var counts: [[Int]] { record.withLock { $0 } }

    func observe(_ view: NeuronView) {
      record.withLock { record in
        for neuron in view.neurons {
          for token in 0..<view.tokens where view.hidden[token * view.stride + neuron] != 0 {
            record[view.layer][neuron] += 1
          }
        }
      }
    }
  }

  private func engine(_ mode: SparsityMode, observer: (any NeuronObserver)? = nil, threads: Int = 2) throws -> Engine {
    var options = EngineOptions(contextSize: 128, threads: threads)
    options.isDeterministic = true
    options.sparsity.mode = mode
    options.observer = observer
    return try Engine(model: Self.model.get(), options: options)
  }

  private func request(_ tokens: [Int32], answer: Int) -> GenerationRequest {
    var request = GenerationRequest(.tokens(tokens))
    request.sampling.temperature = 0
    request.options.maxTokens = answer
    request.options.ignoreEndOfGeneration = true
    (request.usesPrefixes, request.keepsPrefix) = (false, false)
    return request
  }

  private static let prompts: [[Int32]] = [[40, 41, 42, 43], [50, 51, 52]]
  private static let answer = 40

  /// How often each neuron fires for the answers' tokens: of prompt and answer, less those of the prompt.
  private func expected(_ prompts: [[Int32]]) async throws -> [[UInt32]] {
    let (whole, begun) = (Counter(), Counter())
    for (counter, length) in [(whole, Self.answer), (begun, 1)] {
      let engine = try engine(.dense, observer: counter)
      for prompt in prompts { _ = try await engine.generate(request(prompt, answer: length)).collect() }
    }
    return zip(whole.counts, begun.counts).map { zip($0, $1).map { UInt32($0 - $1) } }
  }

  @Test(arguments: [SparsityMode.dense, .gate], [1, 2])
  func everyNeuronIsCountedAsOftenAsItFires(_ mode: SparsityMode, _ threads: Int) async throws {
    let engine = try engine(mode, threads: threads)
    engine.recordsActivity = true
    let collected = try await engine.generate(request(Self.prompts[0], answer: Self.answer)).collect()
    let (counts, tokens) = try #require(engine.activityCounts)
    #expect(tokens == Self.answer - 1)
    let expected = try await expected([Self.prompts[0]])
    #expect(counts == expected)
    let numbers = expected.flatMap { $0 }
    #expect(numbers.contains { $0 > 0 })
    #expect(numbers.contains { $0 < 39 })

    let activity = collected.pieces.flatMap(\.activity)
    #expect(activity.count == Self.answer - 1)
    for (layer, counts) in counts.enumerated() {
      let groups = layer * TokenActivity.groups..<(layer + 1) * TokenActivity.groups
      let told: UInt32 = activity.reduce(0) { sum, token in sum + token.fired[groups].reduce(0, +) }
      let counted: UInt32 = counts.reduce(0, +)
      #expect(told == counted)
    }
    for (index, token) in activity.enumerated() {
      let isSorted = index >= 16
      #expect(token.isSorted == isSorted)
      #expect((token.hotShare == nil) == !isSorted)
      #expect(token.shares.count == 3 * TokenActivity.groups)
      #expect(token.firedShare > 0)
      #expect(token.firedShare < 1)
      #expect(token.feedForwardSeconds > 0)
      #expect(token.seconds >= token.feedForwardSeconds)
    }
  }

  @Test func answersSideBySideAreTold() async throws {
    let engine = try engine(.gate)
    engine.recordsActivity = true
    let requests = Self.prompts.map { request($0, answer: Self.answer) }
    let streams = requests.map { engine.generate($0) }
    var told = 0
    for stream in streams { told += try await stream.collect().pieces.flatMap(\.activity).count }
    // Passes in which another answer's prompt is read are not counted.
    let (counts, tokens) = try #require(engine.activityCounts)
    #expect(told == tokens)
    #expect(tokens > Self.answer)
    #expect(tokens <= 2 * (Self.answer - 1))
    for (some, all) in zip(counts, try await expected(Self.prompts)) {
      let isWithin = zip(some, all).allSatisfy { counted, possible in counted <= possible }
      #expect(isWithin)
    }
  }

  @Test func nothingIsCountedWhileNobodyWatches() async throws {
    let engine = try engine(.gate)
    let plain = try await engine.generate(request(Self.prompts[0], answer: Self.answer)).collect()
    #expect(plain.pieces.allSatisfy { $0.activity.isEmpty } && engine.activityCounts == nil)
    // And watching changes no bit.
    engine.recordsActivity = true
    let watched = try await engine.generate(request(Self.prompts[0], answer: Self.answer)).collect()
    #expect(watched.tokens == plain.tokens)
    engine.recordsActivity = false
    let after = try await engine.generate(request(Self.prompts[0], answer: Self.answer)).collect()
    #expect(after.pieces.allSatisfy { $0.activity.isEmpty })
    #expect(engine.activityCounts?.tokens == Self.answer - 1)
  }

  @Test func sharesAreOfEachGroup() {
    // 96 neurons in 64 groups: of two and of one in turn.
    var fired = [UInt32](repeating: 0, count: 64)
    (fired[0], fired[1], fired[20]) = (1, 1, 2)
    let token = TokenActivity(
      layers: 1, neurons: 96, fired: fired, isSorted: true, seconds: 2, feedForwardSeconds: 1)
    #expect(token.firedShare == 4.0 / 96 && token.hotShare == 0.5)
    let shares = token.shares
    #expect([shares[0], shares[1], shares[20], shares[2]] == [128, 255, 255, 0])
    let silent = TokenActivity(
      layers: 1, neurons: 2, fired: [UInt32](repeating: 0, count: 64), isSorted: true, seconds: 1, feedForwardSeconds: 1
    )
    #expect(silent.hotShare == nil && silent.shares.allSatisfy { $0 == 0 })
  }
}
