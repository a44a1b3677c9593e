import Foundation
import PowerInfer
import PowerInferSparsity

/// JSON for machines: keys in a fixed order, so that outputs can be compared as text.
enum JSON {
  static func text(_ value: some Encodable, pretty: Bool = true) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}

/// An answer as a machine reads it.
struct AnswerReport: Encodable {
  var model: String
  var text: String
  var tokens: [Int32]
  var finishReason: FinishReason
  var stopString: String?
  var contextSlides: Int
  var seed: UInt64
  var statistics: GenerationStatistics
  var promptTokensPerSecond: Double?
  var decodeTokensPerSecond: Double?
  var sparsity: SparsityShares
  /// Where a GPU and the processor shared the model.
  var hybrid: HybridReport?

  init(
    model: String, seed: UInt64, result: GenerationResult, sparsity: SparsityReport, hybrid: HybridStatistics? = nil
  ) {
    self.sparsity = SparsityShares(sparsity)
    self.hybrid = hybrid.map { HybridReport($0, decodeTokensPerSecond: result.statistics.decodeTokensPerSecond) }
    self.model = model
    self.seed = seed
    text = result.text
    tokens = result.tokens
    finishReason = result.finishReason
    stopString = result.stopString
    contextSlides = result.contextSlides
    statistics = result.statistics
    promptTokensPerSecond = result.statistics.promptTokensPerSecond
    decodeTokensPerSecond = result.statistics.decodeTokensPerSecond
  }
}

/// A piece of an answer in a stream of JSON lines; the last line is an `AnswerReport`.
struct AnswerPiece: Encodable {
  var piece: String
}

/// Which neurons were computed, as a machine reads it; shares are of all neurons, 0...1.
struct SparsityShares: Encodable {
  var mode: String
  var sources: [String]
  var active: Double?
  var computed: Double?
  var hitRate: Double?
  var choice: String?

  init(_ report: SparsityReport) {
    mode = report.mode.rawValue
    sources = report.layers.map(\.source.rawValue)
    (active, computed, hitRate, choice) = (report.active, report.computed, report.hitRate, report.choice)
  }
}
