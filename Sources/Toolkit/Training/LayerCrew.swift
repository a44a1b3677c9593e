import Foundation
import Inference
import Kernels
import Model

/// What came out for a layer.
struct LayerResult: Codable {
  var rank: Int
  /// Rounds that it took.
  var rounds: Int
  var evaluation: LayerEvaluation
}

/// A layer's trained predictor: what came out, and the matrices as they are stored.
final class TrainedLayer {
  let result: LayerResult
  let fc1: UnsafeRawBufferPointer
  let fc2: UnsafeRawBufferPointer
  private let file: StateFile<LayerResult>

  /// - Throws: `TrainingError.damaged`, `FileError`.
  init(_ path: String, shape: TraceShape, type: PredictorType) throws {
    file = try StateFile(path)
    result = file.state
    let rank = result.rank
    guard file.blocks.count == 2,
      file.blocks[0].count == rank * type.format(columns: shape.inputs).rowBytes(columns: shape.inputs),
      file.blocks[1].count == shape.neurons * type.format(columns: rank).rowBytes(columns: rank)
    else { throw TrainingError.damaged(path) }
    (fc1, fc2) = (file.blocks[0], file.blocks[1])
  }
}

/// Trains all layers, each on one thread, as many at a time as there are threads.
struct LayerCrew {
  let model: LanguageModel
  let recipe: TrainingRecipe
  let folder: WorkFolder
  let team: ThreadTeam
  let tokens: Int
  let learnt: Int
  let parts: Int
  let savingInterval: Double

  /// - Throws: ``TrainingError``, `FileError`.
  func run(
    progress: @escaping (_ done: Int, _ of: Int) -> Void, isCancelled: @escaping () -> Bool
  ) throws -> [TrainedLayer] {
    let layers = model.configuration.layerCount
    let board = ProgressBoard(layers: layers, report: progress)
    let errors = FirstError()
    team.run { member in
      member.pieces(layers) { layer in
        if errors.isSet { return }
        do {
          try train(layer, board: board, isCancelled: { isCancelled() || errors.isSet })
        } catch {
          errors.note(error)
        }
      }
    }
    try errors.check()
    let shape = TraceShape(model.configuration)
    return try (0..<layers).map { try TrainedLayer(folder.result(layer: $0), shape: shape, type: recipe.format) }
  }

  private func train(_ layer: Int, board: ProgressBoard, isCancelled: () -> Bool) throws {
    let (resultPath, checkpointPath) = (folder.result(layer: layer), folder.checkpoint(layer: layer))
    guard !folder.exists(resultPath) else {
      board.note(layer, 1)
      return
    }
    let traces = try LayerTraces(
      folder, shape: TraceShape(model.configuration), layer: layer, parts: parts, tokens: tokens)
    let training = try LayerTraining(
      traces, learnt: 0..<learnt, heldOut: learnt..<tokens, recipe: recipe, cost: LayerCost(model.weights.layers[layer])
    )
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
    let network = training.network
    let result = LayerResult(
      rank: network.rank, rounds: training.state.rounds, evaluation: try training.finalEvaluation(learnt..<tokens))
    let (fc1, fc2) = (network.fc1.encoded(), network.fc2.encoded())
    try fc1.withUnsafeBytes { fc1 in
      try fc2.withUnsafeBytes { fc2 in try StateFile.write(resultPath, result, blocks: [fc1, fc2]) }
    }
    folder.remove(checkpointPath)
  }
}

/// How far all layers are.
private final class ProgressBoard: @unchecked Sendable {
  private let lock = NSLock()
  private var shares: [Double]
  private let report: (Int, Int) -> Void

  init(layers: Int, report: @escaping (Int, Int) -> Void) {
    shares = Array(repeating: 0, count: layers)
    self.report = report
  }

  func note(_ layer: Int, _ share: Double) {
    lock.withLock {
      shares[layer] = share
      // In percent of a layer.
      report(Int(shares.reduce(0, +) * 100), shares.count * 100)
    }
  }
}
