import Foundation
#if canImport(FoundationXML)
  import FoundationXML
#endif
import PowerInferSparsity
import Testing

@testable import PowerInferToolkit

@Suite struct SkewPlotTests {
  @Test func theCurveAddsUpTheHottestFirst() {
    let curve = SkewCurve([0.1, 0.5, 0, 0.4])
    let expected = [(0.0, 0.0), (0.25, 0.5), (0.5, 0.9), (0.75, 1), (1, 1)]
    #expect(curve.points.count == expected.count)
    for (found, expected) in zip(curve.points, expected) {
      #expect(found.neurons == expected.0 && abs(found.activations - expected.1) < 1e-7)
    }
    #expect(curve.share(making: 0.8) == 0.5 && curve.share(making: 0.45) == 0.25 && curve.share(making: 0) == 0)
  }

  @Test func longCurvesAreThinnedOut() throws {
    let points = SkewCurve([Float](repeating: 0.5, count: 10_000)).points
    #expect(points.count == 129 && points[0] == (0, 0) && points[128] == (1, 1) && points[64] == (0.5, 0.5))
  }

  @Test func nothingFires() {
    let curve = SkewCurve([0, 0])
    #expect(curve.share(making: 0.8) == 0 && curve.points.map(\.activations) == [0, 0])
    #expect(SkewCurve([]).points.count == 2)
  }

  /// The document is well formed, names survive, and every layer has its curve where it should be.
  @Test func thePlotIsXML() throws {
    let profile = try ActivationProfile(
      frequencies: [[0.5, 0.5], [1, 0]], contributions: [[0, 0], [0, 0]], tokens: 1, text: "")
    let plot = SkewPlot(profile, title: "a<b> & \"c\" \u{1B}é")
    let reader = SVGReader()
    let parser = XMLParser(data: Data(plot.svg.utf8))
    parser.delegate = reader
    #expect(parser.parse(), "\(parser.parserError.map { "\($0)" } ?? "")")
    #expect(reader.texts.first == "a<b> & \"c\" é")
    #expect(reader.lines["layer"] == ["64.0,368.0 324.0,208.0 584.0,48.0", "64.0,368.0 324.0,48.0 584.0,48.0"])
    #expect(reader.texts.contains("75.0 % of the neurons make 80 % of the activations"))
  }
}

private final class SVGReader: NSObject, XMLParserDelegate {
  var texts: [String] = []
  var lines: [String: [String]] = [:]
  private var text: String?

  func parser(
    _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    if element == "polyline" { lines[attributes["class"] ?? "", default: []].append(attributes["points"] ?? "") }
    text = element == "text" ? "" : nil
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text? += string }

  func parser(_ parser: XMLParser, didEndElement element: String, namespaceURI: String?, qualifiedName: String?) {
    if element == "text", let text { texts.append(text) }
  }
}
