/// How magnitudes are distributed, and how much of some weight lies at each: counts in bins of equal ratio.
///
/// Weights are summed as whole numbers of a small unit. So sums do not depend on the order in which they were made, and what
/// several threads counted is the same, once merged, for any number of them.
struct MagnitudeHistogram: Equatable {
  private(set) var counts: [UInt64]  // [binCount]
  private(set) var weights: [UInt128]  // [binCount], in units

  /// Nothing counted.
  init() {
    counts = Array(repeating: 0, count: Self.binCount)
    weights = Array(repeating: 0, count: Self.binCount)
  }

  /// Adds what was counted elsewhere, [binCount] each.
  mutating func merge(counts: UnsafePointer<UInt64>, weights: UnsafePointer<UInt128>) {
    for bin in 0..<Self.binCount {
      self.counts[bin] += counts[bin]
      self.weights[bin] += weights[bin]
    }
  }

  // MARK: Bins

  /// Bins of an octave are 2⁻⁷ of its beginning wide: fine enough that, of a density as that of gates, one holds about a
  /// third of a percent.
  private static let mantissaBits: UInt32 = 7
  /// From 2⁻²⁸ on, below which nothing differs from silence in F32 beside a 1, to 2¹².
  private static let exponents = -28..<12
  private static let shift = UInt32(Float.significandBitCount) - mantissaBits
  private static let firstPattern =
    Float(sign: .plus, exponent: exponents.lowerBound, significand: 1).bitPattern >> shift

  /// The first holds all that is smaller than the range, 0 among it, and the last all that is larger.
  static let binCount = exponents.count << Int(mantissaBits) + 1

  /// Where a magnitude (0 or more, finite) belongs.
  @inline(__always)
  static func bin(_ magnitude: Float) -> Int {
    min(max(Int(magnitude.bitPattern >> shift) - Int(firstPattern) + 1, 0), binCount - 1)
  }

  /// The smallest magnitude of a bin.
  static func edge(_ bin: Int) -> Float {
    bin == 0 ? 0 : Float(bitPattern: (firstPattern + UInt32(bin) - 1) << shift)
  }

  // MARK: Cuts

  /// What a threshold does to what was counted.
  struct Cut: Equatable {
    /// Magnitudes below it are left out.
    let threshold: Float
    /// Share of the counts in the first bin, 0...1.
    let silent: Double
    /// Share of the counts below the threshold, 0...1.
    let leftOut: Double
    /// Share of the weight not below it, 0...1; 1 where nothing has any weight.
    let kept: Double
  }

  /// The threshold that leaves out a share as near to `target` as bins allow; the lower where two are as near.
  ///
  /// A target above 0 takes with it at least all of the first bin: silent neurons are left out without a loss, however many
  /// they are.
  func cut(leavingOut target: Double) -> Cut {
    let total = counts.reduce(0, +)
    let silent = total > 0 ? Double(counts[0]) / Double(total) : 0
    guard total > 0, target > 0 else { return Cut(threshold: 0, silent: silent, leftOut: 0, kept: 1) }
    var below = counts[0]
    var best = (bin: below > 0 ? 1 : 0, below: below)
    var distance = abs(Double(below) / Double(total) - target)
    for bin in 1..<Self.binCount - 1 where counts[bin] > 0 {
      below += counts[bin]
      let next = abs(Double(below) / Double(total) - target)
      if next >= distance { break }
      distance = next
      best = (bin + 1, below)
    }
    let weight = weights.reduce(0, +)
    let kept = weights[best.bin...].reduce(0, +)
    return Cut(
      threshold: Self.edge(best.bin), silent: silent, leftOut: Double(best.below) / Double(total),
      kept: weight > 0 ? Double(kept) / Double(weight) : 1)
  }
}
