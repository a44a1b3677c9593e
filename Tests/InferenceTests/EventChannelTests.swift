import PowerInferTestKit
import Testing

@testable import PowerInfer

/// Pieces of text that follow each other closely reach a reader together; nothing is lost, swapped, or kept for longer than it may be.
@Suite(.timeLimit(.minutes(5))) struct EventChannelTests {
  private struct Failure: Error {}

  private func piece(_ number: Int) -> GenerationEvent { .text(TextPiece(text: "\(number) ", tokens: [Int32(number)])) }

  private func text(_ event: GenerationEvent?) -> String? {
    if case .text(let piece) = event { piece.text } else { nil }
  }

  private func expect(_ reader: Task<GenerationEvent?, any Error>, _ expected: String) async throws {
    let event = try await reader.value
    #expect(text(event) == expected)
  }

  private func expect(_ channel: EventChannel, _ expected: String) async throws {
    let event = try await channel.next()
    #expect(text(event) == expected)
  }

  /// A channel whose first piece was delivered, and a reader that waits for the second, which is held back.
  private func holding(_ body: (EventChannel, Task<GenerationEvent?, any Error>) async throws -> Void) async throws {
    let channel = EventChannel(limit: 100, interval: 1000) { _ in }
    // The first piece is what the interval counts from, once a reader waits for it.
    let first = Task { try await channel.next() }
    #expect(try await eventually { channel.hasReader })
    channel.send(piece(1))
    try await expect(first, "1 ")
    let second = Task { try await channel.next() }
    #expect(try await eventually { channel.hasReader })
    channel.send(piece(2))
    #expect(channel.hasReader)
    try await body(channel, second)
  }

  @Test func aPieceThatComesSoonWaitsForTheNextDelivery() async throws {
    try await holding { channel, reader in
      channel.send(piece(3))
      #expect(channel.hasReader)
      channel.flush()
      try await expect(reader, "2 ")
      // Whoever reads anyway does not wait.
      try await expect(channel, "3 ")
    }
  }

  @Test func theEndDeliversWhatWaits() async throws {
    try await holding { channel, reader in
      channel.send(piece(3))
      channel.end()
      try await expect(reader, "2 ")
      try await expect(channel, "3 ")
      #expect(try await channel.next() == nil)
    }
  }

  @Test func anErrorComesAfterWhatWaits() async throws {
    try await holding { channel, reader in
      channel.end(throwing: Failure())
      try await expect(reader, "2 ")
      await #expect(throws: Failure.self) { try await channel.next() }
      #expect(try await channel.next() == nil)
    }
  }

  @Test func otherEventsTakeWaitingTextAlong() async throws {
    try await holding { channel, reader in
      channel.send(.progress(done: 1, of: 2))
      try await expect(reader, "2 ")
      guard case .progress = try await channel.next() else {
        Issue.record("the progress follows the text")
        return
      }
    }
  }

  @Test func withoutAnIntervalEachPieceIsDelivered() async throws {
    let channel = EventChannel(limit: 100) { _ in }
    for number in 1...3 {
      let reader = Task { try await channel.next() }
      #expect(try await eventually { channel.hasReader })
      channel.send(piece(number))
      try await expect(reader, "\(number) ")
    }
  }

  /// With the longest interval there is, requests in company get the answers that they get alone.
  @Test func answersAreTheSame() async throws {
    let requests = (0..<6).map { GenerationRequest.random(UInt64($0), prompt: 3 + 40 * $0, answer: 30) }
    let engine = try Engine(fake: try FakeExecutor()) { $0.deliveryInterval = .seconds(1) }
    try await withThrowingTaskGroup(of: (Int, Collected).self) { group in
      for (index, request) in requests.enumerated() {
        group.addTask { (index, try await engine.generate(request).collect()) }
      }
      for try await (index, collected) in group {
        let expected = try await alone(requests[index])
        #expect(collected.tokens == expected.tokens && collected.text == expected.text)
        #expect(collected.text == collected.result?.text)
      }
    }
  }

  @Test(arguments: [Duration.milliseconds(-1), .seconds(2), .seconds(Int64.max)])
  func intervalsOutOfRangeAreRefused(interval: Duration) {
    #expect(throws: EngineError.self) {
      try Engine(fake: try FakeExecutor()) { $0.deliveryInterval = interval }
    }
  }
}
