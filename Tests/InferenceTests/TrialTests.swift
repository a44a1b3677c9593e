import PowerInferSparsity
import Testing

@testable import PowerInfer

/// What is measured decides, and only once it has been measured often enough.
@Suite struct TrialTests {
  /// Decodes one token whose layers take what `cost` says of their source.
  private func decode(_ trial: SourceTrial, layers: Int, cost: (Int, ActivationSource) -> UInt64) {
    trial.begin()
    for layer in 0..<layers { trial.note(layer: layer, nanoseconds: cost(layer, trial.current[layer])) }
    trial.end()
  }

  @Test func everyLayerKeepsItsFastestSource() {
    let trial = SourceTrial([[.dense, .gate], [.dense, .gate], [.dense]])
    var tokens = 0
    while !trial.isOver, tokens < 100 {
      // The first tokens take long whatever they compute, and so does one in the middle.
      let extra: UInt64 = tokens < SourceTrial.warmUp || tokens == 6 ? 1_000_000 : 0
      decode(trial, layers: 3) { layer, source in (layer == 0) == (source == .gate) ? 100 + extra : 300 + extra }
      tokens += 1
    }
    #expect(tokens == SourceTrial.warmUp + 2 * SourceTrial.turns)
    #expect(trial.current == [.gate, .dense, .dense])
    #expect(trial.medianMicroseconds(layer: 0) == [.dense: 0.3, .gate: 0.1])
    #expect(trial.medianMicroseconds(layer: 2) == [:])
    // What comes after changes nothing.
    for _ in 0..<20 { decode(trial, layers: 3) { _, source in source == .gate ? 1 : 1000 } }
    #expect(trial.current == [.gate, .dense, .dense])
  }

  @Test func oneSourceNeedsNoTrial() {
    let trial = SourceTrial([[.gate], [.threshold(0.5)]])
    #expect(trial.isOver && trial.current == [.gate, .threshold(0.5)])
    decode(trial, layers: 2) { _, _ in 1 }
    #expect(trial.medianMicroseconds(layer: 0) == [:])
  }

  /// The last layer of a token whose logits nobody wants computes no neurons.
  @Test func aLayerThatWasNeverMeasuredStaysDense() {
    let trial = SourceTrial([[.dense, .gate], [.dense, .gate]])
    for _ in 0..<100 where !trial.isOver { decode(trial, layers: 1) { _, source in source == .gate ? 1 : 2 } }
    #expect(trial.isOver && trial.current == [.gate, .dense])
  }

  @Test func listsAreTriedForEachNumberOfRows() {
    let lists = ListTrial(isOpen: true)
    func pass(_ rows: Int, listed: UInt64, together: UInt64) {
      let isListing = lists.begin(rows: rows)
      for _ in 0..<3 { lists.note(nanoseconds: isListing ? listed : together) }
      lists.end()
    }
    for _ in 0..<20 {
      pass(2, listed: 50, together: 100)
      pass(3, listed: 100, together: 90)
    }
    #expect(lists.begin(rows: 2) && !lists.isMeasuring)
    #expect(!lists.begin(rows: 3) && !lists.isMeasuring)
    #expect(!lists.begin(rows: ListTrial.mostRows) && lists.isMeasuring)
    #expect(!lists.begin(rows: ListTrial.mostRows + 1) && !lists.isMeasuring)
    #expect(!ListTrial(isOpen: false).begin(rows: 2))
  }
}
