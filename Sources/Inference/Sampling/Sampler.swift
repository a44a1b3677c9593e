import Foundation

/// Chooses the next token from the logits, by llama.cpp's chain of steps in llama.cpp's order:
/// logit bias, penalties, top-k, typical, top-p, min-p, temperature, draw.
///
/// - A logit that is not a number counts as minus infinity; such tokens are never chosen. Plus infinity counts as the
///   greatest finite number.
/// - Equal logits stand in the order of their ids, so a result depends on nothing but logits, options, history and seed.
/// - Greedy (temperature 0 or less) takes the likeliest token after bias and penalties; the filters and the random
///   numbers are not touched.
/// - After the first call for a vocabulary nothing is allocated.
public struct Sampler {
  /// How tokens are chosen.
  public let options: SamplingOptions
  /// The seed in use: the option's, or the one taken from the system.
  public let seed: UInt64

  private var random: SplitMix64
  private var history: TokenHistory
  private var forbidden: [Int32] = []
  private var adjusted: [Float] = []  // [vocabulary] the logits after bias and penalties
  private var candidates: [Candidate] = []

  /// - Throws: `SamplingError.invalidOption` for a value out of its range.
  public init(_ options: SamplingOptions) throws(SamplingError) {
    try options.validate()
    self.options = options
    seed = options.seed ?? UInt64.random(in: 0...UInt64(UInt32.max))
    random = SplitMix64(seed: seed)
    history = TokenHistory(limit: options.penalizes ? (options.repeatLastN < 0 ? nil : options.repeatLastN) : 0)
  }

  /// Tells the penalties of a token of the prompt or of the answer.
  public mutating func accept(_ token: Int32) {
    history.append(token)
  }

  /// Forgets the accepted tokens, for a new text; the random numbers go on.
  public mutating func forgetHistory() {
    history.removeAll()
  }

  /// Tokens never to be chosen, as if their logit bias were minus infinity; replaces an earlier list.
  public mutating func forbid(_ tokens: [Int32]) {
    forbidden = tokens
  }

  /// The next token. The caller passes it to `accept(_:)` if it becomes part of the text.
  ///
  /// - Parameter logits: [vocabulary]
  /// - Throws: `SamplingError` where there is nothing to choose from or a bias names no token.
  public mutating func sample(_ logits: UnsafeBufferPointer<Float>) throws(SamplingError) -> Int32 {
    guard changesLogits else { return try choose(from: logits) }
    try adjust(logits)
    return try chooseFromAdjusted()
  }

  /// The same among the tokens that a constraint allows.
  ///
  /// - Throws: `SamplingError`; `GrammarError` where the grammar becomes too large.
  mutating func sample(_ logits: UnsafeBufferPointer<Float>, allowed: AllowedTokens?) throws -> Int32 {
    guard let allowed else { return try sample(logits) }
    try adjust(logits)
    try keep(allowed)
    return try chooseFromAdjusted()
  }

  /// Whether anything is added to logits, or forbidden, before a token is chosen.
  private var changesLogits: Bool { options.penalizes || !options.logitBias.isEmpty || !forbidden.isEmpty }

  private mutating func chooseFromAdjusted() throws(SamplingError) -> Int32 {
    // Held beside the sampler, which changes meanwhile.
    let adjusted = adjusted
    return try adjusted.withUnsafeBufferPointer { (logits) throws(SamplingError) in try choose(from: logits) }
  }

  private mutating func choose(from logits: UnsafeBufferPointer<Float>) throws(SamplingError) -> Int32 {
    guard !logits.isEmpty else { throw .noLogits }
    if options.temperature <= 0 {
      guard let best = logits.firstGreatest() else { throw .noCandidate(vocabularySize: logits.count) }
      return Int32(truncatingIfNeeded: best)
    }
    try filter(logits)
    return draw()
  }

  /// The tokens that the chain leaves and their probabilities, likeliest first; a greedy sampler leaves one.
  ///
  /// - Parameter logits: [vocabulary]
  /// - Throws: as `sample(_:)`.
  public mutating func distribution(_ logits: UnsafeBufferPointer<Float>) throws(SamplingError) -> [Candidate] {
    try adjust(logits)
    if options.temperature <= 0 {
      guard let best = likeliest() else { throw .noCandidate(vocabularySize: logits.count) }
      return [Candidate(token: best, logit: adjusted[Int(best)], probability: 1)]
    }
    let adjusted = adjusted
    try adjusted.withUnsafeBufferPointer { (logits) throws(SamplingError) in try filter(logits) }
    candidates.withUnsafeMutableBufferPointer { $0.partialSort($0.count) }
    return candidates
  }

  // MARK: - Steps

