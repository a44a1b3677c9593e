import Foundation
import PowerInferToolkit

/// A bar for every step of a training, one after the other.
final class TrainingBars {
  private let isQuiet: Bool
  private var step: PredictorTraining.Step?
  private var bar: ProgressBar?

  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  func update(_ step: PredictorTraining.Step, _ done: Int, of total: Int) {
    guard !isQuiet else { return }
    if step != self.step {
      finish()
      self.step = step
      bar = .onTerminal(Self.label(step))
    }
    step == .writing ? bar?.update(done / 1_000_000, of: total / 1_000_000) : bar?.update(done, of: total)
  }

  /// Wipes the last one away.
  func finish() { bar?.finish() }

  private static func label(_ step: PredictorTraining.Step) -> String {
    switch step {
    case .reading(0): "Reading"
    case .reading(let pass): "Reading again (\(pass))"
    case .training(0): "Training"
    case .training(let pass): "Training again (\(pass))"
    case .checking: "Checking"
    case .writing: "Writing"
    }
  }
}

/// What a training has given, for people.
struct TrainingTable {
  let report: TrainingReport

  init(_ report: TrainingReport) { self.report = report }

  /// A row for each layer, one for all together, and what it does to the model.
  var text: String {
    let table = TextTable(columns: [
      .init(title: "layer", width: 5), .init(title: "rank", width: 4), .init(title: "size", width: 10),
      .init(title: "active", width: 8), .init(title: "computed", width: 8), .init(title: "recall", width: 8),
      .init(title: "precision", width: 9), .init(title: "kept", width: 8), .init(title: "kept²", width: 8),
    ])
    func cells(_ shares: TrainingReport.Shares) -> [String] {
      [shares.active, shares.computed, shares.recall, shares.precision, shares.kept, shares.keptSquares].map(
        Figures.percent)
    }
    return table.heading
      + report.layers.map {
        table.line(["\($0.layer)", "\($0.rank)", Units.bytes($0.bytes)] + cells($0.shares))
      }.joined() + table.line(["all", "", Units.bytes(report.predictorBytes)] + cells(report.overall))
      + "perplexity \(Figures.estimate(report.densePerplexity, digits: 4)) with all neurons, "
      + "\(Figures.estimate(report.perplexity, digits: 4)) with those predicted: "
      + "\(Figures.estimate(report.change, digits: 2, unit: 100)) % more\n"
      + "\(report.tokens) tokens learnt from, \(report.heldOutTokens) measured with, "
      + "\(Figures.number(report.seconds, digits: 1)) s\n"
  }
}
