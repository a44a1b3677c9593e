import PowerInferCheckpoint
import PowerInferPlatform

/// A folder of activation predictors as PowerInfer publishes them: `model_N.pt` for layer N, each with `fc1.weight` of
/// [rank, hidden size] and `fc2.weight` of [neurons, rank], and `config.json` with `sparse_threshold`, which may be missing.
struct PredictorFolder {
  struct Layer {
    let fc1: CheckpointTensor
    let fc2: CheckpointTensor
  }

  let layers: [Layer]
  /// `powerinfer.sparse_threshold`.
  let threshold: Double?

  /// - Parameters:
  ///   - path: of the folder.
  ///   - shape: of the model that they are for.
  init(_ path: String, layers count: Int, hiddenSize: Int, neurons: Int) throws(ConvertError) {
    guard isFolder(path) else { throw .notPredictors(path) }
    var layers: [Layer] = []
    for index in 0..<count {
      let file = path + "/model_\(index).pt"
      guard FileIdentity(file) != nil else { throw .noPredictor(path: file, layers: count) }
      layers.append(try Self.layer(file, hiddenSize: hiddenSize, neurons: neurons))
    }
    let next = path + "/model_\(count).pt"
    guard FileIdentity(next) == nil else { throw .extraPredictor(path: next, layers: count) }
    self.layers = layers
    threshold = try Settings("config.json", in: path)?.optionalNumber("sparse_threshold")
  }

  private static func layer(_ file: String, hiddenSize: Int, neurons: Int) throws(ConvertError) -> Layer {
    let tensors = try reading { () throws(CheckpointError) in try TorchFile(opening: file) }.tensors
    guard tensors.count == 2, let fc1 = tensors.first(where: { $0.name == "fc1.weight" }),
      let fc2 = tensors.first(where: { $0.name == "fc2.weight" })
    else { throw .predictorTensors(path: file, found: tensors.map(\.name)) }
    for tensor in tensors where !tensor.type.isReal {
      throw .predictorType(path: file, tensor: tensor.name, found: tensor.type)
    }
    guard fc1.shape.count == 2, fc1.shape[1] == hiddenSize, fc1.shape[0] > 0 else {
      throw .predictorShape(path: file, tensor: fc1.name, expected: "[rank, \(hiddenSize)]", found: fc1.shape)
    }
    let expected = [neurons, fc1.shape[0]]
    guard fc2.shape == expected else {
      throw .predictorShape(path: file, tensor: fc2.name, expected: "\(expected)", found: fc2.shape)
    }
    for tensor in tensors {
      do {
        try tensor.expectDense()
      } catch {
        throw .checkpoint(.inFile(path: file, reason: error))
      }
    }
    return Layer(fc1: fc1, fc2: fc2)
  }
}
