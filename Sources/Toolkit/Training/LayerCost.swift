import PowerInferKernels
import PowerInferModel

/// What a layer's predictor costs in bytes read for a token, what it makes the layer compute and what it misses among them: the
/// measure by which ranks are chosen and the best state of a training is told.
struct LayerCost: Equatable {
  let neurons: Int
  /// Bytes of a neuron's row that tells whether it is silent: the gate's, or up's where there is none. What is found silent
  /// costs no more than that.
  let askedBytes: Int

  init(neurons: Int, askedBytes: Int) {
    self.neurons = neurons
    self.askedBytes = askedBytes
  }

  init(_ layer: LayerWeights) {
    self.init(neurons: layer.up.rows, askedBytes: (layer.gate ?? layer.up).rowBytes)
  }

  /// Bytes that a predictor's own weights and the neurons that it lists cost; what it misses, and what it computes beyond a
  /// limit, counts as more neurons.
  ///
  /// - Parameters:
  ///   - predictorBytes: of both matrices.
  ///   - point: what it does.
  func score(predictorBytes: Int, _ point: ScoreCurve.Point, aim: LayerAim, limit: Double?) -> Double {
    let excess = limit.map { max(0, point.computed - $0) } ?? 0
    let missing: Double
    switch aim {
    case .computed: missing = 1 - point.found
    case .found(let share): missing = max(0, share - point.found)
    }
    return Double(predictorBytes)
      + Double(neurons * askedBytes) * (point.computed + Self.missingPrice * missing + Self.excessPrice * excess)
  }

  /// What a share that is missed is worth in neurons.
  private static let missingPrice = 100.0
  /// What a share computed beyond what is wanted is worth in neurons.
  private static let excessPrice = 8.0
}
