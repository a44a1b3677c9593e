import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// What of a model is on a GPU, where the processor computes the rest.
public struct HybridPlacement: Sendable, Equatable {
  /// The first layers, which the processor computes as a whole: attention, cache and all neurons.
  public let processorLayers: Int
  /// Whether the output matrix is on the GPU.
  public let hasOutput: Bool
  /// Neurons of each layer on the GPU, ascending: [layers][k]. None of the processor's layers.
  public let hot: [[UInt32]]
  /// Neurons of a layer.
  public let neurons: Int

  /// Layers that hand over: of which the processor has some neurons and the device attention.
  public var sharedLayers: Int { hot.dropFirst(processorLayers).count { $0.count < neurons } }
  /// Share of all neurons that are on the GPU, 0...1.
  public var neuronShare: Double {
    hot.isEmpty ? 0 : Double(hot.reduce(0) { $0 + $1.count }) / Double(hot.count * neurons)
  }

  /// Bytes that a decoded token moves from one to the other: first what goes to the processor, then what goes to the device. The table
  /// of a pass (token, position, page numbers, angles) comes on top, a few hundred bytes.
  ///
  /// - Parameters:
  ///   - hiddenSize: of the model.
  ///   - isPredicted: whether the device predicts the processor's neurons.
  public func bytesPerToken(hiddenSize: Int, isPredicted: Bool) -> (toProcessor: Int, toDevice: Int) {
    let row = GPUWorkspace.stride(hiddenSize) * 4
    let scores = isPredicted ? hot.dropFirst(processorLayers).reduce(0) { $0 + (neurons - $1.count) * 4 } : 0
    return (sharedLayers * row + scores + (hasOutput ? 0 : row), sharedLayers * row + row)
  }

  /// The neurons that the processor computes of each layer.
  func cold(_ mode: SparsityMode) -> [ResidentNeurons] {
    hot.enumerated().map { index, hot in
      if index < processorLayers { return .all }
      // Predictions come by entry of a list.
      if mode == .predictor { return .list(ResidentNeurons.list(hot).complement(of: neurons)) }
      if hot.isEmpty { return .all }
      // The last neurons in one stretch, where the down projection needs that.
      if hot.count == Int(hot.last ?? 0) + 1 {
        return .ranges(hot.count < neurons ? [hot.count..<neurons] : [])
      }
      return .list(ResidentNeurons.list(hot).complement(of: neurons))
    }
  }

  /// The step in which a layer's neurons can be divided, from its first neuron on; `nil` where any can be taken.
  static func step(_ layer: LayerWeights, _ mode: SparsityMode) -> Int? {
    guard case .rows(let down) = layer.down else { return nil }
    // By neuron it is only made where neurons may be left out.
    switch mode {
    case .gate, .predictor, .threshold, .bits: return nil
    case .auto, .dense: return max(32, down.format.blockElements)
    }
  }

  /// - Throws: ``HybridError``.
  static func check(
    _ hot: [[UInt32]], _ model: LanguageModel, _ mode: SparsityMode, processorLayers: Int
  ) throws(HybridError) {
    let c = model.configuration
    guard hot.count == c.layerCount else { throw .layers(hot.count, expected: c.layerCount) }
    for (index, list) in hot.enumerated() {
      guard ResidentNeurons.list(list).isValid(of: c.feedForwardSize) else {
        throw .neurons(layer: index, below: c.feedForwardSize)
      }
      guard index >= processorLayers else { continue }
      guard let step = step(model.weights.layers[index], mode), !list.isEmpty,
        list.count < c.feedForwardSize
      else { continue }
      guard list.count.isMultiple(of: step), Int(list[list.count - 1]) == list.count - 1 else {
        throw .notTheFirst(layer: index, step: step)
      }
    }
  }
}

/// Why a model cannot be divided so.
public enum HybridError: Error, Equatable, CustomStringConvertible {
  case processorLayers(Int, of: Int)
  case layers(Int, expected: Int)
  case neurons(layer: Int, below: Int)
  case notTheFirst(layer: Int, step: Int)
  case budgetTooSmall(Int, needed: Int)
  case indexTooLarge(bytes: Int, room: Int)
  case index(GPUIndexError)
  case notFaster(device: String)

  public var description: String {
    switch self {
    case .processorLayers(let found, let count):
      "The processor is to compute \(found) layers, expected 0 to \(count - 1) where a GPU computes the others."
    case .layers(let found, let expected):
      "Neurons of \(found) layers are placed, but the model has \(expected)."
    case .neurons(let layer, let count):
      "The neurons of layer \(layer) on the GPU are not ascending numbers below \(count)."
    case .budgetTooSmall(let budget, let needed):
      "The GPU may take \(budget) bytes, but one layer of the model needs about \(needed)."
    case .indexTooLarge(let bytes, let room):
      "The neurons of the GPU index need \(bytes) bytes, but the budget leaves \(room); --reset-gpu-index places others."
    case .index(let error):
      "\(error) --reset-gpu-index goes without that file."
    case .notFaster(let device):
      "With as little of the model as there is room for, \(device) would not make it faster."
    case .notTheFirst(let layer, let step):
      "Layer \(layer) can be divided only after a multiple of \(step) neurons, for its down projection has a row per output."
    }
  }
}
