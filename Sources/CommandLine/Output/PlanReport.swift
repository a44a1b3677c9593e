import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// What a model would take of both memories, and the speed to expect, for people and for machines.
struct PlanReport: Encodable {
  var placement: PlacementReport
  /// Bytes of main memory in use: the model's file, and what of cache and scratch space is there.
  var mainMemoryBytes: Int
  /// Bytes of main memory that can be had.
  var mainMemoryAvailable: Int
  var fits: Bool
  /// Bounds by what is read of the memories.
  var tokensPerSecond: Double
  var tokensPerSecondOnProcessor: Double
  var tokensPerSecondAllNeurons: Double
  /// Whether the speed of main memory was measured here.
  var isBandwidthMeasured: Bool
  /// What a token reads of the feed-forward with each source; empty without a profile.
  var sources: [Source] = []
  /// What a run with this budget does; nil without one, and where no GPU can run the model.
  var forecast: Forecast?

  /// What a source reads.
  struct Source: Encodable {
    var sparsity: String
    var bytesPerToken: Double
    var predictorBytes: Int

    init(_ reads: FeedForwardReads) {
      sparsity = reads.mode.rawValue
      (bytesPerToken, predictorBytes) = (reads.bytesPerToken, reads.predictorBytes)
    }

    var line: String {
      "  \(Units.bytes(Int(bytesPerToken))) by \(sparsity)"
        + (predictorBytes > 0 ? ", of which \(Units.bytes(predictorBytes)) are predictors" : "")
    }
  }

  /// What a run puts on the GPU.
  struct Forecast: Encodable {
    var sparsity: String
    var deviceBytes: Int
    /// Layers that the processor computes as a whole, those whose neurons both compute, and those wholly on the GPU.
    var processorLayers: Int
    var sharedLayers: Int
    var wholeLayers: Int
    var hasOutput: Bool
    /// Share of all neurons that are on the GPU.
    var hotNeurons: Double
    var busBytesPerToken: Int
    var tokensPerSecond: Double
    var tokensPerSecondOnProcessor: Double

    init(_ forecast: HybridForecast, _ mode: SparsityMode) {
      let placement = forecast.placement
      sparsity = mode.rawValue
      deviceBytes = forecast.deviceBytes
      let layers = placement?.hot.count ?? 0
      processorLayers = placement?.processorLayers ?? layers
      sharedLayers = placement?.sharedLayers ?? 0
      wholeLayers = layers - processorLayers - sharedLayers
      hasOutput = placement?.hasOutput ?? false
      hotNeurons = placement?.neuronShare ?? 0
      busBytesPerToken = forecast.busBytesPerToken
      tokensPerSecond = 1 / forecast.secondsPerToken
      tokensPerSecondOnProcessor = 1 / forecast.processorSecondsPerToken
    }

    var lines: [String] {
      guard processorLayers + sharedLayers + wholeLayers > 0 else {
        return ["A run with this budget leaves everything to the processor: no layer is on the GPU."]
      }
      let parts = [
        (wholeLayers, "wholly on the GPU"), (sharedLayers, "shared"), (processorLayers, "the processor's"),
      ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
      return [
        "A run with this budget (--sparsity \(sparsity)): layers \(parts.joined(separator: ", ")); "
          + "\(Units.percent(hotNeurons)) of the neurons\(hasOutput ? " and the output matrix" : "") on the GPU, "
          + "\(Units.bytes(deviceBytes)) in all, \(Units.bytes(busBytesPerToken)) a token over the bus.",
        "  \(String(format: "%.2f", tokensPerSecond)) tokens per second expected of both together, "
          + "\(String(format: "%.2f", tokensPerSecondOnProcessor)) of the processor alone",
      ]
    }
  }

  init(
    _ report: PlacementReport, _ model: LanguageModel, _ placement: ModelPlacement, processorAlone: Double,
    allNeurons: Double, isMeasured: Bool, available: Int = Memory.available
  ) {
    self.placement = report
    mainMemoryBytes = placement.mainMemoryBytes(fileBytes: model.file.byteCount)
    mainMemoryAvailable = available
    fits = mainMemoryBytes <= available
    tokensPerSecond = placement.tokensPerSecond
    tokensPerSecondOnProcessor = processorAlone
    tokensPerSecondAllNeurons = allNeurons
    isBandwidthMeasured = isMeasured
  }

  var text: String {
    func rate(_ value: Double) -> String { String(format: "%.2f", value) }
    func speed(_ device: DeviceSpeed) -> String { String(format: "%.1f GB/s", device.bytesPerSecond / 1e9) }
    var lines = [
      placement.tables,
      "Main memory: \(Units.bytes(mainMemoryBytes)) of \(Units.bytes(mainMemoryAvailable)) free"
        + (fits ? "." : ", which is too little."),
    ]
    if placement.budget > 0 {
      lines.append("Video memory: \(Units.bytes(placement.bytes)) of \(Units.bytes(placement.budget)).")
    }
    if let forecast { lines += forecast.lines }
    if let active = placement.active { lines.append("Neurons that fire for a token: \(Units.percent(active)).") }
    if sources.count > 1 {
      lines.append("What a token reads of the feed-forward, by --sparsity:")
      lines += sources.map(\.line)
    }
    lines.append("At most, in tokens per second, for what a token reads of the memories:")
    if placement.budget > 0 { lines.append("  \(rate(tokensPerSecond)) with the budget divided as in the tables") }
    lines.append("  \(rate(tokensPerSecondOnProcessor)) on the processor alone")
    if placement.active != nil {
      lines.append("  \(rate(tokensPerSecondAllNeurons)) on the processor alone, all neurons computed")
    }
    lines.append(
      "Main memory at \(speed(placement.cost.cpu)) (\(isBandwidthMeasured ? "measured" : "as told"))"
        + (placement.budget > 0 ? ", video memory at \(speed(placement.cost.gpu)) (as told)." : "."))
    return lines.joined(separator: "\n") + "\n"
  }
}
