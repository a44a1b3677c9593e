import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// What cannot be run, and what an executor holds afterwards. One body for all executors.
@Suite struct ExecutorErrorTests {
  let model: LanguageModel

  init() throws { model = try ExecutorBench.open("tiny-relu-f16.powerinfer") }

  /// Every mistake in a batch beside a sequence without one: both stay as they were.
  @Test(arguments: ExecutorKind.allCases)
  func refusesBatches(kind: ExecutorKind) throws {
    let engine = try kind.engine(model, ExecutorBench.options(contextSize: 20, batchSize: 16))
    let tokens = ExecutorBench.tokens(18, model, seed: 1)
    let expected = try engine.makeSequence().rows(tokens, phase: .prompt)
    let (sequence, other, closed) = (engine.makeSequence(), engine.makeSequence(), engine.makeSequence())
    for sequence in [sequence, other, closed] { try sequence.append(Array(tokens[..<12]), phase: .prompt) }
    closed.close()
    let stranger = try kind.engine(model, ExecutorBench.options())
    let unknown = (0..<9).map { _ in stranger.makeSequence() }[8]

    func piece(
      _ sequence: TokenSequence, at position: Int = 12, _ tokens: ArraySlice<Int32>, wanted: Range<Int> = 0..<0
    ) -> Batch.Piece {
      Batch.Piece(sequence: sequence.id, position: position, tokens: tokens, phase: .prompt, wanted: wanted)
    }
    let good = piece(other, tokens[12..<14], wanted: 0..<2)
    let width = model.configuration.vocabularySize
    let mistakes: [([Batch.Piece], EngineError)] = [
      ([], .noTokens),
      ([good, piece(sequence, [])], .noTokens),
      ([good, piece(sequence, [3, Int32(width)])], .unknownToken(Int32(width), vocabularySize: width)),
      ([good, piece(sequence, [-1])], .unknownToken(-1, vocabularySize: width)),
      ([good, piece(sequence, at: 11, [3])], .wrongPosition(11, expected: 12)),
      ([good, piece(sequence, at: 13, [3])], .wrongPosition(13, expected: 12)),
      ([good, piece(sequence, [3]), piece(sequence, at: 13, [4])], .wrongPosition(13, expected: 13)),
      ([good, piece(sequence, [3]), piece(sequence, [4])], .wrongPosition(12, expected: 13)),
      ([good, piece(closed, [3])], .sequenceClosed),
      ([good, piece(unknown, at: 0, [3])], .unknownSequence),
      ([good, piece(sequence, tokens[0..<15])], .tooManyRows(17, most: 16)),
      ([good, piece(sequence, tokens[0..<9])], .contextFull(position: 12, adding: 9, contextSize: 20)),
      ([good, piece(sequence, [3, 4], wanted: 1..<3)], .wantedOutside(1..<3, tokens: 2)),
      ([good, piece(sequence, [3, 4], wanted: -1..<1)], .wantedOutside(-1..<1, tokens: 2)),
    ]
    let pages = engine.cacheUse.pages
    for (pieces, error) in mistakes {
      #expect(throws: error) { try engine.run(engine.batch(pieces)) }
      #expect(sequence.tokens == Array(tokens[..<12]) && other.tokens == Array(tokens[..<12]))
      #expect(engine.cacheUse.pages == pages)
    }
    for sequence in [sequence, other] {
      #expect(try sequence.rows(Array(tokens[12...]), phase: .prompt).elementsEqual(expected[12...]))
    }
    #expect(throws: EngineError.sequenceClosed) { try closed.append([1]) }
    #expect(throws: EngineError.sequenceClosed) { try closed.fork() }
    #expect(throws: EngineError.sequenceClosed) { try closed.keepPrefix() }
    #expect(closed.tokens == [] && closed.position == 0)
  }

  /// An engine whose cache has room for so many pages, and a page's positions.
  private func engine(_ kind: ExecutorKind, pages: Int) throws -> (Engine, Int) {
    let layout = try kind.engine(model, ExecutorBench.options()).pageLayout
    var options = ExecutorBench.options(contextSize: 2 * layout.positions, batchSize: 300)
    options.cacheByteLimit = pages * layout.byteCount
    return (try kind.engine(model, options), layout.positions)
  }

  /// The one that finds no page is refused, in the middle of its answer; another goes on, and so does the first once there is room.
  @Test(arguments: ExecutorKind.allCases)
  func aFullCacheStopsOneSequence(kind: ExecutorKind) throws {
    let (engine, page) = try engine(kind, pages: 3)
    let tokens = ExecutorBench.tokens(page + 3, model, seed: 2)
    let expected = try engine.makeSequence().rows(tokens, phase: .prompt)
    #expect(engine.cacheUse.pages == 0)

    let (first, second) = (engine.makeSequence(), engine.makeSequence())
    try first.append(tokens, phase: .prompt)
    try second.append(Array(tokens[..<page]), phase: .prompt)
    let full = EngineError.cacheFull(pages: 3, bytes: 3 * engine.pageLayout.byteCount)
    #expect(throws: full) { try second.append([tokens[page]], phase: .prompt) }
    // In one batch neither goes on.
    #expect(throws: full) {
      try engine.run(
        engine.batch([
          Batch.Piece(sequence: first.id, position: page + 3, tokens: [1], phase: .decode, wanted: 0..<1),
          Batch.Piece(sequence: second.id, position: page, tokens: [tokens[page]], phase: .prompt, wanted: 0..<0),
        ]))
    }
    #expect(first.tokens == tokens && second.tokens == Array(tokens[..<page]))
    // A fork of a part of a page needs a page to copy it to.
    let fork = try first.fork()
    #expect(throws: full) { try fork.append([1]) }
    fork.close()

