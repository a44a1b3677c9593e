import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInfer

/// Sequences of an engine on an executor that notices every wrong page.
@Suite struct TokenSequenceTests {
  private func best(_ sequence: TokenSequence, _ tokens: [Int32]) throws -> Int? {
    try sequence.evaluate(tokens) { logits in logits.firstGreatest() } ?? nil
  }

  private func anew(_ tokens: [Int32]) throws -> Int? {
    try best(try Engine(fake: FakeExecutor()).makeSequence(), tokens)
  }

  @Test func forksGoTheirOwnWay() throws {
    let executor = try FakeExecutor()
    let engine = try Engine(fake: executor)
    let sequence = engine.makeSequence()
    try sequence.append([3, 4, 5, 6, 7, 8])
    let fork = try sequence.fork()
    #expect(engine.cacheUse.pages == 2)
    #expect(try best(fork, [9, 10]) == anew([3, 4, 5, 6, 7, 8, 9, 10]))
    #expect(try best(sequence, [11]) == anew([3, 4, 5, 6, 7, 8, 11]))
    #expect(executor.counts.withLock { $0.copies } == 1)
    sequence.truncate(to: 5)
    #expect(try best(sequence, [12]) == anew([3, 4, 5, 6, 7, 12]))
    #expect(fork.tokens == [3, 4, 5, 6, 7, 8, 9, 10])
    fork.close()
    sequence.close()
    #expect(engine.cacheUse.pages == 0)
    executor.counts.withLock { #expect($0.faults == [] && $0.pages == 0) }
  }

  @Test func pagesTakenForLaterAreNotForked() throws {
    let executor = try FakeExecutor()
    let engine = try Engine(fake: executor)
    let sequence = engine.makeSequence()
    try sequence.append([3, 4, 5, 6, 7])
    try engine.withCore { try $0.reserve(12, for: sequence.id) }
    #expect(engine.cacheUse.pages == 5)
    let fork = try sequence.fork()
    try fork.append([8, 9, 10, 11, 12, 13, 14])
    #expect(try best(sequence, [15, 16, 17, 18, 19]) == anew([3, 4, 5, 6, 7, 15, 16, 17, 18, 19]))
    #expect(executor.counts.withLock { $0.faults } == [])
  }

  @Test func keptPrefixesBeginLaterSequences() throws {
    let executor = try FakeExecutor()
    let engine = try Engine(fake: executor)
    do {
      let sequence = engine.makeSequence()
      try sequence.append([3, 4, 5, 6, 7, 8])
      try sequence.keepPrefix()
      try sequence.append([9])
    }
    let sequence = engine.makeSequence(beginning: [3, 4, 5, 6, 7, 8, 10])
    #expect(sequence.tokens == [3, 4, 5, 6, 7, 8])
    #expect(try best(sequence, [10]) == anew([3, 4, 5, 6, 7, 8, 10]))
    // The last token is read anyway.
    #expect(engine.makeSequence(beginning: [3, 4, 5]).position == 2)
    #expect(executor.counts.withLock { $0.faults } == [])
    sequence.close()
    try engine.forgetPrefixes()
    #expect(engine.cacheUse == CacheUse(pages: 0, peakPages: 3, pageLimit: 1 << 18, pageBytes: 64, sequences: 0))
  }

  @Test func whatIsDecodedIsNoPromptWhereThatCounts() throws {
    let executor = try FakeExecutor()
    executor.countsPhase = true
    let engine = try Engine(fake: executor, isDeterministic: true)
    let sequence = engine.makeSequence()
    try sequence.append([3, 4, 5, 6, 7], phase: .prompt)
    try sequence.append([8])
    try sequence.append([9])
    try sequence.keepPrefix()
    #expect(engine.makeSequence(beginning: [3, 4, 5, 6, 7, 8, 9, 10]).position == 5)
  }

  @Test func roomIsWhatThereIs() throws {
    let engine = try Engine(fake: FakeExecutor(), contextSize: 16, pages: 4)
    let first = engine.makeSequence()
    let second = engine.makeSequence()
    try first.append([3, 4, 5, 6, 7, 8])
    func room(_ sequence: TokenSequence) throws -> Int { try engine.withCore { try $0.room(10, for: sequence.id) } }
    #expect(try room(second) == 8)
    #expect(try room(first) == 2)
    second.truncate(to: 0)
    #expect(try room(first) == 10)
    #expect(engine.cacheUse.pages == 4)
  }

  @Test func aSequenceDroppedInsideACallGivesItsPagesBack() throws {
    let engine = try Engine(fake: FakeExecutor())
    var other: TokenSequence? = engine.makeSequence()
    try other?.append([3, 4, 5])
    let sequence = engine.makeSequence()
    try sequence.evaluate([6, 7]) { _ in other = nil }
    #expect(other == nil && engine.cacheUse.sequences == 1 && engine.cacheUse.pages == 1)
  }

  @Test func whatCannotBeRunIsASentence() throws {
    let executor = try FakeExecutor(maxRows: 8)
    let engine = try Engine(fake: executor, contextSize: 16, pages: 4)
    let sequence = engine.makeSequence()
    func message(_ body: () throws -> Void) -> String {
      do {
        try body()
        return ""
      } catch {
        return "\(error)"
      }
    }
    func run(_ pieces: [Batch.Piece]) -> String { message { try engine.run(engine.batch(pieces)) } }
    func piece(_ id: SequenceID, _ position: Int, _ tokens: [Int32], wanted: Range<Int> = 0..<0) -> Batch.Piece {
      Batch.Piece(sequence: id, position: position, tokens: tokens[...], phase: .prompt, wanted: wanted)
    }
    #expect(message { try sequence.append([]) } == "There are no tokens to evaluate, expected at least one.")
    #expect(run([]) == "There are no tokens to evaluate, expected at least one.")
    #expect(
      message { try sequence.append([3, 280]) } == "Token id 280 is not in the vocabulary, expected 0 to 279.")
    #expect(
      message { try sequence.append(Array(repeating: 3, count: 17)) }
        == "17 more tokens after 0 do not fit the context of 16 tokens.")
    #expect(
      run([piece(sequence.id, 0, Array(repeating: 3, count: 9))]) == "The batch has 9 rows, expected at most 8.")
    #expect(
      run([piece(SequenceID(99), 0, [3])]) == "The batch names a sequence that this engine does not have.")
    // Another engine's first sequence is not this one's.
    let stranger = try Engine(fake: FakeExecutor(maxRows: 8), contextSize: 16, pages: 4).makeSequence()
    #expect(run([piece(stranger.id, 0, [3])]) == "The batch names a sequence that this engine does not have.")
    var inside: TokenSequence?
    try sequence.evaluate([3]) { _ in inside = engine.makeSequence() }
    sequence.truncate(to: 0)
    #expect(
      message { try inside?.append([3]) }
        == "The engine was called from inside one of its own calls, which would wait for itself.")
    #expect(
      run([piece(sequence.id, 1, [3])]) == "The batch goes on from position 1 of a sequence, expected 0.")
    #expect(
      run([piece(sequence.id, 0, [3]), piece(sequence.id, 0, [3])])
        == "The batch goes on from position 0 of a sequence, expected 1.")
    #expect(
      run([piece(sequence.id, 0, [3], wanted: 0..<2)])
        == "Logits of tokens 0..<2 of a piece are wanted, expected a part of 0..<1.")
    #expect(
      message { try sequence.evaluate([3]) { _ in try sequence.append([3]) } }
        == "The engine was called from inside one of its own calls, which would wait for itself.")
    #expect(sequence.tokens == [3])
    let other = engine.makeSequence()
    try other.append(Array(repeating: 4, count: 12))
    #expect(
      message { try sequence.append([3, 3, 3, 3]) }
        == "The key/value cache is full: all of its 4 pages (256 bytes) are in use.")
    #expect(sequence.tokens == [3])
    other.close()
    try sequence.append([3, 3, 3, 3])
    sequence.close()
    let closed = "The sequence was closed and cannot be used any more."
    #expect(message { try sequence.append([3]) } == closed)
    #expect(message { _ = try sequence.fork() } == closed)
    #expect(message { try sequence.keepPrefix() } == closed)
    #expect(sequence.position == 0 && sequence.tokens == [])
    #expect(engine.cacheUse.pages == 0 && executor.counts.withLock { $0.faults } == [])
  }

  @Test func anExecutorsErrorLeavesTheSequenceAsItWas() throws {
    let executor = try FakeExecutor(maxRows: 4)
    let engine = try Engine(fake: executor)
    let sequence = engine.makeSequence()
    executor.onPass = { pass in
      if pass.batch.pieces[0].position == 4 { throw FakeExecutor.Failure() }
    }
    #expect(throws: FakeExecutor.Failure.self) { try sequence.append([3, 4, 5, 6, 7, 8]) }
    #expect(sequence.tokens == [3, 4, 5, 6])
    executor.onPass = { _ in }
    #expect(try best(sequence, [7, 8]) == anew([3, 4, 5, 6, 7, 8]))
  }
}
