import Foundation
import PowerInfer
import PowerInferKernels
import PowerInferModel
import Synchronization

/// Trains all layers in one pass, each on one thread, as many at a time as there are threads.
struct LayerCrew: Sendable {
  let model: LanguageModel
  let recipe: TrainingRecipe
  let folder: WorkFolder
  let team: ThreadTeam
  let pass: Int
  let tokens: Int
  let learnt: Int
  let parts: Int
  let savingInterval: Double

  private var shape: TraceShape { TraceShape(model.configuration) }

  /// Whether every layer's result is there.
  var isDone: Bool {
    (0..<shape.layers).allSatisfy { folder.exists(folder.result(pass: pass, layer: $0)) }
  }

  /// What came out.
  ///
  /// - Throws: ``TrainingError/damaged(_:)``, `FileError`.
  func results() throws -> [TrainedLayer] {
    try (0..<shape.layers).map {
      try TrainedLayer(folder.result(pass: pass, layer: $0), shape: shape, type: recipe.format)
    }
  }

  /// - Parameter earlier: what came out of the pass before; nil in the first.
  /// - Throws: ``TrainingError``, `FileError`.
  func run(
    after earlier: [TrainedLayer]?, progress: @escaping (_ done: Int, _ of: Int) -> Void,
    isCancelled: @escaping @Sendable () -> Bool
  ) throws -> [TrainedLayer] {
    let board = ProgressBoard(layers: shape.layers, report: progress)
    let errors = FirstError()
    // Each is for the one member that takes its layer.
    let tasks = Unguarded(earlier.map(tasks) ?? firstTasks)
    team.run { member in
      member.pieces(shape.layers) { layer in
        if errors.isSet { return }
        do {
          try train(tasks.value[layer](), board: board, isCancelled: { isCancelled() || errors.isSet })
        } catch {
          errors.note(error)
        }
      }
    }
    try errors.check()
    return try results()
  }

  /// What layers are to do in the first pass. Made when their turn comes, for networks take memory.
  private var firstTasks: [() -> LayerTask] {
    model.weights.layers.enumerated().map { layer, weights in
      {
        LayerTask(
          pass: pass, layer: layer, aim: .first(recipe.goal),
          start: recipe.startsFromModel ? weights.predictor.map { PredictorNetwork($0, type: recipe.format) } : nil,
          price: recipe.price, cost: LayerCost(weights))
      }
    }
  }

  /// What layers are to do after a pass.
  private func tasks(after earlier: [TrainedLayer]) -> [() -> LayerTask] {
    let curves = earlier.map(\.result.evaluation.curve)
    let aims = LayerAim.shared(recipe.goal, curves, prices: earlier.map(\.result.price))
    return earlier.enumerated().map { layer, result in
      {
        let threshold = aims[layer].point(on: curves[layer]).threshold
        return LayerTask(
          pass: pass, layer: layer, aim: aims[layer], start: result.start(),
          price: result.result.price * exp(min(max(threshold, -4), 4)), cost: LayerCost(model.weights.layers[layer]))
      }
    }
  }

  private func train(_ task: LayerTask, board: ProgressBoard, isCancelled: () -> Bool) throws {
    let layer = task.layer
    let resultPath = folder.result(pass: pass, layer: layer)
    let checkpointPath = folder.checkpoint(pass: pass, layer: layer)
    guard !folder.exists(resultPath) else {
      board.note(layer, 1)
      return
    }
    let traces = try LayerTraces(
      (0..<parts).map { folder.trace(pass: pass, layer: layer, part: $0) }, shape: shape, layer: layer, tokens: tokens)
    let training = try LayerTraining(
      traces, learnt: 0..<learnt, heldOut: learnt..<tokens, recipe: recipe, task: task)
    if folder.exists(checkpointPath) { try training.restore(checkpointPath) }
    var saved = Generator.monotonicSeconds()
    while !training.isDone {
      if isCancelled() {
        try training.save(checkpointPath)
        throw TrainingError.cancelled(folder: folder.path)
      }
      try training.advance()
      board.note(layer, training.progress)
      if Generator.monotonicSeconds() - saved >= savingInterval {
        try training.save(checkpointPath)
        saved = Generator.monotonicSeconds()
      }
    }
    try TrainedLayer.write(resultPath, training, training.finalEvaluation(learnt..<tokens))
    folder.remove(checkpointPath)
  }
}

/// How far all layers are.
private final class ProgressBoard: Sendable {
  private let shares: Mutex<[Double]>
  /// Called under the lock: by any thread, one at a time, as ``PredictorTraining`` says.
  private let report: Unguarded<(Int, Int) -> Void>

  init(layers: Int, report: @escaping (Int, Int) -> Void) {
    shares = Mutex(Array(repeating: 0, count: layers))
    self.report = Unguarded(report)
  }

  func note(_ layer: Int, _ share: Double) {
    shares.withLock { shares in
      shares[layer] = share
      // In percent of a layer.
      report.value(Int(shares.reduce(0, +) * 100), shares.count * 100)
    }
  }
}
