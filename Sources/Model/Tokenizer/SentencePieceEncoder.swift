/// Cuts text by merging neighbouring pieces, highest score first (SentencePiece's byte-pair model).
struct SentencePieceEncoder: Sendable {
  /// U+2581, which stands for a space.
  static let space: [UInt8] = [0xe2, 0x96, 0x81]

  private let tokens: ByteStringTable
  /// The merge order of each token: higher scores come first.
  private let order: [UInt32]
  /// The token of each byte, for characters that are no token; nil where the vocabulary has none.
  private let byteTokens: [Int32?]
  private let unknown: Int32?
  /// No token has a space behind another character, so no merge crosses such a place.
  private let wordsAreIndependent: Bool

  /// - Parameters:
  ///   - isOrdinary: Whether text may become this token at all.
  init(vocabulary: Vocabulary, unknown: Int32?, isOrdinary: (Int) -> Bool) {
    var tokens = ByteStringTable(capacity: vocabulary.tokens.count)
    var byteTokens = [Int32?](repeating: nil, count: 256)
    var wordsAreIndependent = true
    for (id, text) in vocabulary.tokens.enumerated() {
      if let byte = Self.byte(spelt: text) {
        byteTokens[Int(byte)] = byteTokens[Int(byte)] ?? Int32(id)
      }
      guard isOrdinary(id), !text.isEmpty else { continue }
      tokens.insert(text, value: Int32(id))
      if Self.hasInnerSpace(text) { wordsAreIndependent = false }
    }
    // A vocabulary without `<0xXX>` may still have the byte as a character.
    for byte in UInt8.min..<0x80 where byteTokens[Int(byte)] == nil {
      byteTokens[Int(byte)] = tokens.value(of: String(Unicode.Scalar(byte)))
    }
    self.tokens = tokens
    self.byteTokens = byteTokens
    self.unknown = unknown
    self.wordsAreIndependent = wordsAreIndependent
    order =
      vocabulary.scores.isEmpty
      ? [UInt32](repeating: 0, count: vocabulary.tokens.count) : vocabulary.scores.map(Self.order)
  }

  /// Appends the tokens of a text whose spaces are U+2581 already.
  func encode(_ text: UnsafeBufferPointer<UInt8>, with merger: inout PairMerger, to output: inout [Int32]) {
    var start = 0
    while start < text.count {
      var end = start
      var previousIsSpace = true
      while end < text.count {
        let isSpace = Self.isSpace(text, end)
        if isSpace, !previousIsSpace, wordsAreIndependent { break }
        if end - start >= PairMerger.longestText, text[end] & 0xc0 != 0x80 || end - start >= PairMerger.longestText + 3
        {
          break
        }
        previousIsSpace = isSpace
        end += isSpace ? 3 : 1
      }
      encodeWord(UnsafeBufferPointer(rebasing: text[start..<end]), with: &merger, to: &output)
      start = end
    }
  }

  private func encodeWord(
    _ word: UnsafeBufferPointer<UInt8>, with merger: inout PairMerger, to output: inout [Int32]
  ) {
    merger.removeAll()
    var start = 0
    while start < word.count {
      let end = start + UTF8Scan.length(word, at: start)
      merger.append(id: 0, range: start..<end)
      start = end
    }
    merger.run(Rule(encoder: self, text: word))
    merger.forEach { symbol in
      let piece = UnsafeBufferPointer(rebasing: word[Int(symbol.start)..<Int(symbol.end)])
      if let token = tokens.value(of: piece) {
        output.append(token)
        return
      }
      let bytes = piece.map { byteTokens[Int($0)] }
      if bytes.contains(nil) {
        if let unknown { output.append(unknown) }
      } else {
        output.append(contentsOf: bytes.compactMap { $0 })
      }
    }
  }

  private struct Rule: MergeRule {
    let encoder: SentencePieceEncoder
    let text: UnsafeBufferPointer<UInt8>

    @inline(__always)
    func merge(left: Int32, right: Int32, range: Range<Int>) -> (order: UInt32, symbol: Int32)? {
      guard let token = encoder.tokens.value(of: UnsafeBufferPointer(rebasing: text[range])) else { return nil }
      return (encoder.order[Int(token)], token)
    }
  }

  /// Maps scores to integers that sort the other way round; never ``PairMerger/noMerge``.
  private static func order(of score: Float) -> UInt32 {
    guard !score.isNaN else { return PairMerger.noMerge - 1 }
    let bits = (score + 0).bitPattern  // adding 0 makes -0 equal to 0
    let ascending = bits & 0x8000_0000 != 0 ? ~bits : bits | 0x8000_0000
    return min(~ascending, PairMerger.noMerge - 1)
  }

  /// The byte that a token like `<0x0A>` stands for.
  static func byte(spelt text: String) -> UInt8? {
    guard text.utf8.count == 6, text.hasPrefix("<0x"), text.hasSuffix(">") else { return nil }
    let digits = text.utf8.dropFirst(3).dropLast()
    guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
    return UInt8(text.dropFirst(3).dropLast(), radix: 16)
  }

  private static func hasInnerSpace(_ text: String) -> Bool {
    var previous: Unicode.Scalar = "\u{2581}"
    for scalar in text.unicodeScalars {
      if scalar == "\u{2581}", previous != "\u{2581}" { return true }
      previous = scalar
    }
    return false
  }

  @inline(__always)
  private static func isSpace(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
    text[index] == 0xe2 && index + 2 < text.count && text[index + 1] == 0x96 && text[index + 2] == 0x81
  }
}
