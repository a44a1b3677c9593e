/// Cuts text into words and merges the bytes of each by rank (GPT-2's byte-level byte-pair encoding), or its characters where the
/// vocabulary spells those.
struct BytePairEncoder: Sendable {
  private let preTokenizer: PreTokenizer
  private let tokenCount: Int32
  /// Tokens by their raw bytes.
  private let tokens: ByteStringTable
  /// The symbol of each single byte. Symbols below `tokenCount` are tokens; the others only occur in merges. In a vocabulary of
  /// characters, the tokens `<0xXX>`.
  private let byteSymbols: [Int32]
  private let merges: MergeTable

  /// Each merge may name three symbols of its own; with them and fewer than `Int32.max / 2` tokens, numbers fit 32 bits.
  static let mostMerges = Int(Int32.max) / 8

  var spelling: PreTokenizer.Spelling { preTokenizer.spelling }

  /// - Parameters:
  ///   - isOrdinary: Whether text may become this token at all.
  init(vocabulary: Vocabulary, isOrdinary: (Int) -> Bool) throws(VocabularyError) {
    preTokenizer = try PreTokenizer(named: vocabulary.preTokenizer)
    guard !vocabulary.merges.isEmpty else { throw .noMerges }
    guard vocabulary.merges.count <= Self.mostMerges else { throw .tooManyMerges(vocabulary.merges.count) }
    tokenCount = Int32(vocabulary.tokens.count)

    let spellsBytes = preTokenizer.spelling == .bytes
    var symbols = Symbols(capacity: vocabulary.tokens.count + 256, spellsBytes: spellsBytes)
    var bytes: [UInt8] = []
    for (id, text) in vocabulary.tokens.enumerated() where !text.isEmpty {
      var text = text
      guard text.withUTF8({ symbols.read($0[...], into: &bytes) }) else { continue }
      symbols.table.insert(bytes, value: isOrdinary(id) ? Int32(id) : Symbols.forbidden)
    }
    tokens = symbols.table

    symbols.next = tokenCount
    if spellsBytes {
      byteSymbols = (UInt8.min...UInt8.max).map { byte in
        let symbol = symbols.id(of: [byte])
        return symbol == Symbols.forbidden ? symbols.unnamed() : symbol
      }
    } else {
      var byteSymbols = [Int32](repeating: Symbols.none, count: 256)
      for (id, text) in vocabulary.tokens.enumerated() {
        if let byte = SentencePieceEncoder.byte(spelt: text) { byteSymbols[Int(byte)] = Int32(id) }
      }
      self.byteSymbols = byteSymbols
    }

    var merges = MergeTable(capacity: vocabulary.merges.count)
    for (rank, merge) in vocabulary.merges.enumerated() {
      var merge = merge
      guard let pair = merge.withUTF8({ symbols.pair(in: $0) }) else { continue }
      merges.insert(left: pair.left, right: pair.right, rank: UInt32(rank), merged: pair.merged)
    }
    self.merges = merges
  }

  /// Appends the tokens of a text in valid UTF-8. A byte that the vocabulary lacks leaves nothing.
  func encode(
    _ text: UnsafeBufferPointer<UInt8>, with merger: inout PairMerger, scratch: inout ScalarText,
    to output: inout [Int32]
  ) {
    var start = 0
    while start < text.count {
      var end = min(text.count, start + PairMerger.longestText)
      while end < text.count, text[end] & 0xc0 == 0x80 { end -= 1 }
      let part = UnsafeBufferPointer(rebasing: text[start..<end])
      scratch.read(part)
      var wordStart = 0
      for wordEnd in preTokenizer.wordEnds(in: scratch) {
        let range = scratch.bytes(of: wordStart..<wordEnd)
        encodeWord(UnsafeBufferPointer(rebasing: part[range]), with: &merger, to: &output)
        wordStart = wordEnd
      }
      start = end
    }
  }

