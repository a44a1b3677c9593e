import PowerInferKernels

/// What came out for a layer in a pass.
struct LayerResult: Codable {
  var rank: Int
  /// Rounds that it took.
  var rounds: Int
  /// Of computing all neurons, at the end.
  var price: Float
  /// On all held-out tokens.
  var evaluation: LayerEvaluation
}

/// A layer's trained predictor: what came out, the matrices as they are stored, and as they are to be trained on.
final class TrainedLayer {
  let result: LayerResult
  let fc1: UnsafeRawBufferPointer
  let fc2: UnsafeRawBufferPointer
  private let file: StateFile<LayerResult>
  private let network: PredictorNetwork

  /// - Throws: `TrainingError.damaged`, `FileError`.
  init(_ path: String, shape: TraceShape, type: PredictorType) throws {
    file = try StateFile(path)
    result = file.state
    let rank = result.rank
    let network = PredictorNetwork(
      blocks: Array(file.blocks.dropFirst(2)), inputs: shape.inputs, neurons: shape.neurons, type: type)
    guard let network, network.rank == rank,
      file.blocks[0].count == network.fc1.rows * network.fc1.rowBytes,
      file.blocks[1].count == network.fc2.rows * network.fc2.rowBytes
    else { throw TrainingError.damaged(path) }
    (fc1, fc2) = (file.blocks[0], file.blocks[1])
    self.network = network
  }

  /// What the next pass begins with.
  func start() -> PredictorNetwork { network.forgetting() }

  /// Saves what came out of a training.
  static func write(_ path: String, _ training: LayerTraining, _ evaluation: LayerEvaluation) throws {
    let network = training.network
    let result = LayerResult(
      rank: network.rank, rounds: training.state.rounds, price: training.state.price, evaluation: evaluation)
    let (fc1, fc2) = (network.fc1.encoded(), network.fc2.encoded())
    try fc1.withUnsafeBytes { fc1 in
      try fc2.withUnsafeBytes { fc2 in try StateFile.write(path, result, blocks: [fc1, fc2] + network.blocks) }
    }
  }
}
