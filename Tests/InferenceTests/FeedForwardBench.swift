import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit

@testable import PowerInfer

/// The feed-forward of the processor's executor by itself, driven as the executor drives it.
final class FeedForwardBench {
  /// Rows of a pass.
  struct Shape: CustomStringConvertible {
    /// Rows of prompts, which leave nothing out.
    var prompt: Int
    /// Rows of answers.
    var decode: Int

    var description: String { "\(prompt) + \(decode) rows" }
  }

  /// A row alone of either phase, a few, more of them, and both phases at a time.
  static let shapes = [
    Shape(prompt: 0, decode: 1), Shape(prompt: 1, decode: 0), Shape(prompt: 0, decode: 3), Shape(prompt: 2, decode: 1),
    Shape(prompt: 0, decode: 19), Shape(prompt: 12, decode: 9), Shape(prompt: 33, decode: 0),
  ]

  /// What a feed-forward reads, [rows][d].
  struct Inputs {
    /// As a norm gives them.
    let normed: [[Float]]
    /// What predictors read.
    let residual: [[Float]]

    init(rows: Int, width: Int, seed: Int) {
      var random = SeededGenerator(seed: UInt64(seed + 1))
      normed = (0..<rows).map { _ in random.floats(width, scale: 1.7) }
      residual = (0..<rows).map { _ in random.floats(width, scale: 1.7) }
    }
  }

  private let model: LanguageModel
  private let team: ThreadTeam
  private let work: Workspace
  private let feedForward: FeedForward

  init(_ model: LanguageModel, _ options: SparsityOptions, threads: Int) throws {
    self.model = model
    team = ThreadTeam(workers: threads)
    let batchSize = Self.shapes.map { $0.prompt + $0.decode }.max() ?? 1
    work = Workspace(configuration: model.configuration, batchSize: batchSize, workers: team.count)
    feedForward = FeedForward(
      model: model, plan: try SparsityPlan(model: model, options: options, team: team),
      projections: Projections(kernels: .active), work: work, batchSize: batchSize, workers: team.count,
      isProfiled: false, observer: nil, tap: nil)
  }

  /// How the last pass chose neurons.
  var pass: FeedForward.Pass { feedForward.pass }

  /// What a layer adds to the residual of each row.
  func output(
    _ index: Int, _ inputs: Inputs, _ shape: Shape, arithmetic: Batch.Arithmetic = .byPhase
  ) -> [[Float]] {
    let (d, count) = (model.configuration.hiddenSize, shape.prompt + shape.decode)
    let rows = RowGroup(
      count: count, promptCount: shape.prompt, arithmetic: arithmetic, skipping: shape.prompt..<count, kernels: .active)
    work.shared.setPanels(rows)
    feedForward.begin(rows, arithmetic: arithmetic)
    feedForward.setPredictorPanels(rows)
    let shared = Unguarded(self)
    team.run { member in
      shared.value.run(index, inputs, rows, Worker(member, clock: StageClock(nil)))
    }
    feedForward.end()
    return (0..<count).map { Array(UnsafeBufferPointer(start: work.feedForwardOutput + $0 * d, count: d)) }
  }

  private func run(_ index: Int, _ inputs: Inputs, _ rows: RowGroup, _ worker: Worker) {
    let (d, buffers) = (model.configuration.hiddenSize, work.rows(rows, worker))
    worker.each(rows) { row in
      buffers.normed.row(row).update(from: inputs.normed[row], count: d)
      buffers.normed.quantize(tokens: row..<row + 1, using: .active)
      inputs.residual[row].withUnsafeBufferPointer { residual in
        guard let start = residual.baseAddress else { return }
        feedForward.notePredictorInput(layer: index, row: row, rows: rows, residual: start, worker)
      }
    }
    feedForward.run(model.weights.layers[index], index: index, of: buffers.normed, rows: rows, worker)
    worker.leave()
  }
}
