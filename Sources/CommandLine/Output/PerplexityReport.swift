import Foundation
import PowerInfer
import PowerInferSparsity

/// The running values of a perplexity test, a line per chunk.
enum PerplexityTable {
  /// What is measured, and the titles of the columns.
  static func heading(_ text: ScoredText, isCompared: Bool) -> String {
    let what =
      "\(text.chunkCount) \(text.chunkCount == 1 ? "chunk" : "chunks") of \(text.contextSize) tokens, "
      + "\(text.scoredPositions.count) of them scored\n"
    let titles =
      ["chunk", "perplexity"] + (isCompared ? ["ln ratio", "divergence", "RMS Δp (%)", "same top (%)"] : [])
    return what + line(titles)
  }

  /// The values after a chunk.
  static func row(_ progress: PerplexityTest.Progress) -> String {
    var cells = ["\(progress.chunks)", Figures.estimate(progress.score.perplexity, digits: 4)]
    if let divergence = progress.divergence {
      cells += [
        Figures.estimate(divergence.logRatio, digits: 5), Figures.estimate(divergence.meanDivergence, digits: 5),
        Figures.estimate(divergence.rmsProbabilityDifference, digits: 3, unit: 100),
        Figures.estimate(divergence.sameTop, digits: 3, unit: 100),
      ]
    }
    return line(cells)
  }

  private static func line(_ cells: [String]) -> String {
    cells.enumerated().map { index, cell in
      String(repeating: " ", count: max(0, (index == 0 ? 5 : 20) - cell.count)) + cell
    }.joined(separator: " ") + "\n"
  }
}

/// What a perplexity test has found, for people and for machines.
struct PerplexityReport: Encodable {
  var model: String
  var contextSize: Int
  var threads: Int
  /// The mode that says which neurons were computed.
  var sparsity: SparsityMode
  /// Chunks asked for; those read are in the result.
  var chunksInAll: Int
  var result: PerplexityResult
  /// The perplexity after each chunk.
  var runningPerplexities: [Double]
  var seconds: Double
  var tokensPerSecond: Double

  init(
    model: String, text: ScoredText, threads: Int, sparsity: SparsityMode, result: PerplexityResult,
    runningPerplexities: [Double], seconds: Double
  ) {
    self.model = model
    contextSize = text.contextSize
    chunksInAll = text.chunkCount
    self.threads = threads
    self.sparsity = sparsity
    self.result = result
    self.runningPerplexities = runningPerplexities
    self.seconds = seconds
    tokensPerSecond = seconds > 0 ? Double(result.tokens) / seconds : 0
  }

  /// The result, a figure a line.
  var text: String {
    var lines = [("perplexity", Figures.estimate(result.perplexity, digits: 4))]
    if let divergence = result.divergence {
      lines += [
        ("perplexity of the reference", Figures.estimate(divergence.referencePerplexity, digits: 4)),
        ("ratio of the two", Figures.estimate(divergence.ratio, digits: 6)),
        ("ln of the ratio", Figures.estimate(divergence.logRatio, digits: 6)),
        ("correlation of ln p", divergence.correlation.map { Figures.number($0, digits: 2, unit: 100) + " %" } ?? "-"),
        ("mean KL divergence", Figures.estimate(divergence.mean, digits: 6)),
        ("  maximum", Figures.number(divergence.maximum, digits: 6)),
        ("  99.9 %", Figures.number(divergence.percentile99_9, digits: 6)),
        ("  99 %", Figures.number(divergence.percentile99, digits: 6)),
        ("  95 %", Figures.number(divergence.percentile95, digits: 6)),
        ("  90 %", Figures.number(divergence.percentile90, digits: 6)),
        ("  median", Figures.number(divergence.median, digits: 6)),
        ("mean Δp", Figures.estimate(divergence.meanProbabilityDifference, digits: 3, unit: 100) + " %"),
        ("RMS Δp", Figures.estimate(divergence.rmsProbabilityDifference, digits: 3, unit: 100) + " %"),
        ("same top token", Figures.estimate(divergence.sameTop, digits: 3, unit: 100) + " %"),
      ]
    }
    return lines.map { title, value in
      title + String(repeating: " ", count: max(1, 29 - title.count)) + value + "\n"
    }.joined()
  }

  /// What it cost, in one line.
  var cost: String {
    let share = result.chunks < chunksInAll ? " (cancelled after \(result.chunks) of \(chunksInAll) chunks)" : ""
    // What the default computes is what all neurons give.
    let source = sparsity == .auto ? "" : ", neurons by \(sparsity.rawValue)"
    return "\(result.tokens) tokens in \(Figures.number(seconds, digits: 1)) s at "
      + "\(Figures.number(tokensPerSecond, digits: 1)) tok/s, \(result.scored) scored" + source + share
  }
}

/// Measured numbers as text.
enum Figures {
  /// - Parameter unit: how often the unit goes into 1: 100 for percent.
  static func number(_ value: Double, digits: Int, unit: Double = 1) -> String {
    String(format: "%.\(digits)f", value * unit)
  }

  static func estimate(_ estimate: Estimate, digits: Int, unit: Double = 1) -> String {
    let value = number(estimate.value, digits: digits, unit: unit)
    return estimate.error.map { value + " ± " + number($0, digits: digits, unit: unit) } ?? value
  }

  /// A share of 1 in percent; nothing for one that is not known.
  static func percent(_ share: Double?) -> String {
    share.map { number($0, digits: 2, unit: 100) + " %" } ?? ""
  }
}
