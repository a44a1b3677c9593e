import Kernels
import Model
import Sparsity

/// What a layer reads from memory for a token, by which ranks are weighed against what a better prediction spares.
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

  /// Bytes that a predictor's own weights and the neurons that it lists cost, and what is missing of the goal, in bytes.
  ///
  /// - Parameters:
  ///   - predictorBytes: of both matrices.
  ///   - computed: share of neurons that it lists.
  ///   - missing: of the share that is to be found.
  ///   - limit: of what may be computed.
  func score(predictorBytes: Int, computed: Double, missing: Double, limit: Double?) -> Double {
    let all = Double(neurons * askedBytes)
    let excess = limit.map { max(0, computed - $0) } ?? 0
    return Double(predictorBytes) + all * (computed + Self.missingPrice * max(0, missing) + Self.excessPrice * excess)
  }

  /// What a share of the goal is worth in neurons: more than what it takes near a goal of 0.99.
  private static let missingPrice = 20.0
  /// The same of a limit that is exceeded: a percent of the neurons for about 32 ranks.
  private static let excessPrice = 8.0
}