  private func encodeWord(
    _ word: UnsafeBufferPointer<UInt8>, with merger: inout PairMerger, to output: inout [Int32]
  ) {
    let staysWhole = preTokenizer.ignoresMerges || preTokenizer.ignoresLineMerges && word.allSatisfy { $0 == 0x0a }
    if staysWhole, let token = tokens.value(of: word), token != Symbols.forbidden {
      output.append(token)
      return
    }
    merger.removeAll()
    if spelling == .bytes {
      for (index, byte) in word.enumerated() {
        merger.append(id: byteSymbols[Int(byte)], range: index..<index + 1)
      }
    } else {
      var start = 0
      while start < word.count {
        let end = start + UTF8Scan.length(word, at: start)
        let symbol = tokens.value(of: UnsafeBufferPointer(rebasing: word[start..<end])) ?? Symbols.none
        merger.append(id: symbol == Symbols.forbidden ? Symbols.none : symbol, range: start..<end)
        start = end
      }
    }
    merger.run(merges)
    merger.forEach { symbol in
      if symbol.id < tokenCount {
        output.append(symbol.id)
        return
      }
      for byte in word[Int(symbol.start)..<Int(symbol.end)] where byteSymbols[Int(byte)] < tokenCount {
        output.append(byteSymbols[Int(byte)])
      }
    }
  }

  /// Numbers the byte strings that merges speak of: tokens by their id, others from `next` on.
  private struct Symbols {
    /// The value of tokens that merges must not make.
    static let forbidden: Int32 = -1
    /// What is no symbol at all: neither a token nor part of a merge.
    static let none = Int32.max

    var table: ByteStringTable
    var next: Int32 = 0

    /// Reused from merge to merge.
    private var whole: [UInt8] = []
    private var part: [UInt8] = []

    private let spellsBytes: Bool

    init(capacity: Int, spellsBytes: Bool) {
      table = ByteStringTable(capacity: capacity)
      self.spellsBytes = spellsBytes
    }

    /// The bytes that a spelling stands for, in place of what `output` held.
    ///
    /// - Returns: false where it is misspelt.
    func read(_ text: Slice<UnsafeBufferPointer<UInt8>>, into output: inout [UInt8]) -> Bool {
      if spellsBytes { return ByteAlphabet.decode(text, into: &output) }
      output.removeAll(keepingCapacity: true)
      output.append(contentsOf: text)
      return true
    }

    mutating func id(of bytes: [UInt8]) -> Int32 {
      let id = table.insert(bytes, value: next)
      if id == next { next += 1 }
      return id
    }

    /// The symbols of a merge spelt `left right`; nil where it is misspelt or must not happen.
    mutating func pair(in merge: UnsafeBufferPointer<UInt8>) -> (left: Int32, right: Int32, merged: Int32)? {
      guard let gap = merge.dropFirst().firstIndex(of: 0x20), gap + 1 < merge.count,
        read(merge[..<gap], into: &whole)
      else { return nil }
      let left = id(of: whole)
      guard read(merge[(gap + 1)...], into: &part) else { return nil }
      let right = id(of: part)
      whole.append(contentsOf: part)
      let merged = id(of: whole)
      let isAllowed = left != Self.forbidden && right != Self.forbidden && merged != Self.forbidden
      return isAllowed ? (left, right, merged) : nil
    }

    /// A symbol that no byte string leads to, so that nothing merges with it.
    mutating func unnamed() -> Int32 {
      defer { next += 1 }
      return next
    }
  }
}

/// The rank and the result of each mergeable pair, in a hash table with open addressing.
private struct MergeTable: MergeRule, Sendable {
  private struct Entry {
    var pair: UInt64
    var rank: UInt32
    var merged: Int32
  }

  private static let empty = UInt64.max
  private var entries: [Entry]
  private let mask: Int

  init(capacity: Int) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    entries = [Entry](repeating: Entry(pair: Self.empty, rank: 0, merged: 0), count: size)
    mask = size - 1
  }

  /// Stores a merge unless the pair is known already; at most `capacity` calls.
  mutating func insert(left: Int32, right: Int32, rank: UInt32, merged: Int32) {
    let pair = Self.pair(left, right)
    let slot = slot(for: pair)
    if entries[slot].pair == Self.empty { entries[slot] = Entry(pair: pair, rank: rank, merged: merged) }
  }

  @inline(__always)
  func merge(left: Int32, right: Int32, range: Range<Int>) -> (order: UInt32, symbol: Int32)? {
    let pair = Self.pair(left, right)
    let entry = entries[slot(for: pair)]
    return entry.pair == pair ? (entry.rank, entry.merged) : nil
  }

  @inline(__always)
  private func slot(for pair: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: (pair &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask
    while entries[slot].pair != pair, entries[slot].pair != Self.empty { slot = (slot + 1) & mask }
    return slot
  }

  @inline(__always)
  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }
}
