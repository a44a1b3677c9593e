import Foundation
import Testing

@testable import PowerInferToolkit

@Suite struct ActivityPlotTests {
  @Test func hotNeuronsComeFirst() throws {
    // One of 64 neurons fires always, one for every second token; the other layer is silent.
    var counts = [[UInt32](repeating: 0, count: 64), [UInt32](repeating: 0, count: 64)]
    (counts[0][40], counts[0][7]) = (10, 5)
    let svg = ActivityPlot(counts: counts, tokens: 10, title: "a <b> & c").svg
    let cells = svg.matches(of: /<rect class="cell" x="([0-9.]+)" y="([0-9.]+)"[^>]* fill-opacity="([0-9.]+)">/)
    #expect(cells.map { String($0.output.1) } == ["64.0", "74.0"])
    #expect(cells.map { String($0.output.3) } == ["1.000", "0.500"])
    #expect(svg.contains("a &lt;b&gt; &amp; c"))
    #expect(svg.contains("10 tokens. A neuron fires for 1.2 % of them. The hottest 1.6 % of the neurons make 80 %"))
  }

  @Test func nothingToDrawIsStillAPicture() {
    for counts: [[UInt32]] in [[], [[]], [[0, 0]]] {
      #expect(ActivityPlot(counts: counts, tokens: 0, title: "").svg.hasSuffix("</svg>\n"))
    }
  }
}
