import Foundation
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
    if let active = placement.active { lines.append("Neurons that fire for a token: \(Units.percent(active)).") }
    lines.append("At most, in tokens per second, for what a token reads of the memories:")
    if placement.budget > 0 { lines.append("  \(rate(tokensPerSecond)) with this budget") }
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
