import Foundation
import PowerInfer
import PowerInferKernels
import PowerInferTestKit

/// An evaluator with given logits for the scored positions of each chunk, [chunk][position][vocabulary]. Remembers what
/// it read.
final class KnownLogits: ChunkEvaluator {
  private(set) var inputs: [[Int32]] = []
  private(set) var wanted: Set<Range<Int>> = []
  /// Positions handed over at once.
  var blockSize = 3
  private let logits: [[[Float]]]

  init(_ logits: [[[Float]]]) { self.logits = logits }

  func truncate(to position: Int) {}

  func evaluate(
    _ tokens: [Int32], logitsOf wanted: Range<Int>, progress: ((Int) -> Bool)?,
    body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    let rows = logits[inputs.count]
    inputs.append(tokens)
    self.wanted.insert(wanted)
    if let progress, !progress(wanted.lowerBound) { return }
    for start in stride(from: 0, to: rows.count, by: blockSize) {
      let range = start..<min(start + blockSize, rows.count)
      try rows[range].flatMap { $0 }.withUnsafeBufferPointer {
        try body(wanted.lowerBound + range.lowerBound..<wanted.lowerBound + range.upperBound, $0)
      }
    }
  }
}

/// Logits of two models and what follows from them, by `Scripts/golden_perplexity.py`.
struct GoldenPerplexity: Decodable {
  struct Figure: Decodable {
    let value: Double
    let error: Double
  }

  struct Expected: Decodable {
    let negativeLogLikelihood, perplexity, referencePerplexity, logRatio, ratio, mean: Figure
    let meanProbabilityDifference, rmsProbabilityDifference, sameTop: Figure
    let correlation: Double
    /// Fraction and value.
    let quantiles: [[Double]]
  }

  let vocabularySize: Int
  let contextSize: Int
  let tokens: [Int32]
  let reference: [[[Float]]]
  let model: [[[Float]]]
  let expected: Expected

  static func load() throws -> GoldenPerplexity {
    try Golden.json(GoldenPerplexity.self, "perplexity.json", in: .module)
  }

  func text() throws -> ScoredText {
    try ScoredText(tokens: tokens, contextSize: contextSize, beginning: nil)
  }
}

extension Estimate {
  /// Whether value and error are a golden figure's, to a relative tolerance.
  func isClose(to golden: GoldenPerplexity.Figure, _ tolerance: Double) -> Bool {
    func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= tolerance * abs(b) }
    return close(value, golden.value) && close(error ?? .nan, golden.error)
  }
}
