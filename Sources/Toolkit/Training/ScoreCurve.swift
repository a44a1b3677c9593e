/// How much is found, and how much computed for it, at every threshold: scores counted in bins of equal ratio.
struct ScoreCurve: Codable, Equatable {
  private(set) var counts = [Int](repeating: 0, count: binCount)
  private(set) var weights = [Double](repeating: 0, count: binCount)
  private(set) var isFinite = true
  private var magnitudes = 0.0

  /// Of all scores.
  var meanMagnitude: Double { magnitudes / Double(max(counts.reduce(0, +), 1)) }

  /// Sign, exponent and three bits of the fraction, of which those between 2⁻¹⁰ and 2⁶ have bins of their own.
  private static let shift: UInt32 = 20
  private static let smallest = Int(Float(0x1p-10).bitPattern >> shift)
  private static let largest = Int(Float(0x1p6).bitPattern >> shift)
  private static let half = largest - smallest + 1
  static let binCount = 2 * half

  @inline(__always)
  mutating func add(_ score: Float, weight: Float) {
    let size = min(max(Int(score.magnitude.bitPattern >> Self.shift), Self.smallest), Self.largest) - Self.smallest
    let bin = score < 0 ? Self.half - 1 - size : Self.half + size
    counts[bin] += 1
    weights[bin] += Double(weight)
    magnitudes += Double(score.magnitude)
    if !score.isFinite { isFinite = false }
  }

  /// The least score of a bin; 0 of the first above 0.
  private static func edge(_ bin: Int) -> Float {
    if bin == half { return 0 }
    let pattern = UInt32((bin > half ? bin - half : half - bin) + smallest) << shift
    return bin > half ? Float(bitPattern: pattern) : -Float(bitPattern: pattern)
  }

  /// A threshold, and what it does.
  struct Point: Equatable {
    /// Scores from here on are computed.
    var threshold: Float
    /// Share of all neurons.
    var computed: Double
    /// Share of the weight.
    var found: Double
  }

  /// What every bin's least score does as a threshold, the highest first.
  var points: [Point] {
    let (total, weight) = (Double(max(counts.reduce(0, +), 1)), weights.reduce(0, +))
    var (computed, found) = (0, 0.0)
    return (0..<Self.binCount).reversed().map { bin in
      computed += counts[bin]
      found += weights[bin]
      return Point(
        threshold: Self.edge(bin), computed: Double(computed) / total, found: weight > 0 ? found / weight : 1)
    }
  }

  /// The point at which a share, which rises as thresholds fall, has a value; what lies between two bins is taken to be even.
  static func point(in points: [Point], where share: (Point) -> Double, is wanted: Double) -> Point {
    guard let index = points.firstIndex(where: { share($0) >= wanted }) else {
      return points.last ?? Point(threshold: 0, computed: 1, found: 1)
    }
    guard index > 0 else { return points[0] }
    let (above, below) = (points[index - 1], points[index])
    let step = share(below) - share(above)
    let part = step > 0 ? (wanted - share(above)) / step : 1
    return Point(
      threshold: above.threshold + Float(part) * (below.threshold - above.threshold),
      computed: above.computed + part * (below.computed - above.computed),
      found: above.found + part * (below.found - above.found))
  }
}
