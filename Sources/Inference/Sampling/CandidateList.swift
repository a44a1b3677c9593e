import Foundation

/// The candidates that are left, at the front of a buffer, and the filters that shorten it. Never empties it.
struct CandidateList {
  private let all: UnsafeMutableBufferPointer<Candidate>
  private(set) var count: Int
  /// Whether the likelier stand before the less likely.
  private var sorted: Bool

  /// - Parameter all: at least one candidate, all logits finite.
  init(_ all: UnsafeMutableBufferPointer<Candidate>, sorted: Bool) {
    self.all = all
    count = all.count
    self.sorted = sorted
  }

  private var list: UnsafeMutableBufferPointer<Candidate> {
    UnsafeMutableBufferPointer(rebasing: all[..<count])
  }

  private var greatestLogit: Float {
    if sorted { return all[0].logit }
    return list.reduce(-Float.infinity) { max($0, $1.logit) }
  }

  /// Locally typical sampling (Meister et al., 2022): keeps the tokens whose surprise, -log p, lies nearest to the
  /// entropy, up to the first that takes the sum of probabilities over `mass`.
  mutating func keepTypical(_ mass: Float) {
    softmax(temperature: 1)
    let entropy = list.reduce(0.0) { sum, candidate in
      let p = Double(candidate.probability)
      return p > 0 ? sum - p * log(p) : sum
    }
    for index in 0..<count {
      all[index].key = -Float(abs(-log(Double(all[index].probability)) - entropy))
    }
    list.partialSort(count)
    count = prefix(of: count) { $0 > Double(mass) } ?? count
    for index in 0..<count { all[index].key = all[index].logit }
    sorted = false
  }

  /// Nucleus sampling (Holtzman et al., 2019): keeps the likeliest tokens up to the first that takes the sum of
  /// probabilities to `mass`.
  mutating func keepTopP(_ mass: Float) {
    softmax(temperature: 1)
    let reaches = { (sum: Double) in sum >= Double(mass) }
    // The nucleus is mostly small: sorting a few is enough, and only where it is not are more sorted.
    var few = 256
    while !sorted {
      list.partialSort(few)
      if let kept = prefix(of: min(few, count), reaching: reaches) {
        count = kept
        sorted = true
        return
      }
      sorted = few >= count
      few *= 16
    }
    count = prefix(of: count, reaching: reaches) ?? count
  }

  /// Min-p (Nguyen et al., 2024): keeps the tokens at least `share` times as likely as the likeliest.
  mutating func keepMinP(_ share: Float) {
    let least = greatestLogit + log(share)
    if sorted {
      count = list.firstIndex { $0.logit < least } ?? count
      return
    }
    var kept = 0
    for index in 0..<count where all[index].logit >= least {
      all[kept] = all[index]
      kept += 1
    }
    count = kept
  }

  /// Divides the logits by the temperature and fills in the final probabilities.
  func normalize(temperature: Float) {
    softmax(temperature: temperature)
  }

  /// Fills in the probabilities of what is left.
  private func softmax(temperature: Float) {
    let greatest = greatestLogit
    var sum = 0.0
    for index in 0..<count {
      // The difference comes first: a logit near the largest number divided by a small temperature is infinite.
      let weight = exp((all[index].logit - greatest) / temperature)
      all[index].probability = weight
      sum += Double(weight)
    }
    let scale = Float(1 / sum)
    for index in 0..<count { all[index].probability *= scale }
  }

  /// How many of the first `limit` candidates it takes for the sum of their probabilities to satisfy the condition.
  private func prefix(of limit: Int, reaching isEnough: (Double) -> Bool) -> Int? {
    var sum = 0.0
    for index in 0..<limit {
      sum += Double(all[index].probability)
      if isEnough(sum) { return index + 1 }
    }
    return nil
  }
}
