import Inference

/// What a predictor does on held-out tokens of its layer.
struct LayerEvaluation: Codable, Equatable {
  /// Pairs of a token and a neuron.
  var seen = 0
  var fired = 0
  var listed = 0
  var hits = 0
  var contribution = 0.0
  var keptContribution = 0.0
  /// Share of neurons that would be computed with the threshold at which exactly what is wanted is found.
  var computedAtGoal = 1.0
  /// Mean of each unit's output. [rank]
  var activity: [Double] = []

  var computed: Double { Double(listed) / Double(max(seen, 1)) }
  var recall: Double { fired == 0 ? 1 : Double(hits) / Double(fired) }
  var precision: Double { listed == 0 ? 1 : Double(hits) / Double(listed) }
  var kept: Double { contribution == 0 ? 1 : keptContribution / contribution }

  /// The share that a goal is about.
  func share(_ goal: TrainingRecipe.Goal) -> Double { goal.countsContributions ? kept : recall }
}

extension LayerEvaluation {
  /// Measures a network on some tokens.
  ///
  /// - Throws: ``TrainingError/diverged(layer:)``.
  init(
    _ network: PredictorNetwork, on traces: LayerTraces, tokens: [Int], goal: TrainingRecipe.Goal,
    scratch: TrainingScratch
  ) throws(TrainingError) {
    self.init()
    var curve = ScoreCurve()
    activity = Array(repeating: 0, count: network.rank)
    let (d, f) = (network.inputs, network.neurons)
    for start in stride(from: 0, to: tokens.count, by: scratch.batch) {
      let batch = tokens[start..<min(start + scratch.batch, tokens.count)]
      for (row, token) in batch.enumerated() {
        traces.readInput(token, into: scratch.input.start + row * d)
        traces.readWeights(token, .none, into: scratch.weights.start + row * f)
      }
      scratch.predict(network, count: batch.count)
      for row in 0..<batch.count {
        for unit in 0..<network.rank { activity[unit] += Double(scratch.hidden.start[row * network.rank + unit]) }
        count(scratch.scores.start + row * f, scratch.weights.start + row * f, f, goal, &curve)
      }
    }
    guard curve.isFinite else { throw .diverged(layer: traces.layer) }
    for unit in activity.indices { activity[unit] /= Double(max(tokens.count, 1)) }
    computedAtGoal = curve.computed(finding: goal.share)
  }

  private mutating func count(
    _ scores: UnsafePointer<Float>, _ contributions: UnsafePointer<Float>, _ neurons: Int, _ goal: TrainingRecipe.Goal,
    _ curve: inout ScoreCurve
  ) {
    let countsContributions = goal.countsContributions
    seen += neurons
    for neuron in 0..<neurons {
      let (score, contribution) = (scores[neuron], contributions[neuron])
      let (fires, lists) = (contribution > 0 ? 1 : 0, score < 0 ? 0 : 1)
      fired += fires
      listed += lists
      hits += fires & lists
      self.contribution += Double(contribution)
      keptContribution += lists == 1 ? Double(contribution) : 0
      curve.add(score, weight: countsContributions ? contribution : Float(fires))
    }
  }
}

/// How much is found, and how much computed for it, at every threshold: scores counted in bins of equal ratio.
struct ScoreCurve {
  private var counts = [Int](repeating: 0, count: binCount)
  private var weights = [Double](repeating: 0, count: binCount)
  private(set) var isFinite = true

  /// Sign, exponent and three bits of the fraction.
  private static let binCount = 1 << 12

  @inline(__always)
  mutating func add(_ score: Float, weight: Float) {
    // Bit patterns of floats ascend with them above 0 and descend below.
    let bits = Int32(bitPattern: score.bitPattern)
    let ordered = UInt32(bitPattern: bits ^ ((bits >> 31) | .min))
    let bin = Int(ordered >> 20)
    counts[bin] += 1
    weights[bin] += Double(weight)
    if !score.isFinite { isFinite = false }
  }

  /// The share of all that is computed where so much of the weight is found; within a bin both are taken to be even.
  func computed(finding share: Double) -> Double {
    let (total, weight) = (counts.reduce(0, +), weights.reduce(0, +))
    guard total > 0, weight > 0 else { return 0 }
    let wanted = share * weight
    var (computed, found) = (0.0, 0.0)
    for bin in (0..<Self.binCount).reversed() {
      if found + weights[bin] >= wanted {
        let part = weights[bin] > 0 ? (wanted - found) / weights[bin] : 0
        return (computed + part * Double(counts[bin])) / Double(total)
      }
      computed += Double(counts[bin])
      found += weights[bin]
    }
    return 1
  }
}
