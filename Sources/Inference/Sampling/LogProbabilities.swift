import Foundation

/// A token with the logarithm of its probability: the natural one, by the model's own logits, before bias, penalties and temperature.
public struct TokenLogProbability: Sendable, Equatable, Codable {
  /// Its id.
  public var token: Int32
  /// 0 is certain, minus infinity impossible.
  public var logProbability: Double

  public init(token: Int32, logProbability: Double) {
    self.token = token
    self.logProbability = logProbability
  }
}

/// A chosen token beside the likeliest ones.
public struct TokenChoice: Sendable, Equatable, Codable {
  /// What was chosen.
  public var chosen: TokenLogProbability
  /// The likeliest tokens, likeliest first, equal ones by id.
  public var likeliest: [TokenLogProbability]

  public init(chosen: TokenLogProbability, likeliest: [TokenLogProbability]) {
    self.chosen = chosen
    self.likeliest = likeliest
  }

  /// - Parameters:
  ///   - token: what was chosen from `logits`.
  ///   - logits: [vocabulary]; what is not a number counts as minus infinity.
  ///   - count: how many of the likeliest to list.
  init(of token: Int32, from logits: UnsafeBufferPointer<Float>, count: Int) {
    func clamped(_ logit: Float) -> Double { logit.isNaN ? -.infinity : Double(min(logit, .greatestFiniteMagnitude)) }
    var best: [Candidate] = []
    best.reserveCapacity(count)
    var index = 0
    while index < logits.count, best.count < count {
      if logits[index] > -.infinity {
        let logit = min(logits[index], .greatestFiniteMagnitude)
        best.append(Candidate(token: Int32(truncatingIfNeeded: index), logit: logit))
      }
      index += 1
    }
    best.withUnsafeMutableBufferPointer { list in
      list.partialSort(list.count)
      list.takeBest(of: UnsafeBufferPointer(rebasing: logits[index...]), firstToken: index)
    }
    let greatest = logits.reduce(-Double.infinity) { max($0, clamped($1)) }
    let sum = logits.reduce(0.0) { $0 + exp(clamped($1) - greatest) }
    let logSum = greatest.isFinite ? greatest + log(sum) : 0
    chosen = TokenLogProbability(
      token: token,
      logProbability: logits.indices.contains(Int(token)) ? clamped(logits[Int(token)]) - logSum : -.infinity)
    likeliest = best.map { TokenLogProbability(token: $0.token, logProbability: Double($0.logit) - logSum) }
  }
}