  /// Takes away what is not allowed, as far as it could be chosen.
  private mutating func keep(_ allowed: AllowedTokens) throws {
    let wanted = options.temperature <= 0 ? 1 : options.topK
    if let mask = allowed.knownMask {
      adjusted.withUnsafeMutableBufferPointer { mask.apply(to: $0) }
      return
    }
    if (1...Self.mostAsked / 4).contains(wanted), try keep(wanted, of: allowed) { return }
    let mask = try allowed.mask()
    adjusted.withUnsafeMutableBufferPointer { mask.apply(to: $0) }
  }

  /// Tokens about which a constraint is asked one by one; beyond, a mask is cheaper.
  private static let mostAsked = 512

  /// Asks about the likeliest tokens alone, and takes away those that are not allowed.
  ///
  /// - Returns: whether enough are left that no other could be chosen.
  private mutating func keep(_ wanted: Int, of allowed: AllowedTokens) throws -> Bool {
    if wanted == 1 {
      for _ in 0..<8 {
        guard let best = likeliest() else { return true }
        if try allowed.contains(best) { return true }
        adjusted[Int(best)] = -.infinity
      }
      return false
    }
    do {
      // Held beside the sampler, which changes meanwhile.
      let adjusted = adjusted
      adjusted.withUnsafeBufferPointer { gather(min(4 * wanted, $0.count), of: $0) }
    }
    var left = 0
    for candidate in candidates {
      if try allowed.contains(candidate.token) {
        left += 1
      } else {
        adjusted[Int(candidate.token)] = -.infinity
      }
    }
    return left >= wanted
  }

  /// Copies the logits and applies bias, forbidden tokens and penalties.
  private mutating func adjust(_ logits: UnsafeBufferPointer<Float>) throws(SamplingError) {
    guard !logits.isEmpty else { throw .noLogits }
    if adjusted.count != logits.count { adjusted = Array(repeating: 0, count: logits.count) }
    adjusted.withUnsafeMutableBufferPointer { _ = $0.update(fromContentsOf: logits) }
    for (token, bias) in options.logitBias {
      guard Int(token) < adjusted.count else {
        throw .biasOutsideVocabulary(token: token, vocabularySize: adjusted.count)
      }
      adjusted[Int(token)] += bias
    }
    for token in forbidden where token >= 0 && Int(token) < adjusted.count {
      adjusted[Int(token)] = -.infinity
    }
    for token in history.distinct where Int(token) < adjusted.count {
      var logit = adjusted[Int(token)]
      // Keskar et al., "CTRL" (2019), divide; for a negative logit that would make the token likelier, so multiply.
      logit = logit > 0 ? logit / options.repeatPenalty : logit * options.repeatPenalty
      logit -= Float(history.count(of: token)) * options.frequencyPenalty + options.presencePenalty
      adjusted[Int(token)] = logit
    }
  }

  /// The first of the greatest logits.
  private func likeliest() -> Int32? {
    adjusted.withUnsafeBufferPointer { $0.firstGreatest() }.map { Int32(truncatingIfNeeded: $0) }
  }

  /// Leaves in `candidates` what the chain keeps, with probabilities after temperature.
  private mutating func filter(_ logits: UnsafeBufferPointer<Float>) throws(SamplingError) {
    let options = options
    let wanted = options.topK > 0 ? min(options.topK, logits.count) : logits.count
    gather(wanted, of: logits)
    guard !candidates.isEmpty else { throw .noCandidate(vocabularySize: logits.count) }
    let left = candidates.withUnsafeMutableBufferPointer { all -> Int in
      var list = CandidateList(all, sorted: options.topK > 0)
      if options.typicalP < 1 { list.keepTypical(options.typicalP) }
      if options.topP < 1 { list.keepTopP(options.topP) }
      if options.minP > 0 { list.keepMinP(options.minP) }
      list.normalize(temperature: options.temperature)
      return list.count
    }
    candidates.removeLast(candidates.count - left)
  }

  /// Puts the `wanted` likeliest tokens into `candidates`, in order if that leaves any out.
  private mutating func gather(_ wanted: Int, of logits: UnsafeBufferPointer<Float>) {
    candidates.removeAll(keepingCapacity: true)
    candidates.reserveCapacity(wanted)
    let sorted = options.topK > 0
    var index = 0
    while index < logits.count, candidates.count < wanted {
      let logit = logits[index]
      if logit > -.infinity {
        candidates.append(
          Candidate(token: Int32(truncatingIfNeeded: index), logit: min(logit, .greatestFiniteMagnitude)))
      }
      index += 1
    }
    guard sorted else { return }
    let remaining = UnsafeBufferPointer(rebasing: logits[index...])
    candidates.withUnsafeMutableBufferPointer { $0.takeBest(of: remaining, firstToken: index) }
  }

  /// One token at random, each with its probability.
  private mutating func draw() -> Int32 {
    let target = random.nextFraction()
    var sum = 0.0
    for candidate in candidates {
      sum += Double(candidate.probability)
      if target < sum { return candidate.token }
    }
    // The probabilities may sum to a little less than 1; the last is never empty of candidates.
    return candidates[candidates.count - 1].token
  }
}
