import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

// What a feed-forward tells of itself, between passes.
extension FeedForward {
  func statistics(_ weights: Weights) -> ExecutorStatistics {
    var statistics = ExecutorStatistics(
      layers: plan.layers.indices.map { index in
        let sum = counters.sum(layer: index)
        var layer = ExecutorStatistics.Layer(source: source(index))
        (layer.tokens, layer.computed, layer.fired) = (sum.tokens, sum.computed, sum.fired)
        layer.microsecondsPerToken = layerTimes.flatMap { $0.tokens[index] > 0 ? $0.microseconds(layer: index) : nil }
        layer.tried = trial.medianMicroseconds(layer: index)
        layer.readBytes = readBytes(weights, layer: index)
        return layer
      })
    (statistics.mode, statistics.reason, statistics.isDeciding) = (plan.mode, plan.reason, !trial.isOver)
    statistics.bytesAreBound =
      configuration.activation == .relu
      && zip(plan.layers, trial.current).contains { $0.neurons != nil && $1 == .dense }
    return statistics
  }

  func resetStatistics() {
    counters.reset()
    layerTimes?.reset()
  }

  private func readBytes(_ weights: Weights, layer index: Int) -> ExecutorStatistics.ReadBytes {
    let (plan, layer) = (plan.layers[index], weights.layers[index])
    let sum = counters.sum(layer: index)
    // Of the layer's neurons those that are computed here.
    let share = Double(plan.resident.count(of: layer.up.rows)) / Double(layer.up.rows)
    guard source(index) != .dense, sum.tokens > 0 else {
      return ExecutorStatistics.ReadBytes(
        gateUp: share * Double(weights.use(.gateUp, layer: index).bytes),
        down: share * Double(weights.use(.down, layer: index).bytes))
    }
    func bytes(_ matrix: Matrix?) -> Double { matrix.map { Double(WeightUse($0).bytes) } ?? 0 }
    let neurons = Double(sum.tokens) * Double(layer.up.rows)
    let fired = Double(sum.fired) / neurons
    if let leading = plan.leading {
      func rest(_ rows: SplitRows) -> Double { Double(rows.matrix.restBytes) }
      func first(_ rows: SplitRows) -> Double { Double(rows.matrix.rows * rows.matrix.leadingBytes) }
      let (computed, active) = (Double(sum.computed) / Double(sum.tokens), Double(sum.fired) / Double(sum.tokens))
      let up = layer.gate == nil ? 0 : leading.up.map { active * rest($0) } ?? fired * bytes(layer.up)
      return ExecutorStatistics.ReadBytes(
        leadingBits: first(leading.gate) + (leading.up.map(first) ?? 0),
        gateUp: computed * rest(leading.gate) + up, down: fired * bytes(plan.neurons))
    }
    let asked = source(index).mode == .predictor ? Double(sum.computed) / neurons : share
    return ExecutorStatistics.ReadBytes(
      predictor: bytes(plan.predictor?.fc1) + bytes(plan.predictor?.fc2),
      gateUp: asked * bytes(layer.gate ?? layer.up) + (layer.gate == nil ? 0 : fired * bytes(layer.up)),
      down: fired * bytes(plan.neurons))
  }
}
