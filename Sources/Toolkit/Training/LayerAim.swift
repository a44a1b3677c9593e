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
  /// Whatever is best at the price.
  case free
  /// Compute this share of the layer's neurons.
  case computed(Double)
  /// Find this share of what is looked for.
  case found(Double)

  /// What every layer aims at in the first pass: as long as others follow, what a goal means for a layer is not known.
  static func first(_ recipe: TrainingRecipe) -> LayerAim {
    switch recipe.goal {
    case .computed(let share): recipe.passes > 1 ? .free : .computed(share)
    case .kept(let share), .recall(let share): .found(share)
    }
  }

  /// What each layer is to compute so that all together reach the goal and a neuron more would find the same anywhere: the
  /// threshold at which all together do, were it the same in every layer.
  static func shared(_ goal: TrainingRecipe.Goal, _ curves: [ScoreCurve]) -> [LayerAim] {
    let share: (ScoreCurve.Point) -> Double
    if case .computed = goal { share = \.computed } else { share = \.found }
    let threshold = ScoreCurve.point(in: ScoreCurve.mean(curves), where: share, is: goal.share).threshold
    return curves.map { curve in
      // Thresholds fall along the points.
      let point = ScoreCurve.point(in: curve.points, where: { -Double($0.threshold) }, is: -Double(threshold))
      return .computed(point.computed)
    }
  }

  /// The point of a curve that is aimed at; nil where any is as good.
  func point(on curve: ScoreCurve) -> ScoreCurve.Point? {
    switch self {
    case .free: nil
    case .computed(let share): ScoreCurve.point(in: curve.points, where: \.computed, is: share)
    case .found(let share): ScoreCurve.point(in: curve.points, where: \.found, is: share)
    }
  }
}
