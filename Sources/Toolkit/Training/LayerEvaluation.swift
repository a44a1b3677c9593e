import PowerInfer

/// What a predictor does on held-out tokens of its layer.
struct LayerEvaluation: Codable, Equatable {
  /// Of scores, weighed as the goal weighs neurons.
  var curve = ScoreCurve()
  /// Pairs of a token and a neuron.
  var seen = 0
  var listed = 0
  /// Of all, as the goal weighs neurons.
  var weight = 0.0
  var foundWeight = 0.0
  /// Mean of each unit's output. [rank]
  var activity: [Double] = []

  /// What the threshold 0 does.
  var point: ScoreCurve.Point {
    ScoreCurve.Point(
      threshold: 0, computed: Double(listed) / Double(max(seen, 1)), found: weight > 0 ? foundWeight / weight : 1)
  }
}

extension LayerEvaluation {
  /// Measures a network on some tokens.
  ///
  /// - Throws: ``TrainingError/diverged(layer:)``.
  init(
    _ network: PredictorNetwork, on traces: LayerTraces, tokens: [Int], weighing: ContributionWeighing,
    scratch: TrainingScratch
  ) throws(TrainingError) {
    self.init()
    activity = Array(repeating: 0, count: network.rank)
    let (d, f) = (network.inputs, network.neurons)
    for start in stride(from: 0, to: tokens.count, by: scratch.batch) {
      let batch = tokens[start..<min(start + scratch.batch, tokens.count)]
      for (row, token) in batch.enumerated() {
        traces.readInput(token, into: scratch.input.start + row * d)
        traces.readWeights(token, weighing, into: scratch.weights.start + row * f)
      }
      scratch.predict(network, count: batch.count)
      for row in 0..<batch.count {
        for unit in 0..<network.rank { activity[unit] += Double(scratch.hidden.start[row * network.rank + unit]) }
        count(scratch.scores.start + row * f, scratch.weights.start + row * f, f)
      }
    }
    guard curve.isFinite else { throw .diverged(layer: traces.layer) }
    for unit in activity.indices { activity[unit] /= Double(max(tokens.count, 1)) }
  }

  private mutating func count(_ scores: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ neurons: Int) {
    var (listed, all, found) = (0, 0.0, 0.0)
    for neuron in 0..<neurons {
      let (score, weight) = (scores[neuron], weights[neuron])
      let isListed = !(score < 0)
      listed += isListed ? 1 : 0
      all += Double(weight)
      found += isListed ? Double(weight) : 0
      curve.add(score, weight: weight)
    }
    seen += neurons
    self.listed += listed
    weight += all
    foundWeight += found
  }
}
