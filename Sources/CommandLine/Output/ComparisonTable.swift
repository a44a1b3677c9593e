import Foundation
import PowerInfer
import PowerInferSparsity

/// What activation sources cost and give, printed as they come or, in JSON, at the end.
struct ComparisonTable {
  static let layout = TextTable(columns: [
    .init(title: "source", width: 9, isRightAligned: false), .init(title: "t/s", width: 8),
    .init(title: "active", width: 8), .init(title: "computed", width: 8), .init(title: "recall", width: 8),
    .init(title: "kept", width: 8), .init(title: "perplexity", width: 20), .init(title: "change", width: 17),
  ])

  /// What the figures were taken on.
  struct Origin {
    var model: String
    var threads: Int
    var text: ScoredText
    /// Tokens read before those that are decoded.
    var prefix: Int
    /// Tokens decoded in a turn.
    var decoded: Int
    var turns: Int
  }

  let format: ResultFormat
  let origin: Origin
  /// Whether to show every layer.
  let isPerLayer: Bool
  let write: (String) throws -> Void
  private var sources: [SourceQuality] = []

  init(
    _ format: ResultFormat, _ origin: Origin, isPerLayer: Bool = false,
    write: @escaping (String) throws -> Void = StandardOutput.write
  ) {
    self.format = format
    self.origin = origin
    self.isPerLayer = isPerLayer
    self.write = write
  }

  mutating func add(_ source: SourceQuality) throws {
    switch format {
    case .markdown: try write((sources.isEmpty ? Self.layout.heading : "") + Self.markdown(source))
    case .csv: try write((sources.isEmpty ? CSV.heading(record(source)) : "") + CSV.line(record(source)))
    case .json: break
    }
    sources.append(source)
  }

  /// What belongs below all rows.
  func finish(leftOut: [SourceComparison.LeftOut]) throws {
    switch format {
    case .markdown:
      if sources.isEmpty { return }
      try write("\n" + leftOut.map { "Without \($0.mode.rawValue): \($0.reason)\n" }.joined() + footer)
      guard isPerLayer else { return }
      for source in sources where source.mode != .dense {
        try write("\n\(source.mode.rawValue):\n\n" + LayerTable.markdown(source.layers))
      }
    case .csv: break
    case .json: try write(JSON.text(report(leftOut)) + "\n")
    }
  }

  private static func markdown(_ source: SourceQuality) -> String {
    let quality = source.overall
    return layout.line([
      source.mode.rawValue, String(format: "%.2f", source.speed), Figures.percent(quality.activeShare),
      Figures.percent(quality.computedShare), Figures.percent(quality.recall), Figures.percent(quality.keptShare),
      Figures.estimate(source.perplexity.perplexity, digits: 4),
      source.mode == .dense ? "" : Self.change(source.change),
    ])
  }

  private static func change(_ change: Estimate) -> String {
    (change.value < 0 ? "" : "+") + Figures.estimate(change, digits: 2, unit: 100) + " %"
  }

  /// "4 chunks of 512 tokens, 255 of them scored; 128 tokens decoded after 256, median of 5 turns; 2 threads".
  private var footer: String {
    func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
    return "\(origin.model): \(count(origin.text.chunkCount, "chunk")) of \(origin.text.contextSize) tokens, "
      + "\(origin.text.scoredPositions.count) of them scored; \(count(origin.decoded, "token")) decoded after "
      + "\(origin.prefix), median of \(count(origin.turns, "turn")); \(count(origin.threads, "thread"))\n"
  }

  // MARK: For machines

  private func record(_ source: SourceQuality) -> Record {
    let (quality, perplexity) = (source.overall, source.perplexity)
    var threshold: Double?
    if case .predictor(let value) = source.sources.first { threshold = Double(value) }
    return Record(fields: [
      "source": .text(source.mode.rawValue),
      "predictor_threshold": Record.Value(threshold),
      "median_ts": .real(source.speed),
      "samples_ts": .reals(source.speeds),
      "active_share": Record.Value(quality.activeShare),
      "computed_share": Record.Value(quality.computedShare),
      "recall": Record.Value(quality.recall),
      "precision": Record.Value(quality.precision),
      "kept_share": Record.Value(quality.keptShare),
      "perplexity": .real(perplexity.perplexity.value),
      "perplexity_error": Record.Value(perplexity.perplexity.error),
      "perplexity_change": .real(source.change.value),
      "perplexity_change_error": Record.Value(source.change.error),
    ])
  }

  private struct Report: Encodable {
    struct Source: Encodable {
      let record: Record
      let layers: [Record]?

      private enum CodingKeys: CodingKey { case layers }

      func encode(to encoder: any Encoder) throws {
        try record.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(layers, forKey: .layers)
      }
    }

    let origin: Record
    let sources: [Source]
    let leftOut: [Record]

    private enum CodingKeys: String, CodingKey {
      case sources
      case leftOut = "left_out"
    }

    func encode(to encoder: any Encoder) throws {
      try origin.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(sources, forKey: .sources)
      try container.encode(leftOut, forKey: .leftOut)
    }
  }

  private func report(_ leftOut: [SourceComparison.LeftOut]) -> Report {
    Report(
      origin: Record(fields: [
        "model_filename": .text(origin.model),
        "n_threads": .integer(origin.threads),
        "n_ctx": .integer(origin.text.contextSize),
        "n_chunks": .integer(origin.text.chunkCount),
        "n_scored": .integer(origin.text.scoredCount),
        "n_prefix": .integer(origin.prefix),
        "n_gen": .integer(origin.decoded),
        "n_turns": .integer(origin.turns),
      ]),
      sources: sources.map {
        Report.Source(record: record($0), layers: isPerLayer ? LayerTable.records($0.layers) : nil)
      },
      leftOut: leftOut.map {
        Record(fields: ["source": .text($0.mode.rawValue), "reason": .text($0.reason)])
      })
  }
}

extension ComparisonTable.Origin {
  init(model: String, threads: Int, _ comparison: SourceComparison) {
    self.init(
      model: model, threads: threads, text: comparison.text, prefix: comparison.prefix, decoded: comparison.decoded,
      turns: comparison.turns)
  }
}

/// The figures of a source in every layer.
private enum LayerTable {
  static let layout = TextTable(columns: [
    .init(title: "layer", width: 5), .init(title: "active", width: 8), .init(title: "computed", width: 8),
    .init(title: "recall", width: 8), .init(title: "kept", width: 8),
  ])

  static func markdown(_ layers: [NeuronQuality]) -> String {
    layers.enumerated().reduce(layout.heading) { text, layer in
      let quality = layer.element
      return text
        + layout.line([
          "\(layer.offset)", Figures.percent(quality.activeShare), Figures.percent(quality.computedShare),
          Figures.percent(quality.recall), Figures.percent(quality.keptShare),
        ])
    }
  }

  static func records(_ layers: [NeuronQuality]) -> [Record] {
    layers.map { quality in
      Record(fields: [
        "active_share": Record.Value(quality.activeShare),
        "computed_share": Record.Value(quality.computedShare),
        "recall": Record.Value(quality.recall),
        "precision": Record.Value(quality.precision),
        "kept_share": Record.Value(quality.keptShare),
      ])
    }
  }
}
