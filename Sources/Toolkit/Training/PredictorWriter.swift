import PowerInferGGUF
import PowerInferModel

/// Writes a model again with trained predictors in the place of those it has, or after its other tensors.
struct PredictorWriter {
  let model: LanguageModel
  let layers: [TrainedLayer]

  func write(
    _ path: String, from folder: WorkFolder, progress: (_ done: Int, _ of: Int) -> Void = { _, _ in },
    isCancelled: () -> Bool, change: (inout Metadata) -> Void
  ) throws {
    do {
      try ModelCopy.write(
        model.file, to: path, magic: .powerInfer, tensors: tensors, progress: progress, isCancelled: isCancelled,
        change: change)
    } catch SurveyError.cancelled {
      throw TrainingError.cancelled(folder: folder.path)
    }
  }

  /// Writes the model as the engine is to run it before it is done.
  func writeCandidate(in folder: WorkFolder, isCancelled: () -> Bool) throws {
    try write(folder.candidate, from: folder, isCancelled: isCancelled) { Self.setThreshold(&$0) }
  }

  /// What training aims at.
  static func setThreshold(_ metadata: inout Metadata) {
    metadata.set("powerinfer.sparse_threshold", .float32(0))
  }

  private var tensors: [ModelCopy.NewTensor] {
    let (d, f) = (model.configuration.hiddenSize, model.configuration.feedForwardSize)
    return layers.enumerated().flatMap { index, layer in
      let rank = layer.result.rank
      return [
        ModelCopy.NewTensor(
          TensorLayout(name: "blk.\(index).fc1.weight", type: type(layer.fc1, rank * d), shape: [d, rank]),
          bytes: layer.fc1
        ),
        ModelCopy.NewTensor(
          TensorLayout(name: "blk.\(index).fc2.weight", type: type(layer.fc2, f * rank), shape: [rank, f]),
          bytes: layer.fc2
        ),
      ]
    }
  }

  /// The type by which so many elements take these bytes; a ``TrainedLayer`` has checked that they fit.
  private func type(_ bytes: UnsafeRawBufferPointer, _ elements: Int) -> TensorType {
    [.q8_0, .q5_0, .q4_0, .f16].first { $0.byteCount(elements: elements) == bytes.count } ?? .f16
  }
}
