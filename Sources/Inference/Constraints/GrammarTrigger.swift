/// What makes a grammar hold that does not hold from an answer's beginning.
package enum GrammarTrigger: Sendable, Hashable {
  /// The text behind this mark; where it is repeated, the answer is free again once the grammar's text is complete.
  case mark(String, isRepeated: Bool)
  /// The whole answer, where it begins like this, white space aside.
  case beginning(String)
}

/// Finds a mark in a text that comes in pieces of any size.
struct MarkFinder: Sendable {
  private let mark: [UInt8]
  /// The last bytes, fewer than the mark has.
  private var tail: [UInt8] = []

  init(_ mark: String) { self.mark = Array(mark.utf8) }

  /// Takes a piece.
  ///
  /// - Returns: what stands behind the mark, once it has come.
  mutating func append(_ piece: some Collection<UInt8>) -> ArraySlice<UInt8>? {
    tail += piece
    if let range = tail.firstRange(of: mark) {
      defer { tail = [] }
      return tail[range.upperBound...]
    }
    tail.removeFirst(max(0, tail.count - mark.count + 1))
    return nil
  }
}
