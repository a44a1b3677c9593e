import Foundation
public import PowerInferSparsity

/// How uneven neurons are: the share of all activations that a growing share of neurons makes, hottest first, as the
/// PowerInfer paper plots it (arXiv:2312.12456, §3). One thin curve a layer, and a thick one for the neurons of all layers
/// together.
public struct SkewPlot: Sendable {
  /// A complete SVG document.
  public let svg: String

  /// - Parameters:
  ///   - profile: whose frequencies are drawn.
  ///   - title: stands above the plot, in one line.
  public init(_ profile: ActivationProfile, title: String) {
    let all = SkewCurve(profile.frequencies.flatMap { $0 })
    var lines = Self.frame(title: title)
    lines += profile.frequencies.enumerated().map { index, frequencies in
      let curve = SkewCurve(frequencies)
      return Self.polyline(curve, class: "layer", hint: "Layer \(index): \(Self.sentence(curve))")
    }
    lines.append(Self.polyline(all, class: "all", hint: "All layers: \(Self.sentence(all))"))
    let mark = Self.point(all.share(making: Self.markedShare), Self.markedShare)
    lines += [
      "<circle class=\"mark\" cx=\"\(mark.x)\" cy=\"\(mark.y)\" r=\"4\"/>",
      "<text class=\"mark\" x=\"\(mark.x + 10)\" y=\"\(mark.y + 18)\">\(Self.sentence(all))</text>", "</svg>",
    ]
    svg = lines.joined(separator: "\n") + "\n"
  }

  private static let markedShare = 0.8
  private static let (left, top, width, height) = (64.0, 48.0, 520.0, 320.0)

  /// Where a share of the neurons and a share of the activations meet; in tenths of a pixel.
  private static func point(_ neurons: Double, _ activations: Double) -> (x: Double, y: Double) {
    func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
    return (rounded(left + neurons * width), rounded(top + (1 - activations) * height))
  }

  private static func polyline(_ curve: SkewCurve, class name: String, hint: String) -> String {
    let points = curve.points.map { neurons, activations in
      let point = point(neurons, activations)
      return "\(point.x),\(point.y)"
    }
    return "<polyline class=\"\(name)\" points=\"\(points.joined(separator: " "))\"><title>\(hint)</title></polyline>"
  }

  private static func sentence(_ curve: SkewCurve) -> String {
    String(
      format: "%.1f %% of the neurons make %.0f %% of the activations", curve.share(making: markedShare) * 100,
      markedShare * 100)
  }

  /// All but the curves, without the closing tag. Colours are such that the plot reads on white and on black.
  private static func frame(title: String) -> [String] {
    let (right, bottom) = (left + width, top + height)
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(right) + 24) \(Int(bottom) + 56)\" "
        + "font-family=\"sans-serif\" font-size=\"13\" fill=\"#808080\">",
      "<style>polyline{fill:none}.layer{stroke:#5b8def;stroke-opacity:.35}.all{stroke:#d9480f;stroke-width:2.5}"
        + ".grid{stroke:#808080;stroke-opacity:.3}.mark{fill:#d9480f}</style>",
      "<text x=\"\(left)\" y=\"24\" font-size=\"16\">\(SVGText.escaped(title))</text>",
    ]
    for step in 0...5 {
      let share = Double(step) / 5
      let (x, y) = point(share, share)
      lines += [
        "<line class=\"grid\" x1=\"\(x)\" y1=\"\(top)\" x2=\"\(x)\" y2=\"\(bottom)\"/>",
        "<line class=\"grid\" x1=\"\(left)\" y1=\"\(y)\" x2=\"\(right)\" y2=\"\(y)\"/>",
        "<text x=\"\(x)\" y=\"\(bottom + 18)\" text-anchor=\"middle\">\(step * 20) %</text>",
        "<text x=\"\(left - 8)\" y=\"\(y + 4)\" text-anchor=\"end\">\(step * 20) %</text>",
      ]
    }
    lines += [
      "<text x=\"\(left + width / 2)\" y=\"\(bottom + 42)\" text-anchor=\"middle\">neurons, hottest first</text>",
      "<text transform=\"translate(16 \(top + height / 2)) rotate(-90)\" text-anchor=\"middle\">activations</text>",
    ]
    return lines
  }
}
