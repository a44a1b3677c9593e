import Foundation

/// Who did what when in a pass that a GPU and the processor shared.
public struct HybridTimeline: Sendable, Equatable {
  public struct Span: Sendable, Equatable {
    public var layer: Int
    public var label: String
    /// Nanoseconds on the processor's clock.
    public var begin: UInt64
    public var end: UInt64
  }

  public var device: [Span] = []
  public var processor: [Span] = []

  /// The label of the device's waits.
  static let waiting = "waiting for the processor"

  /// Nanoseconds in which both lanes were busy.
  public var overlap: UInt64 {
    var total: UInt64 = 0
    for span in processor {
      for other in device {
        let (begin, end) = (max(span.begin, other.begin), min(span.end, other.end))
        if begin < end { total += end - begin }
      }
    }
    return total
  }

  /// Both lanes as a drawing for a browser.
  public var svg: String {
    let spans = device + processor
    let (width, height) = (1600.0, 190.0)
    guard let begin = spans.map(\.begin).min(), let end = spans.map(\.end).max(), begin < end else {
      return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1600\" height=\"190\"></svg>\n"
    }
    let scale = (width - 120) / Double(end - begin)
    func x(_ time: UInt64) -> Double { 110 + Double(time - begin) * scale }
    func text(_ x: Double, _ y: Double, _ value: String) -> String {
      String(format: "<text x=\"%.1f\" y=\"%.1f\">", x, y) + value + "</text>"
    }
    func lane(_ spans: [Span], y: Double) -> [String] {
      spans.map { span in
        let color = span.label == "cold neurons" ? "#d9822b" : Self.isNeurons(span.label) ? "#c23030" : "#2b7bba"
        return String(
          format: "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"40\" fill=\"%@\"><title>", x(span.begin), y,
          max(0.3, Double(span.end - span.begin) * scale), color)
          + String(
            format: "layer %d, %@: %.1f µs</title></rect>", span.layer, span.label, Double(span.end - span.begin) / 1000
          )
      }
    }
    let milliseconds = Double(end - begin) / 1e6
    let ticks = (0...10).map { index in
      text(
        110 + (width - 120) * Double(index) / 10 - 12, 150, String(format: "%.2f ms", milliseconds * Double(index) / 10)
      )
    }
    let head = String(
      format:
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\">",
      width, height)
    let lines =
      [head, text(8, 45, "GPU"), text(8, 105, "processor")] + lane(device, y: 20) + lane(processor, y: 80) + ticks
      + [
        text(110, 175, "blue: norms, attention, logits; red: hot neurons; orange: cold neurons. Gaps are waits."),
        "</svg>",
      ]
    return lines.joined(separator: "\n") + "\n"
  }

  private static func isNeurons(_ label: String) -> Bool {
    [Stage.predictor, .gateUp, .activation, .down].contains { $0.title == label }
  }
}
