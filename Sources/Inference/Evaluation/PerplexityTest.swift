public import PowerInferKernels
import PowerInferModel

/// What a perplexity test needs of a model: the logits of some of a chunk's tokens, read from an empty memory.
public protocol ChunkEvaluator: AnyObject {
  /// Forgets all tokens from `position` on.
  func truncate(to position: Int)
  /// Appends tokens to the memory and hands `body` the logits of those whose index is in `wanted`, in order, one or
  /// several at a time: their indices and [indices.count, vocabulary].
  ///
  /// - Parameters:
  ///   - tokens: a chunk of the text.
  ///   - wanted: indices into `tokens`.
  ///   - progress: told now and then how many tokens are done; returns false to stop.
  ///   - body: what to do with the logits, which are valid until it returns.
  func evaluate(
    _ tokens: [Int32], logitsOf wanted: Range<Int>, progress: ((Int) -> Bool)?,
    body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws
}

extension TokenSequence: ChunkEvaluator {
  public func evaluate(
    _ tokens: [Int32], logitsOf wanted: Range<Int>, progress: ((Int) -> Bool)?,
    body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    try evaluate(tokens, phase: .prompt, logitsOf: wanted, progress: progress, body: body)
  }
}

/// Measures how well a model predicts a text, and how far its predictions are from a reference's.
///
/// Memory does not grow with the text, but for its tokens and a few numbers per position. Results are the same bits for
/// any number of threads.
public final class PerplexityTest {
  /// What is predicted.
  public let text: ScoredText
  private let evaluator: any ChunkEvaluator
  private let vocabularySize: Int
  private let team: ThreadTeam
  private let writer: ReferenceWriter?
  private let reader: ReferenceReader?

  /// -ln p of every prediction so far, those of whole chunks.
  public private(set) var negativeLogLikelihoods: [Double] = []
  private var score = PerplexityScore()
  private var divergence: DivergenceScore?
  private var rows: [RowResult] = []
  private let records = RecordBuffer()

  /// What a test has found up to the end of a chunk.
  public struct Progress: Sendable {
    /// Chunks done.
    public let chunks: Int
    /// The model's own score.
    public let score: PerplexityScore
    /// Against the reference; nil without one.
    public let divergence: DivergenceScore?
  }

  /// A test of an engine's model.
  ///
  /// - Parameters:
  ///   - text: what to score.
  ///   - engine: with a context of the text's size at least.
  ///   - writer: saves the predictions; the test does not finish it.
  ///   - reader: the reference to compare with, made from the same text.
  public convenience init(
    _ text: ScoredText, engine: Engine, saving writer: ReferenceWriter? = nil, against reader: ReferenceReader? = nil
  ) {
    self.init(
      text, evaluator: engine.makeSequence(), vocabularySize: engine.model.configuration.vocabularySize,
      team: engine.team, saving: writer, against: reader)
  }

  /// A test of any source of logits; the engine's threads are `team`.
  public init(
    _ text: ScoredText, evaluator: any ChunkEvaluator, vocabularySize: Int, team: ThreadTeam,
    saving writer: ReferenceWriter? = nil, against reader: ReferenceReader? = nil
  ) {
    self.text = text
    self.evaluator = evaluator
    self.vocabularySize = vocabularySize
    self.team = team
    self.writer = writer
    self.reader = reader
    divergence = reader.map { _ in DivergenceScore() }
  }

  /// Runs all chunks.
  ///
  /// - Parameters:
  ///   - onChunk: told after every chunk what has been found so far.
  ///   - onTokens: told now and then how many tokens of all are done.
  ///   - isCancelled: asked now and then; when true the result is that of the chunks done.
  /// - Throws: ``EvaluationError/notFinite(chunk:position:)``, ``ReferenceError/damagedChunk(path:chunk:)``,
  ///   `FileError` from saving, and what the evaluator throws.
  public func run(
    onChunk: (Progress) throws -> Void = { _ in },
    onTokens: @escaping (_ done: Int, _ of: Int) -> Void = { _, _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> PerplexityResult {
    var chunks = 0
    for chunk in 0..<text.chunkCount {
      guard try run(chunk: chunk, onTokens: onTokens, isCancelled: isCancelled) else { break }
      chunks += 1
      try onChunk(Progress(chunks: chunks, score: score, divergence: divergence))
    }
    return PerplexityResult(
      chunks: chunks, tokens: chunks * text.contextSize, scored: score.count,
      negativeLogLikelihood: score.negativeLogLikelihood, perplexity: score.perplexity,
      divergence: score.count > 0 ? divergence?.result : nil)
  }

  /// Reads a chunk and, if nothing stops it, counts its predictions.
  private func run(
    chunk: Int, onTokens: @escaping (Int, Int) -> Void, isCancelled: @escaping () -> Bool
  ) throws -> Bool {
    let before = chunk * text.contextSize
    rows.removeAll(keepingCapacity: true)
    evaluator.truncate(to: 0)
    var isStopped = isCancelled()
    if isStopped { return false }
    func advance(_ done: Int) -> Bool {
      onTokens(before + done, text.tokens.count)
      isStopped = isStopped || isCancelled()
      return !isStopped
    }
    try evaluator.evaluate(text.input(ofChunk: chunk), logitsOf: text.scoredPositions, progress: advance) {
      positions, logits in
      try score(positions, of: chunk, logits)
    }
    if isStopped { return false }
    onTokens(before + text.contextSize, text.tokens.count)
    // Only now, so that a damaged reference leaves no number behind.
    try reader?.endChunk(chunk)
    try writer?.endChunk()
    for row in rows {
      score.add(negativeLogLikelihood: row.negativeLogLikelihood)
      negativeLogLikelihoods.append(row.negativeLogLikelihood)
      if let sample = row.sample { divergence?.add(sample) }
    }
    return true
  }

  /// Works some positions out, each on one thread.
  private func score(_ positions: Range<Int>, of chunk: Int, _ logits: UnsafeBufferPointer<Float>) throws {
    let targets = text.targets(ofChunk: chunk, after: positions)
    let recordBytes = ReferenceFormat.recordBytes(vocabularySize: vocabularySize)
    if writer != nil { records.reserve(positions.count * recordBytes) }
    let results = UnsafeMutableBufferPointer<RowResult>.allocate(capacity: positions.count)
    defer { results.deallocate() }
    let width = vocabularySize
    // Every member writes results and records of positions of its own; logits and the reference are only read.
    let shared = Unguarded(
      (logits: logits, results: results, target: writer == nil ? nil : records.bytes.baseAddress, reader: reader))
    team.run { member in
      let (logits, results, target, reader) = shared.value
      for index in member.share(of: positions.count) {
        let row = LogitRow(UnsafeBufferPointer(rebasing: logits[index * width..<(index + 1) * width]))
        let next = targets[targets.startIndex + index]
        let record = reader?.record(chunk: chunk, position: positions.lowerBound + index)
        results.initializeElement(at: index, to: RowResult(row, next: next, reference: record))
        if let target { ReferenceRecord.write(row, next: next, to: target + index * recordBytes) }
      }
    }
    for index in results.indices {
      guard results[index].isFinite else {
        throw EvaluationError.notFinite(chunk: chunk, position: positions.lowerBound + index)
      }
      rows.append(results[index])
    }
    reader?.verify(chunk: chunk, positions: positions)
    if writer != nil {
      try writer?.append(UnsafeRawBufferPointer(rebasing: records.bytes[..<(positions.count * recordBytes)]))
    }
  }
}
