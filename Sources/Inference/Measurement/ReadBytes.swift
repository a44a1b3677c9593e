import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// Bytes of feed-forward weights that decoding a token reads, in the mean over the tokens counted so far.
///
/// Exact for lists of neurons: the first matrix for all neurons that are asked by it, the others for those that fire. Layers
/// that compute all neurons count all weights, which is a bound where silent neurons are rows of the down projection.
struct ReadBytes: Equatable {
  var predictor = 0.0
  var gateUp = 0.0
  var down = 0.0

  static let none = ReadBytes()

  static func + (a: ReadBytes, b: ReadBytes) -> ReadBytes {
    ReadBytes(predictor: a.predictor + b.predictor, gateUp: a.gateUp + b.gateUp, down: a.down + b.down)
  }

  /// Of all layers.
  init(_ weights: Weights, _ feedForward: FeedForward) {
    self = weights.layers.indices.reduce(.none) { $0 + ReadBytes(weights, layer: $1, feedForward) }
  }

  private init() {}

  private init(predictor: Double, gateUp: Double, down: Double) {
    (self.predictor, self.gateUp, self.down) = (predictor, gateUp, down)
  }

  private init(_ weights: Weights, layer index: Int, _ feedForward: FeedForward) {
    let (plan, layer) = (feedForward.plan.layers[index], weights.layers[index])
    let sum = feedForward.counters.sum(layer: index)
    guard feedForward.trial.current[index] != .dense, sum.tokens > 0 else {
      gateUp = Double(weights.use(.gateUp, layer: index).bytes)
      down = Double(weights.use(.down, layer: index).bytes)
      return
    }
    func bytes(_ matrix: Matrix?) -> Double { matrix.map { Double(WeightUse($0).bytes) } ?? 0 }
    let neurons = Double(sum.tokens) * Double(layer.up.rows)
    let fired = Double(sum.fired) / neurons
    let asked = plan.predictor == nil ? 1 : Double(sum.computed) / neurons
    predictor = bytes(plan.predictor?.fc1) + bytes(plan.predictor?.fc2)
    gateUp = asked * bytes(layer.gate ?? layer.up) + (layer.gate == nil ? 0 : fired * bytes(layer.up))
    down = fired * bytes(plan.neurons)
  }
}
