import Foundation

/// The training of one layer in one pass.
struct LayerTask {
  /// Counted from 0.
  var pass: Int
  /// Counted from 0.
  var layer: Int
  var aim: LayerAim
  /// What training begins with; nil for random weights.
  var start: PredictorNetwork?
  /// Of computing all neurons, at first.
  var price: Float
  var cost: LayerCost
}

/// What one layer's predictor is to do in one pass.
enum LayerAim: Codable, Equatable {
  /// Compute this share of the layer's neurons.
  case computed(Double)
  /// Find this share of what is looked for.
  case found(Double)

  /// What every layer aims at in the first pass: as long as nothing is known of the others, the same.
  static func first(_ goal: TrainingRecipe.Goal) -> LayerAim {
    switch goal {
    case .computed(let share): .computed(share)
    case .kept(let share), .recall(let share): .found(share)
    }
  }

  /// What each layer is to compute so that all together reach the goal, and a neuron more would find the same anywhere.
  ///
  /// A score is the logarithm of what a neuron is worth / the price that it was learnt at. So at one price for all layers, each
  /// layer's threshold is by how much the logarithm of that price is above its own.
  ///
  /// - Parameters:
  ///   - curves: of all layers.
  ///   - prices: at which they were learnt.
  static func shared(_ goal: TrainingRecipe.Goal, _ curves: [ScoreCurve], prices: [Float]) -> [LayerAim] {
    let points = curves.map(\.points)
    func reached(_ logPrice: Double) -> [ScoreCurve.Point] {
      zip(points, prices).map { points, price in
        // Thresholds fall along the points.
        ScoreCurve.point(in: points, where: { -Double($0.threshold) }, is: log(Double(price)) - logPrice)
      }
    }
    func share(_ reached: [ScoreCurve.Point]) -> Double {
      var sum = 0.0
      for point in reached { if case .computed = goal { sum += point.computed } else { sum += point.found } }
      return sum / Double(max(reached.count, 1))
    }
    // The higher the price the less is computed, and found.
    var (low, high) = (-80.0, 80.0)
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if share(reached(middle)) > goal.share { low = middle } else { high = middle }
    }
    return reached(high).map { .computed($0.computed) }
  }

  /// The point of a curve that is aimed at.
  func point(on curve: ScoreCurve) -> ScoreCurve.Point {
    switch self {
    case .computed(let share): ScoreCurve.point(in: curve.points, where: \.computed, is: share)
    case .found(let share): ScoreCurve.point(in: curve.points, where: \.found, is: share)
    }
  }
}
