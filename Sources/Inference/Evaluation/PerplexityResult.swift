/// What a perplexity test has found.
public struct PerplexityResult: Sendable, Equatable, Encodable {
  /// Chunks read.
  public let chunks: Int
  /// Tokens read.
  public let tokens: Int
  /// Tokens predicted.
  public let scored: Int
  /// Mean of -ln p over the predictions, in nats.
  public let negativeLogLikelihood: Estimate
  /// e to the power of that.
  public let perplexity: Estimate
  /// Against the reference; nil without one.
  public let divergence: DivergenceResult?
}

/// What is worked out at one position.
struct RowResult {
  let negativeLogLikelihood: Double
  /// Nil without a reference.
  let sample: DivergenceScore.Sample?
  /// Whether the logits made a distribution.
  let isFinite: Bool

  init(_ row: LogitRow, next: Int32, reference: ReferenceRecord?) {
    isFinite = row.logSumExp.isFinite
    let negativeLogLikelihood = -row.logProbability(of: next)
    self.negativeLogLikelihood = negativeLogLikelihood
    sample = reference.map {
      DivergenceScore.Sample(
        negativeLogLikelihood: negativeLogLikelihood, reference: $0.negativeLogLikelihood,
        divergence: $0.divergence(to: row), hasSameTop: $0.top == row.top)
    }
  }
}

/// Memory for the records of some positions, for all threads of a team to write to, each in its own places.
final class RecordBuffer {
  private(set) var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)

  deinit { bytes.deallocate() }

  /// Makes room for so many bytes; what is new is zero.
  func reserve(_ count: Int) {
    guard count > bytes.count else { return }
    bytes.deallocate()
    bytes = .allocate(byteCount: count, alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }
}
