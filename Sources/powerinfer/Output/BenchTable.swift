import Foundation
import Inference

/// The results of a benchmark, as llama-bench prints them.
struct BenchTable {
  struct Row: Encodable, Equatable {
    var model: String
    var file: String
    var modelBytes: Int
    var modelParameters: Int
    var backend: String
    var threads: Int
    var test: String
    var tokensPerSecond: Spread
    /// Tokens per second of each run.
    var samples: [Double]

    /// A line of the table.
    var markdown: String {
      let speed = String(format: "%.2f ± %.2f", tokensPerSecond.mean, tokensPerSecond.deviation)
      let cells = [
        model, Units.bytes(modelBytes), Units.weights(modelParameters), backend, "\(threads)", test, speed,
      ]
      return BenchTable.line(cells)
    }
  }

  var rows: [Row]

  private static let titles = ["model", "size", "params", "backend", "threads", "test", "t/s"]
  private static let widths = [24, 10, 10, 7, 7, 8, 18]
  private static let rightAligned: Set<Int> = [1, 2, 4, 5, 6]

  /// The titles and the line below them.
  static var heading: String {
    let dashes = widths.enumerated().map { index, width in
      rightAligned.contains(index)
        ? String(repeating: "-", count: width - 1) + ":" : String(repeating: "-", count: width)
    }
    return line(titles) + line(dashes)
  }

  private static func line(_ cells: [String]) -> String {
    let padded = cells.enumerated().map { index, cell in
      let blanks = String(repeating: " ", count: max(0, widths[index] - cell.count))
      return rightAligned.contains(index) ? blanks + cell : cell + blanks
    }
    return "| " + padded.joined(separator: " | ") + " |\n"
  }
}
