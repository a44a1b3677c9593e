import PowerInferJinja

/// Finds the tokens that are matched in the text itself, before it is cut into ordinary tokens.
struct SpecialTokenFinder: Sendable {
  struct Entry: Sendable {
    var id: Int32
    var text: [UInt8]
    /// Found only where the caller lets control tokens count.
    var isControl: Bool
    var stripsLeft: Bool
    var stripsRight: Bool
  }

  /// Where the spelling of a control token is one.
  enum ControlTokens {
    case nowhere
    case everywhere
    /// Where all of its bytes are trusted.
    case trusted(in: RenderedText)

    func count(_ range: Range<Int>) -> Bool {
      switch self {
      case .nowhere: false
      case .everywhere: true
      case .trusted(let text): text.isTrusted(range)
      }
    }
  }

  enum Fragment: Equatable {
    case token(Int32)
    case text(Range<Int>)
  }

  /// In byte order of their texts, so that one binary search per byte narrows down the candidates.
  private let entries: [Entry]
  /// The place of each entry in the order of precedence: longest first, lowest id among equals.
  private let precedence: [Int]
  private let startsAnEntry: [Bool]

  init(_ specials: [Entry]) {
    let entries = specials.filter { !$0.text.isEmpty }.sorted { $0.text.lexicographicallyPrecedes($1.text) }
    let byPrecedence = entries.indices.sorted {
      (entries[$1].text.count, entries[$0].id) < (entries[$0].text.count, entries[$1].id)
    }
    var precedence = [Int](repeating: 0, count: entries.count)
    for (place, index) in byPrecedence.enumerated() { precedence[index] = place }
    var startsAnEntry = [Bool](repeating: false, count: 256)
    for entry in entries { startsAnEntry[Int(entry.text[0])] = true }
    self.entries = entries
    self.precedence = precedence
    self.startsAnEntry = startsAnEntry
  }

  /// Cuts a text at its special tokens.
  ///
  /// Where occurrences overlap the longest token wins, wherever it stands; among those of one token, the leftmost.
  func fragments(of text: UnsafeBufferPointer<UInt8>, control: ControlTokens) -> [Fragment] {
    guard !text.isEmpty else { return [] }
    var matches: [(place: Int, start: Int, entry: Int)] = []
    for start in 0..<text.count where startsAnEntry[Int(text[start])] {
      forEachMatch(in: text, at: start) { entry in
        if !entries[entry].isControl || control.count(start..<start + entries[entry].text.count) {
          matches.append((precedence[entry], start, entry))
        }
      }
    }
    guard !matches.isEmpty else { return [.text(0..<text.count)] }
    matches.sort { ($0.place, $0.start) < ($1.place, $1.start) }

    var taken = [Bool](repeating: false, count: text.count)
    var accepted: [(start: Int, entry: Int, skipped: Range<Int>)] = []
    for match in matches {
      let entry = entries[match.entry]
      let end = match.start + entry.text.count
      // Everything taken so far is at least as long, so an overlap shows at one of the ends.
      if taken[match.start] || taken[end - 1] { continue }
      var from = match.start
      var to = end
      if entry.stripsLeft {
        while from > 0, !taken[from - 1], Self.isSpace(text[from - 1]) { from -= 1 }
      }
      if entry.stripsRight {
        while to < text.count, !taken[to], Self.isSpace(text[to]) { to += 1 }
      }
      for index in from..<to { taken[index] = true }
      accepted.append((match.start, match.entry, from..<to))
    }
    accepted.sort { $0.start < $1.start }

    var fragments: [Fragment] = []
    var position = 0
    for match in accepted {
      if match.skipped.lowerBound > position { fragments.append(.text(position..<match.skipped.lowerBound)) }
      fragments.append(.token(entries[match.entry].id))
      position = match.skipped.upperBound
    }
    if position < text.count { fragments.append(.text(position..<text.count)) }
    return fragments
  }

  /// Calls `body` with the index of each entry whose text stands at `start`.
  private func forEachMatch(in text: UnsafeBufferPointer<UInt8>, at start: Int, _ body: (Int) -> Void) {
    var low = 0
    var high = entries.count
    var depth = 0
    while start + depth < text.count {
      let byte = text[start + depth]
      low = firstEntry(in: low..<high, at: depth) { $0 >= byte }
      high = firstEntry(in: low..<high, at: depth) { $0 > byte }
      guard low < high else { return }
      depth += 1
      // Entries that end here come first among those that share this prefix.
      while low < high, entries[low].text.count == depth {
        body(low)
        low += 1
      }
    }
  }

  /// The first of some entries whose byte at `depth` satisfies a condition that holds from there on.
  private func firstEntry(in range: Range<Int>, at depth: Int, where condition: (UInt8) -> Bool) -> Int {
    var low = range.lowerBound
    var high = range.upperBound
    while low < high {
      let middle = (low + high) / 2
      if condition(entries[middle].text[depth]) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0d).contains(byte)
  }
}
