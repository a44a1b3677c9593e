import PowerInfer
import PowerInferTestKit
import Testing

/// What came of a request.
struct Collected: Equatable, Sendable {
  var start: GenerationStart?
  var progress: [Int] = []
  var pieces: [TextPiece] = []
  var result: GenerationResult?

  /// What must not depend on the requests beside it.
  var tokens: [Int32] { result?.tokens ?? [] }
  var text: String { pieces.map(\.text).joined() }

  mutating func add(_ event: GenerationEvent) {
    switch event {
    case .started(let start): self.start = start
    case .progress(let done, _): progress.append(done)
    case .text(let piece): pieces.append(piece)
    case .finished(let result): self.result = result
    }
  }
}

extension GenerationStream {
  func collect() async throws -> Collected {
    var collected = Collected()
    for try await event in self { collected.add(event) }
    return collected
  }
}

extension Engine {
  /// An engine of one thread on a fake executor.
  convenience init(
    fake executor: FakeExecutor, contextSize: Int = 512, pages: Int? = nil, isDeterministic: Bool = false,
    scheduling: (inout SchedulingOptions) -> Void = { _ in }
  ) throws {
    var options = EngineOptions(contextSize: contextSize, threads: 1)
    options.cacheByteLimit = pages.map { $0 * executor.pageLayout.byteCount } ?? 1 << 24
    options.isDeterministic = isDeterministic
    scheduling(&options.scheduling)
    try self.init(executor: executor, options: options)
  }
}

extension GenerationRequest {
  /// So many tokens, other ones for each seed, and at most so many in answer.
  static func random(_ seed: UInt64, prompt: Int, answer: Int) -> GenerationRequest {
    var random = SeededGenerator(seed: seed &+ 77)
    var request = GenerationRequest(.tokens((0..<prompt).map { _ in Int32(3 + random.next() % 256) }))
    request.options.maxTokens = answer
    request.sampling.seed = seed
    return request
  }

  var promptTokens: [Int32] {
    if case .tokens(let tokens) = prompt { return tokens }
    return []
  }
}

/// Waits until something holds.
///
/// - Returns: false after a minute, which is a hang.
func eventually(_ condition: () throws -> Bool) async throws -> Bool {
  for _ in 0..<12_000 {
    if try condition() { return true }
    try await Task.sleep(for: .milliseconds(5))
  }
  return false
}

/// What a request gives on an engine of its own.
func alone(
  _ request: GenerationRequest, countsPhase: Bool = false, contextSize: Int = 512
) async throws -> Collected {
  let executor = try FakeExecutor()
  executor.countsPhase = countsPhase
  let engine = try Engine(fake: executor, contextSize: contextSize, isDeterministic: countsPhase)
  return try await engine.generate(request).collect()
}
