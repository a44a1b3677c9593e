import Foundation
import PowerInfer
import PowerInferPlatform

/// What a GPU and the processor did together, for people.
enum HybridText {
  /// One line.
  static func line(_ hybrid: HybridStatistics) -> String {
    let placement = hybrid.placement
    var parts = [
      "GPU memory \(Units.bytes(hybrid.deviceBytes)) of \(Units.bytes(hybrid.deviceBudget))",
      "\(Units.percent(placement.neuronShare)) of the neurons on the GPU",
    ]
    if let share = hybrid.hitShare { parts.append("\(Units.percent(share)) of those that fired") }
    if hybrid.tokens > 0 {
      let bytes = (hybrid.bytesToProcessor + hybrid.bytesToDevice) / hybrid.tokens
      parts.append("\(Units.bytes(bytes)) a token over the bus")
    }
    if let expected = hybrid.expectedSeconds { parts.append(String(format: "%.1f tok/s expected", 1 / expected)) }
    return parts.joined(separator: " | ")
  }

  /// A row for each layer: microseconds of a pass.
  static func table(_ hybrid: HybridStatistics) -> String {
    let table = TextTable(columns: [
      .init(title: "layer", width: 5), .init(title: "on the GPU", width: 10), .init(title: "GPU µs", width: 9),
      .init(title: "CPU µs", width: 9), .init(title: "GPU waited", width: 10), .init(title: "CPU waited", width: 10),
    ])
    let passes = Double(max(1, hybrid.passes))
    func mean(_ value: Double) -> String { String(format: "%.1f", value / passes) }
    let placement = hybrid.placement
    return table.heading
      + zip(hybrid.layers, placement.hot).enumerated().map { index, entry in
        let (layer, hot) = entry
        return table.line([
          "\(index)", index < placement.processorLayers ? "-" : "\(hot.count)", mean(layer.device),
          mean(layer.processor), mean(layer.deviceWait), mean(layer.processorWait),
        ])
      }.joined()
  }

  /// Table and drawing on standard error, where both computed.
  static func note(_ engine: Engine) {
    guard let hybrid = engine.statistics.hybrid else { return }
    StandardOutput.note("\n" + table(hybrid))
    if hybrid.timeline.overlap > 0 {
      StandardOutput.note(
        String(
          format: "In the last pass both worked at the same time for %.1f µs.\n", Double(hybrid.timeline.overlap) / 1000
        ))
    }
    if let path = draw(hybrid.timeline) { StandardOutput.note("The last token is drawn in \(path).\n") }
  }

  /// Draws the last pass into a file.
  ///
  /// - Returns: its path; `nil` where it cannot be written.
  static func draw(_ timeline: HybridTimeline) -> String? {
    guard let folder = GPUFlag.kernelCache else { return nil }
    let path = URL(filePath: folder).appending(path: "timeline.svg").path
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Data(timeline.svg.utf8).write(to: URL(filePath: path), options: .atomic)
    } catch {
      return nil
    }
    return path
  }
}
