/// Finds a part in texts, in time linear in the length of both: the algorithm of Knuth, Morris and Pratt (1977).
struct PartFinder<Element: Equatable> {
  private let part: [Element]
  /// For each length of a beginning of the part, less one: how many of its last elements are the part's first as well.
  private let borders: [Int]

  init(_ part: [Element]) {
    self.part = part
    var borders = [Int](repeating: 0, count: part.count)
    var matched = 0
    for index in part.indices.dropFirst() {
      while matched > 0, part[index] != part[matched] { matched = borders[matched - 1] }
      if part[index] == part[matched] { matched += 1 }
      borders[index] = matched
    }
    self.borders = borders
  }

  /// Where the part first begins at or after `start`.
  func first(in text: some RandomAccessCollection<Element>, from start: Int) -> Int? {
    guard !part.isEmpty else { return start <= text.count ? start : nil }
    guard start < text.count else { return nil }
    var matched = 0
    for (index, element) in text.dropFirst(start).enumerated() {
      while matched > 0, element != part[matched] { matched = borders[matched - 1] }
      if element == part[matched] { matched += 1 }
      if matched == part.count { return start + index + 1 - matched }
    }
    return nil
  }
}
