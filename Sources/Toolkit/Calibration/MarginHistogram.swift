/// How wide the margin of leading bits must be for each neuron to be computed: how many of all neurons need so much, and the squares of what
/// those add that fire.
struct MarginHistogram {
  /// Standard deviations from one bin to the next. Neurons of bin b are computed with a margin of b · width; those of bin 0 with any.
  static let width: Float = 0.02
  /// The last bin holds what needs more than ``limit``.
  static let binCount = 502
  /// The widest margin.
  static let limit = Float(binCount - 2) * width

  /// [bins], of any weights each.
  private var counts = [UInt64](repeating: 0, count: binCount)
  private var weights = [UInt128](repeating: 0, count: binCount)

  /// The bin of a neuron that is computed from this margin on; one that is no number is always computed.
  static func bin(_ margin: Float) -> Int {
    guard margin > 0 else { return 0 }
    return min(binCount - 1, Int((min(margin, 2 * limit) / width).rounded(.up)))
  }

  mutating func merge(counts: UnsafePointer<UInt64>, weights: UnsafePointer<UInt128>) {
    for bin in 0..<Self.binCount {
      self.counts[bin] += counts[bin]
      self.weights[bin] += weights[bin]
    }
  }

  /// A margin, and what it does.
  struct Cut: Equatable {
    var margin: Float
    /// Share of the neurons that are computed.
    var computed: Double
    /// Share of the squares that are missed.
    var missed: Double
  }

  /// The narrowest margin that misses no more than this share, or the widest.
  func cut(missing share: Double) -> Cut {
    let (all, total) = (counts.reduce(0, +), weights.reduce(0, +))
    var (computed, missed) = (all - counts[Self.binCount - 1], weights[Self.binCount - 1])
    var bin = Self.binCount - 2
    while bin > 0, Double(missed + weights[bin]) <= share * Double(total) {
      missed += weights[bin]
      computed -= counts[bin]
      bin -= 1
    }
    return Cut(
      margin: Float(bin) * Self.width, computed: all > 0 ? Double(computed) / Double(all) : 0,
      missed: total > 0 ? Double(missed) / Double(total) : 0)
  }
}
