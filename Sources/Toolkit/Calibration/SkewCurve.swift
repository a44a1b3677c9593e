/// The share of all activations that the hottest neurons make, by their share of all neurons.
struct SkewCurve: Sendable, Equatable {
  /// Sums of the frequencies of the hottest 0, 1, 2 … neurons: [neurons + 1].
  private let sums: [Double]

  /// - Parameter frequencies: of each neuron, none below 0.
  init(_ frequencies: [Float]) {
    var sum = 0.0
    sums =
      [0]
      + frequencies.sorted(by: >).map { frequency in
        sum += Double(frequency)
        return sum
      }
  }

  /// The least share of the neurons that makes so much of all activations; 0 where nothing ever fires.
  func share(making share: Double) -> Double {
    guard let total = sums.last, total > 0 else { return 0 }
    let hottest = sums.firstIndex { $0 >= total * share } ?? sums.count - 1
    return Double(hottest) / Double(max(sums.count - 1, 1))
  }

  /// Up to so many points of the curve, both ends included: shares of the neurons and of the activations.
  var points: [(neurons: Double, activations: Double)] {
    let last = sums.count - 1
    guard last > 0, let total = sums.last, total > 0 else { return [(0, 0), (1, 0)] }
    let count = min(Self.pointLimit, last)
    return (0...count).map { step in
      let neurons = step * last / count
      return (Double(neurons) / Double(last), sums[neurons] / total)
    }
  }

  /// More than the eye tells apart.
  private static let pointLimit = 128
}
