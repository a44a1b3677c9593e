import Foundation

/// One position's logits as a distribution: what its log-softmax needs, in double precision.
///
/// The logits are read in place and must outlive this.
struct LogitRow {
  /// [vocabulary]
  let logits: UnsafeBufferPointer<Float>
  /// The greatest logit.
  let greatest: Float
  /// log Σ exp(logit): a logit minus this is the log of its token's probability. NaN or infinite where a logit is NaN
  /// or +∞, or all are -∞.
  let logSumExp: Double

  /// - Parameter logits: at least one.
  init(_ logits: UnsafeBufferPointer<Float>) {
    self.logits = logits
    greatest = Self.greatest(of: logits)
    guard greatest.isFinite else {
      logSumExp = Double(greatest)
      return
    }
    logSumExp = Double(greatest) + log(Self.sumOfExponentials(logits, minus: Double(greatest)))
  }

  /// The token with the greatest logit; of equals the first.
  var top: Int32 {
    Int32(truncatingIfNeeded: logits.firstIndex(of: greatest) ?? 0)
  }

  /// The natural logarithm of a token's probability.
  func logProbability(of token: Int32) -> Double {
    Double(logits[Int(token)]) - logSumExp
  }

  private static func greatest(of logits: UnsafeBufferPointer<Float>) -> Float {
    guard let start = logits.baseAddress else { return .nan }
    let whole = logits.count / 16 * 16
    var best = SIMD16<Float>(repeating: -.infinity)
    for index in stride(from: 0, to: whole, by: 16) {
      let values = UnsafeRawPointer(start + index).loadUnaligned(as: SIMD16<Float>.self)
      best.replace(with: values, where: values .> best)
    }
    // A NaN is greater than nothing; it shows in the sum.
    return logits[whole...].reduce(best.max()) { $1 > $0 ? $1 : $0 }
  }

  private static func sumOfExponentials(_ logits: UnsafeBufferPointer<Float>, minus greatest: Double) -> Double {
    guard let start = logits.baseAddress else { return .nan }
    let whole = logits.count / 8 * 8
    var sums = SIMD8<Double>(repeating: 0)
    for index in stride(from: 0, to: whole, by: 8) {
      sums += exponential(ofNonPositive: SIMD8(loading: start + index) - greatest)
    }
    let rest = SIMD8(loading: start + whole, count: logits.count - whole, padding: -.infinity)
    sums += exponential(ofNonPositive: rest - greatest)
    return sums.sum()
  }
}
