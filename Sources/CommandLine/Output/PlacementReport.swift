import Foundation
import PowerInferModel
import PowerInferSparsity
import PowerInferToolkit

/// What of a model goes where, for people and for machines.
struct PlacementReport: Encodable {
  struct Part: Encodable {
    var kind: String
    var bytes: Int
    var isOnGPU: Bool

    /// Whether these are predictors, of which there are some.
    var isPredictor: Bool { kind == PlacedPart.Kind.predictors.rawValue && bytes > 0 }
  }

  struct Layer: Encodable {
    var layer: Int
    var neurons: Int
    var bytes: Int
    var activationShare: Double
    var gpuSeconds: Double
    var cpuSeconds: Double
  }

  var model: String
  /// What the frequencies are from; nil where all neurons count as computed for every token.
  var profile: String?
  var budget: Int
  var bytes: Int
  var cost: CostModel
  var contextSize: Int
  var parts: [Part]
  /// Bytes of the neurons in main memory.
  var coldNeuronBytes: Int
  /// Share of the neurons that fire for a token; nil without a profile.
  var active: Double?
  /// Neurons of a layer, on both devices together.
  var neuronsPerLayer: Int
  var layers: [Layer]
  var tokensPerSecond: Double
  /// Neurons on the GPU, of all layers.
  var neuronsOnGPU: Int
  /// The same if there were no predictors; nil where there are none, or where they are needed.
  var neuronsWithoutPredictors: Int?
  /// Where the GPU index is; nil where none was written.
  var index: String?

  init(
    _ subject: PlacementOptions.Subject, cost: CostModel, _ placement: ModelPlacement, index: String? = nil
  ) {
    model = subject.name
    profile = subject.profile?.text
    active = subject.profile.map { ProfileSummary($0).active }
    contextSize = subject.contextSize
    neuronsPerLayer = subject.model.configuration.feedForwardSize
    self.cost = cost
    self.index = index
    budget = placement.budget
    bytes = placement.byteCount
    tokensPerSecond = placement.tokensPerSecond
    neuronsOnGPU = placement.neurons.neuronCount
    let weights = subject.model.weights
    coldNeuronBytes = weights.use(.gateUp).bytes + weights.use(.down).bytes - placement.neurons.byteCount
    parts =
      placement.parts.map { Part(kind: $0.kind.rawValue, bytes: $0.byteCount, isOnGPU: $0.isOnGPU) }
      + [Part(kind: "neurons", bytes: placement.neurons.byteCount, isOnGPU: placement.neurons.byteCount > 0)]
    layers = placement.neurons.layers.enumerated().map { index, layer in
      Layer(
        layer: index, neurons: layer.neurons.count, bytes: layer.byteCount, activationShare: layer.activationShare,
        gpuSeconds: layer.gpuSeconds, cpuSeconds: layer.cpuSeconds)
    }
  }

  /// A row for each part, one for each layer, and what to expect of it.
  var text: String {
    tables + "\nUses \(Units.bytes(bytes)) of \(Units.bytes(budget)) on the GPU; expected "
      + String(format: "%.2f", tokensPerSecond) + " tokens per second.\n" + predictors
  }

  /// What predictors take, where neurons can be chosen without.
  private var predictors: String {
    guard let without = neuronsWithoutPredictors, without > neuronsOnGPU,
      let part = parts.first(where: \.isPredictor)
    else { return "" }
    return
      "Predictors are \(Units.bytes(part.bytes)): \(neuronsOnGPU) neurons on the GPU beside them, \(without) without "
      + "them (--sparsity gate or bits).\n"
  }

  /// A row for each part, and one for each layer where there is video memory.
  var tables: String {
    let partTable = TextTable(columns: [
      .init(title: "part", width: 10, isRightAligned: false), .init(title: "bytes", width: 12),
      .init(title: "memory", width: 6, isRightAligned: false),
    ])
    let layerTable = TextTable(columns: [
      .init(title: "layer", width: 5), .init(title: "hot neurons", width: 11), .init(title: "bytes", width: 12),
      .init(title: "activations", width: 11), .init(title: "GPU µs", width: 9), .init(title: "CPU µs", width: 9),
    ])
    func microseconds(_ seconds: Double) -> String { String(format: "%.1f", seconds * 1e6) }
    let cold = coldNeuronBytes > 0 ? [Part(kind: "neurons", bytes: coldNeuronBytes, isOnGPU: false)] : []
    let partRows = (parts.filter { $0.isOnGPU || $0.bytes > 0 } + cold).map {
      partTable.line([$0.kind, Units.bytes($0.bytes), $0.isOnGPU ? "GPU" : "main"])
    }
    let layerRows = layers.map {
      layerTable.line([
        "\($0.layer)", "\($0.neurons)", Units.bytes($0.bytes), Units.percent($0.activationShare),
        microseconds($0.gpuSeconds), microseconds($0.cpuSeconds),
      ])
    }
    let parts = partTable.heading + partRows.joined()
    return budget == 0 ? parts : parts + "\n" + layerTable.heading + layerRows.joined()
  }
}
