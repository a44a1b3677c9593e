import Foundation
import PowerInfer
import PowerInferModel
import Synchronization

/// Remembers which neurons a session's passes leave out, by the scores that the session hands out.
final class MaskRecorder: NeuronObserver {
  /// What is compared with a threshold.
  enum Score {
    /// The prediction, with one threshold for all layers.
    case prediction(threshold: Float)
    /// The magnitude of the activated gate (up, where there is no gate), with a threshold for each layer.
    case gate(Activation, thresholds: [Float])
    /// What leading bits allow and, with thresholds, the same of the neurons that are left.
    case leadingBits(Activation, thresholds: [Float]?)
  }

  private struct Seen {
    var masks: [[Bool]] = []  // [positions][neurons]
    /// Where the next batch of a neuron begins: the pieces of one come from several workers, in any order.
    var positions: [Int] = []
  }

  private let score: Score
  private let seen: Mutex<[Seen]>

  init(_ score: Score, layers: Int) {
    self.score = score
    seen = Mutex(Array(repeating: Seen(), count: layers))
  }

  func observe(_ view: NeuronView) {
    let rows = (0..<view.tokens).map { t in view.neurons.map { isActive(view, t * view.stride + $0) } }
    seen.withLock { layers in
      func note(_ seen: inout Seen) {
        if seen.positions.isEmpty { seen.positions = Array(repeating: 0, count: view.stride) }
        guard let first = view.neurons.first.map({ seen.positions[$0] }) else { return }
        for neuron in view.neurons { seen.positions[neuron] += view.tokens }
        while seen.masks.count < first + view.tokens {
          seen.masks.append(Array(repeating: false, count: view.stride))
        }
        for (t, row) in rows.enumerated() { seen.masks[first + t].replaceSubrange(view.neurons, with: row) }
      }
      note(&layers[view.layer])
    }
  }

  private func isActive(_ view: NeuronView, _ index: Int) -> Bool {
    switch score {
    case .prediction(let threshold):
      guard let prediction = view.prediction else { return false }
      return !(prediction[index] < threshold)
    case .gate(let activation, let thresholds): return reaches(activation, thresholds, view, index)
    case .leadingBits(let activation, let thresholds):
      guard let prediction = view.prediction, !(prediction[index] < 0) else { return false }
      return thresholds.map { reaches(activation, $0, view, index) } ?? true
    }
  }

  private func reaches(_ activation: Activation, _ thresholds: [Float], _ view: NeuronView, _ index: Int) -> Bool {
    !(abs(activated(Double((view.gate ?? view.up)[index]), activation)) < Double(thresholds[view.layer]))
  }

  private func activated(_ x: Double, _ activation: Activation) -> Double {
    switch activation {
    case .relu: max(x, 0)
    case .silu: x / (1 + exp(-x))
    case .gelu: x / 2 * erfc(-x / 2.0.squareRoot())
    }
  }

  /// How the masks differ from golden ones.
  func difference(from golden: GoldenMasks) -> MaskDifference {
    MaskDifference(seen.withLock { $0.map(\.masks) }, seen.withLock { $0.map(\.positions) }, golden)
  }
}

/// Bits of masks that are not the golden ones.
struct MaskDifference {
  /// Each place that differs.
  private(set) var places: [GoldenMasks.Place] = []
  /// Bits compared in a layer.
  let bitsPerLayer: Int
  /// Whether as many layers, positions and neurons were seen as there should be.
  let isComplete: Bool

  /// - Parameters:
  ///   - masks: [layers][positions][neurons].
  ///   - counts: [layers][neurons], for how many positions a neuron was seen.
  init(_ masks: [[[Bool]]], _ counts: [[Int]], _ golden: GoldenMasks) {
    let neurons = masks.first?.first?.count ?? 0
    bitsPerLayer = golden.positions.count * neurons
    isComplete =
      bitsPerLayer > 0 && masks.count == golden.layers && golden.maskBytes == (neurons + 7) / 8
      && counts.allSatisfy { $0.count == neurons && $0.allSatisfy { $0 == golden.positions.upperBound } }
    guard isComplete else { return }
    for (layer, rows) in masks.enumerated() {
      for position in golden.positions {
        for (neuron, isActive) in rows[position].enumerated() {
          let place = GoldenMasks.Place(layer: layer, position: position, neuron: neuron)
          if golden.isActive(place) != isActive { places.append(place) }
        }
      }
    }
  }

  func count(layer: Int) -> Int { places.count { $0.layer == layer } }

  /// Places that differ although the golden score is not near the threshold, nor anything that they depend on differs: a
  /// lower layer at the same position or, through keys and values, at an earlier one.
  func unexplained(near: Set<GoldenMasks.Place>) -> [GoldenMasks.Place] {
    let causes = places.filter(near.contains)
    return places.filter { place in
      !near.contains(place) && !causes.contains { $0.layer < place.layer && $0.position <= place.position }
    }
  }
}
