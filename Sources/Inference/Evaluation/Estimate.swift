import Foundation

/// A value measured on a sample, and how far it may be off.
public struct Estimate: Sendable, Equatable, Encodable {
  /// The best guess.
  public var value: Double
  /// The standard error; nil where the sample is too small to have one.
  public var error: Double?

  /// A value with its standard error.
  public init(_ value: Double, error: Double?) {
    self.value = value
    self.error = error
  }

  /// e to the power of an estimate, its error by the first derivative.
  static func exponential(of logarithm: Estimate) -> Estimate {
    let value = exp(logarithm.value)
    return Estimate(value, error: logarithm.error.map { $0 * value })
  }

  /// The square root of an estimate that is not negative, its error by the first derivative.
  static func squareRoot(of square: Estimate) -> Estimate {
    let value = square.value.squareRoot()
    return Estimate(value, error: square.error.map { value > 0 ? $0 / (2 * value) : 0 })
  }

  /// How often something happened, with the standard error of a binomial proportion.
  static func share(_ count: Int, of total: Int) -> Estimate {
    let share = total > 0 ? Double(count) / Double(total) : .nan
    return Estimate(share, error: total > 1 ? (share * (1 - share) / Double(total - 1)).squareRoot() : nil)
  }
}

/// Mean and standard error of numbers that come one by one, by Welford's update, which loses no digits to a large mean.
/// Once one of them is infinite or NaN, so is the mean, and there is no error.
struct RunningMean {
  private var count = 0
  private var mean = 0.0
  /// Σ (x - mean)²
  private var squares = 0.0
  /// The sum of those that are infinite or NaN.
  private var excess = 0.0

  mutating func add(_ x: Double) {
    guard x.isFinite else {
      excess += x
      return
    }
    count += 1
    let before = x - mean
    mean += before / Double(count)
    squares += before * (x - mean)
  }

  /// The mean, and √(Σ (x - mean)² / n / (n - 1)); a mean of no numbers is NaN.
  var estimate: Estimate {
    if excess != 0 { return Estimate(excess, error: nil) }
    return Estimate(
      count > 0 ? mean : .nan, error: count > 1 ? variance.squareRoot() / Double(count).squareRoot() : nil)
  }

  /// The variance of the sample, with n - 1; NaN for fewer than two numbers.
  var variance: Double { count > 1 && excess == 0 ? squares / Double(count - 1) : .nan }
}

/// Numbers in ascending order, asked for quantiles.
struct Quantiles {
  private let sorted: [Double]

  /// - Parameter values: at least one.
  init(_ values: [Double]) { sorted = values.sorted() }

  /// The value below which a share of the numbers lies, interpolated between the two around it.
  func callAsFunction(_ fraction: Double) -> Double {
    guard let last = sorted.last else { return .nan }
    let place = fraction * Double(sorted.count - 1)
    let index = Int(place)
    guard index + 1 < sorted.count else { return last }
    // Not by difference, which of two infinities is not a number.
    let upper = place - Double(index)
    return upper == 0 ? sorted[index] : (1 - upper) * sorted[index] + upper * sorted[index + 1]
  }
}
