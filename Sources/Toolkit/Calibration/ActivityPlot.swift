import Foundation

/// A map of how often neurons fired while answers were made: a row for each layer, its neurons from the one that fired most to the one that
/// fired least; the darker, the more of the tokens they fired for.
public struct ActivityPlot: Sendable {
  /// A complete SVG document.
  public let svg: String

  /// - Parameters:
  ///   - counts: how often each neuron fired, [layers][neurons].
  ///   - tokens: of all answers.
  ///   - title: stands above the map, in one line.
  public init(counts: [[UInt32]], tokens: Int, title: String) {
    let rows = counts.map { $0.sorted(by: >) }
    let (left, top, width, height) = (64.0, 64.0, 640.0, 9.0)
    let bottom = top + height * Double(rows.count)
    let cell = width / Double(Self.groups)
    let curve = SkewCurve(counts.flatMap { $0.map(Float.init) })
    let fired = counts.reduce(0.0) { $0 + $1.reduce(0.0) { $0 + Double($1) } }
    let all = Double(counts.reduce(0) { $0 + $1.count }) * Double(max(1, tokens))
    let figures = String(
      format:
        "%d tokens. A neuron fires for %.1f %% of them. The hottest %.1f %% of the neurons make 80 %% of the activations.",
      tokens, all > 0 ? 100 * fired / all : 0, 100 * curve.share(making: 0.8))
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(left + width) + 24) \(Int(bottom) + 72)\" "
        + "font-family=\"sans-serif\" font-size=\"13\" fill=\"#808080\">",
      "<style>.cell{fill:#0f766e}.ground{fill:#808080;fill-opacity:.1}</style>",
      "<text x=\"\(left)\" y=\"24\" font-size=\"16\">\(SVGText.escaped(title))</text>",
      "<text x=\"\(left)\" y=\"46\">\(figures)</text>",
      "<rect class=\"ground\" x=\"\(left)\" y=\"\(top)\" width=\"\(width)\" height=\"\(bottom - top)\"/>",
    ]
    for (layer, row) in rows.enumerated() {
      let y = top + height * Double(layer)
      for group in 0..<Self.groups {
        let members = row[group * row.count / Self.groups..<(group + 1) * row.count / Self.groups]
        guard !members.isEmpty, tokens > 0 else { continue }
        let share = members.reduce(0.0) { $0 + Double($1) } / Double(members.count * tokens)
        guard share > 0 else { continue }
        lines.append(
          String(
            format: "<rect class=\"cell\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill-opacity=\"%.3f\">",
            left + cell * Double(group), y, cell, height, min(1, share))
            + String(format: "<title>Layer %d: %.1f %%</title></rect>", layer, 100 * min(1, share)))
      }
      if layer % 5 == 0 {
        lines.append("<text x=\"\(left - 8)\" y=\"\(y + height)\" text-anchor=\"end\">\(layer)</text>")
      }
    }
    let middle = top + (bottom - top) / 2
    lines += [
      "<text x=\"\(left)\" y=\"\(bottom + 20)\">hottest</text>",
      "<text x=\"\(left + width)\" y=\"\(bottom + 20)\" text-anchor=\"end\">coldest</text>",
      "<text x=\"\(left + width / 2)\" y=\"\(bottom + 44)\" text-anchor=\"middle\">neurons of a layer</text>",
      "<text transform=\"translate(20 \(middle)) rotate(-90)\" text-anchor=\"middle\">layers</text>", "</svg>",
    ]
    svg = lines.joined(separator: "\n") + "\n"
  }

  private static let groups = 64
}
