import PowerInferGPU
import PowerInferSparsity

/// A layer's predictor in a device's memory.
struct GPUPredictor {
  /// `nil` where nobody is asked about.
  let matrices: (fc1: GPUMatrix, fc2: GPUMatrix)?  // [d, rank], [rank, asked]
  let rank: Int
  /// Where the score of each neuron is, `CompactConstants.certain` for those that are computed without asking; `nil` where all are asked
  /// about.
  let places: (any GPUBuffer)?  // [f]

  /// - Throws: `GPUError` where the memory is not to be had.
  init(_ predictor: NeuronPredictor, neurons: Int, name: String, on device: any GPUDevice) throws {
    rank = predictor.rank
    matrices =
      predictor.askedCount == 0
      ? nil
      : (
        try GPUMatrix([predictor.fc1], name: "\(name).fc1", on: device),
        try GPUMatrix([predictor.fc2], name: "\(name).fc2", on: device)
      )
    guard let asked = predictor.asked else {
      places = nil
      return
    }
    var table = [UInt32](repeating: CompactConstants.certain, count: neurons)
    for (place, neuron) in asked.enumerated() { table[Int(neuron)] = UInt32(place) }
    let buffer = try device.makeBuffer(byteCount: neurons * 4, role: .device, label: "\(name).fc2 places")
    try device.upload(table, to: buffer)
    places = buffer
  }
}
