import PowerInferGPU
import PowerInferSparsity

/// A layer's predictor in a device's memory.
struct GPUPredictor {
  /// `nil` where nobody is asked about.
  let matrices: (fc1: GPUMatrix, fc2: GPUMatrix)?  // [d, rank], [rank, asked]
  let rank: Int
  /// Where the score of each of the device's neurons is, `CompactConstants.certain` for those that are computed without asking; `nil`
  /// where all of the layer's are asked about, and computed here.
  let places: (any GPUBuffer)?

  /// - Parameter hot: the neurons that the device computes, ascending; `nil` for all. The scores of the others come first then,
  ///   ascending too. Takes a predictor that is asked about all neurons.
  /// - Throws: `GPUError` where the memory is not to be had.
  init(
    _ predictor: NeuronPredictor, neurons: Int, hot: [UInt32]? = nil, name: String, on device: any GPUDevice
  ) throws {
    rank = predictor.rank
    let cold = hot.map { ResidentNeurons.list($0).complement(of: neurons) }
    matrices =
      predictor.askedCount == 0
      ? nil
      : (
        try GPUMatrix([predictor.fc1], name: "\(name).fc1", on: device),
        try GPUMatrix(
          (cold ?? []).isEmpty && hot == nil
            ? [predictor.fc2] : predictor.fc2.runs(of: cold ?? []) + predictor.fc2.runs(of: hot ?? []),
          name: "\(name).fc2", on: device)
      )
    var table: [UInt32]?
    if let hot {
      table = hot.indices.map { UInt32(neurons - hot.count + $0) }
    } else if let asked = predictor.asked {
      var places = [UInt32](repeating: CompactConstants.certain, count: neurons)
      for (place, neuron) in asked.enumerated() { places[Int(neuron)] = UInt32(place) }
      table = places
    }
    guard let table, !table.isEmpty else {
      places = nil
      return
    }
    let buffer = try device.makeBuffer(byteCount: table.count * 4, role: .device, label: "\(name).fc2 places")
    try device.upload(table, to: buffer)
    places = buffer
  }
}
