import Foundation
import PowerInfer
import PowerInferSparsity

extension ProfileReport {
  private static let layout = TextTable(columns: [
    .init(title: "stage", width: 18, isRightAligned: false), .init(title: "µs/token", width: 10),
    .init(title: "%", width: 6), .init(title: "GB/s", width: 8), .init(title: "GFLOP/s", width: 8),
  ])

  /// The table, its sum last.
  var markdown: String {
    func cell(_ value: Double?, _ digits: Int) -> String { value.map { String(format: "%.\(digits)f", $0) } ?? "" }
    let lines = rows.map { row in
      Self.layout.line([
        row.stage, cell(row.microsecondsPerToken, 2), cell(row.share * 100, 1), cell(row.gigabytesPerSecond, 2),
        cell(row.gigaflopsPerSecond, 1),
      ])
    }
    let sum = Self.layout.line(["sum", cell(microsecondsPerToken, 2), cell(100, 1), "", ""])
    return Self.layout.heading + lines.joined() + sum
  }

  /// The reports of an engine for a person to read below an answer.
  static func text(_ reports: [ProfileReport]) -> String {
    reports.map { report in
      "\n\(report.phase), \(report.tokens) token\(report.tokens == 1 ? "" : "s"), "
        + "\(report.threads) thread\(report.threads == 1 ? "" : "s"):\n\n" + report.markdown
    }.joined()
  }
}

extension SparsityReport {
  private static let layout = TextTable(columns: [
    .init(title: "layer", width: 5), .init(title: "source", width: 9, isRightAligned: false),
    .init(title: "active %", width: 8), .init(title: "computed %", width: 10), .init(title: "hit rate %", width: 10),
    .init(title: "µs/token", width: 8),
  ])

  /// A row for each layer, what they have in common last.
  var markdown: String {
    func cell(_ value: Double?, _ digits: Int) -> String { value.map { String(format: "%.\(digits)f", $0) } ?? "" }
    func percent(_ share: Double?) -> String { cell(share.map { $0 * 100 }, 1) }
    let lines = layers.enumerated().map { index, layer in
      Self.layout.line([
        "\(index)", layer.source.rawValue, percent(layer.active), percent(layer.computed), percent(layer.hitRate),
        cell(layer.microsecondsPerToken, 1),
      ])
    }
    let times = layers.compactMap(\.microsecondsPerToken)
    let sum = Self.layout.line([
      "all", mode.rawValue, percent(active), percent(computed), percent(hitRate),
      cell(times.isEmpty ? nil : times.reduce(0, +), 1),
    ])
    return "\nfeed-forward of decoded tokens, by layer:\n\n" + Self.layout.heading + lines.joined() + sum
  }
}
