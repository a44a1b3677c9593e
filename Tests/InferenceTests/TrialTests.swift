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

  @Test func unionsAreTriedForEachNumberOfTokens() {
    let unions = UnionTrial(isOpen: true)
    func pass(_ tokens: Int, united: UInt64, masked: UInt64) {
      let isUniting = unions.begin(tokens: tokens)
      for _ in 0..<3 { unions.note(nanoseconds: isUniting ? united : masked) }
      unions.end()
    }
    for _ in 0..<20 {
      pass(2, united: 50, masked: 100)
      pass(3, united: 100, masked: 90)
    }
    #expect(unions.pays(tokens: 2) == true && unions.pays(tokens: 3) == false)
    #expect(unions.pays(tokens: 16) == nil && unions.pays(tokens: 17) == false)
    #expect(unions.begin(tokens: 2) && !unions.begin(tokens: 3))
    #expect(!UnionTrial(isOpen: false).begin(tokens: 2))
  }
}
