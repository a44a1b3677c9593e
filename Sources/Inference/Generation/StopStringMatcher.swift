/// Finds stop strings in text that comes in pieces, and holds back what may be the start of one.
///
/// Works on UTF-8 bytes: a stop string may end inside what Swift sees as one character ("\n" in "\r\n"). Both texts are
/// whole sequences of Unicode scalars, so a match, and what may become one, starts at a scalar, and what is given out is
/// always valid. Of several stop strings the one that is complete first ends the text, whatever the pieces were.
struct StopStringMatcher {
  /// What a piece of text led to.
  struct Step: Equatable {
    /// Text that cannot be part of a stop string.
    var text: String
    /// The stop string that ends the text.
    var stop: String?
  }

  private let stops: [(text: String, bytes: [UInt8])]
  private let longest: Int
  private var held: [UInt8] = []

  /// - Parameter stops: none empty.
  init(_ stops: [String]) {
    self.stops = stops.map { ($0, Array($0.utf8)) }
    longest = self.stops.map(\.bytes.count).max() ?? 0
  }

  /// Takes the next piece of text.
  mutating func append(_ piece: String) -> Step {
    if stops.isEmpty { return Step(text: piece) }
    let searched = held.count
    held.append(contentsOf: piece.utf8)
    for end in searched..<held.count {
      if let stop = stop(endingAt: end + 1) {
        let text = String(decoding: held[..<(end + 1 - stop.bytes.count)], as: UTF8.self)
        held.removeAll()
        return Step(text: text, stop: stop.text)
      }
    }
    let free = held.count - heldBackCount()
    let text = String(decoding: held[..<free], as: UTF8.self)
    held.removeFirst(free)
    return Step(text: text)
  }

  /// Gives out what was held back, once no more text comes.
  mutating func finish() -> String {
    defer { held.removeAll() }
    return String(decoding: held, as: UTF8.self)
  }

  /// The longest stop string whose last byte stands before `end`.
  private func stop(endingAt end: Int) -> (text: String, bytes: [UInt8])? {
    stops.filter { held[..<end].hasSuffix($0.bytes) }.max { $0.bytes.count < $1.bytes.count }
  }

  /// How many of the last bytes are the start of a stop string.
  private func heldBackCount() -> Int {
    for count in stride(from: min(longest - 1, held.count), to: 0, by: -1) {
      let tail = held.suffix(count)
      if stops.contains(where: { $0.bytes.starts(with: tail) && $0.bytes.count > count }) { return count }
    }
    return 0
  }
}

extension ArraySlice<UInt8> {
  fileprivate func hasSuffix(_ bytes: [UInt8]) -> Bool {
    count >= bytes.count && suffix(bytes.count).elementsEqual(bytes)
  }
}