    try first.append([5, 6], phase: .prompt)
    first.truncate(to: page + 1)
    #expect(try first.rows(Array(tokens[(page + 1)...]), phase: .prompt).elementsEqual(expected[(page + 1)...]))
    first.close()
    #expect(try second.rows(Array(tokens[page...]), phase: .prompt).elementsEqual(expected[page...]))
    second.close()
    #expect(engine.cacheUse.pages == 0 && engine.cacheUse.peakPages == 3)
  }

  /// Prefixes that are kept for later make room for those who need it now.
  @Test(arguments: ExecutorKind.allCases)
  func keptPrefixesMakeRoom(kind: ExecutorKind) throws {
    let (engine, page) = try engine(kind, pages: 3)
    let tokens = ExecutorBench.tokens(2 * page, model, seed: 3)
    let expected = try engine.makeSequence().rows(tokens, phase: .prompt)
    var sequence: TokenSequence? = engine.makeSequence()
    try sequence?.append(tokens, phase: .prompt)
    try sequence?.keepPrefix()
    sequence = nil
    #expect(engine.cacheUse.pages == 2)

    let again = engine.makeSequence(beginning: tokens)
    #expect(again.position == 2 * page - 1)
    #expect(try again.rows([tokens[2 * page - 1]], phase: .prompt) == [expected[2 * page - 1]])
    again.close()
    let other = ExecutorBench.tokens(2 * page, model, seed: 4)
    try engine.makeSequence().append(other, phase: .prompt)
    let rest = engine.makeSequence(beginning: tokens)
    #expect(rest.position == page)
    #expect(try rest.rows(Array(tokens[page...]), phase: .prompt).elementsEqual(expected[page...]))
    rest.close()
    try engine.forgetPrefixes()
    #expect(engine.cacheUse.pages == 0)
  }

  /// Memory that the system does not give is found by giving up prefixes, or refused.
  @Test func anExecutorMayRunOutOfMemory() throws {
    let executor = try ReferenceExecutor(model: model)
    let engine = try Engine(executor: executor, options: ExecutorBench.options(contextSize: 64))
    executor.pageCapacity = 2
    let tokens = ExecutorBench.tokens(33, model, seed: 5)
    let sequence = engine.makeSequence()
    try sequence.append(Array(tokens[..<32]), phase: .prompt)
    let error = EngineError.outOfCacheMemory(bytes: engine.pageLayout.byteCount)
    #expect(throws: error) { try sequence.append([tokens[32]], phase: .prompt) }
    #expect(sequence.position == 32 && executor.pageCount == 2)
    try sequence.keepPrefix()
    sequence.close()
    #expect(executor.pageCount == 2)
    try engine.makeSequence().append(Array(tokens[1...20]), phase: .prompt)
    try engine.forgetPrefixes()
    #expect(executor.pageCount == 0 && executor.mistakes == 0)
  }

  /// Pages of an executor are those of its engine, and none are left when nobody needs them.
  @Test func pagesReturnToZero() throws {
    let executor = try ReferenceExecutor(model: model)
    let engine = try Engine(executor: executor, options: ExecutorBench.options(contextSize: 64))
    var random = SplitMix64(seed: 6)
    func number(_ count: Int) -> Int { Int(truncatingIfNeeded: random.next() % UInt64(count)) }
    var sequences: [TokenSequence] = []
    for step in 0..<300 {
      switch number(7) {
      case 0: sequences.append(engine.makeSequence())
      case 1: if let some = sequences.randomElement(using: &random) { sequences.append(try some.fork()) }
      case 2: if !sequences.isEmpty { sequences.remove(at: number(sequences.count)) }
      case 3: sequences.randomElement(using: &random)?.truncate(to: number(40))
      case 4: try sequences.randomElement(using: &random)?.keepPrefix()
      case 5: sequences.append(engine.makeSequence(beginning: ExecutorBench.tokens(30, model, seed: 7)))
      default:
        guard let some = sequences.randomElement(using: &random), some.position < 40 else { continue }
        let all = ExecutorBench.tokens(64, model, seed: 7)
        try some.append(Array(all[some.position..<some.position + 1 + number(9)]), phase: .prompt)
      }
      #expect(executor.pageCount == engine.cacheUse.pages, "step \(step)")
    }
    #expect(executor.copies > 0 && executor.pageCount > 0)
    sequences = []
    try engine.forgetPrefixes()
    #expect(executor.pageCount == 0 && engine.cacheUse.pages == 0 && engine.cacheUse.sequences == 0)
    #expect(executor.mistakes == 0)
  }
}
