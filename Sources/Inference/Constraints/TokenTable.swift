import PowerInferModel

/// The texts of a vocabulary's tokens, in order, so that those which begin alike are looked at together.
struct TokenTable: Sendable {
  /// Number of tokens, those without a text too.
  let count: Int
  /// Tokens that end an answer.
  let ends: [Int32]
  /// Whether an answer's first token loses the space that its text begins with.
  let stripsSpace: Bool

  /// Tokens with a text, in the order of their bytes.
  private(set) var order: [Int32] = []
  /// The bytes that such a token has in common with the one before it.
  private(set) var shared: [Int] = []
  private var bytes: [UInt8] = []
  private var offsets: [Int]  // [count + 1]

  init(_ tokenizer: Tokenizer, count: Int) {
    self.count = count
    ends = tokenizer.endOfGenerationTokens
    stripsSpace = tokenizer.addsSpacePrefix
    offsets = [0]
    let marks = AnswerMarks.tokens(of: tokenizer)
    for id in 0..<count {
      let id = Int32(id)
      let isMark = marks.contains(id)
      if !tokenizer.isEndOfGeneration(id), isMark || !tokenizer.isControl(id) {
        bytes += tokenizer.bytes(of: id, renderSpecial: isMark)
      }
      offsets.append(bytes.count)
    }
    let (bytes, offsets) = (bytes, offsets)
    order = (0..<Int32(count)).filter { offsets[Int($0) + 1] > offsets[Int($0)] }.sorted { one, other in
      bytes[offsets[Int(one)]..<offsets[Int(one) + 1]].lexicographicallyPrecedes(
        bytes[offsets[Int(other)]..<offsets[Int(other) + 1]])
    }
    shared = [0]
    for (one, next) in zip(order, order.dropFirst()) {
      shared.append(zip(text(of: one), text(of: next)).prefix { $0 == $1 }.count)
    }
  }

  /// Empty for tokens that no constrained text has: control tokens that answers do not show, and numbers that are none.
  func text(of token: Int32) -> ArraySlice<UInt8> {
    token >= 0 && Int(token) < count ? bytes[offsets[Int(token)]..<offsets[Int(token) + 1]] : []
  }
}

/// Which tokens may come next: a bit for each.
struct TokenMask: Sendable, Equatable {
  private(set) var words: [UInt64]

  init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

  /// One with every token.
  init(all count: Int) { words = Array(repeating: .max, count: (count + 63) / 64) }

  mutating func insert(_ token: Int32) {
    guard token >= 0, Int(token) / 64 < words.count else { return }
    words[Int(token) / 64] |= 1 << UInt64(token & 63)
  }

  func contains(_ token: Int32) -> Bool {
    token >= 0 && Int(token) / 64 < words.count && words[Int(token) / 64] >> UInt64(token & 63) & 1 == 1
  }

  /// Sets the logits of all other tokens to minus infinity.
  func apply(to logits: UnsafeMutableBufferPointer<Float>) {
    for (index, word) in words.enumerated() where word != .max {
      let first = index * 64
      if word == 0 {
        logits[first..<min(first + 64, logits.count)].update(repeating: -.infinity)
        continue
      }
      var missing = ~word
      while missing != 0 {
        let token = first + missing.trailingZeroBitCount
        if token < logits.count { logits[token] = -.infinity }
        missing &= missing - 1
      }
    }
    if logits.count > words.count * 64 { logits[(words.count * 64)...].update(repeating: -.infinity) }
  }
}
