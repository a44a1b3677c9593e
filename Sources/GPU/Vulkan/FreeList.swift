/// Which bytes of a block are free. First fit; neighbours that come free grow together again.
struct FreeList {
  /// Free ranges in ascending order; no two touch.
  private(set) var ranges: [Range<Int>]
  let byteCount: Int

  init(byteCount: Int) {
    self.byteCount = byteCount
    ranges = byteCount > 0 ? [0..<byteCount] : []
  }

  var isEmpty: Bool { ranges == [0..<byteCount] }

  /// Takes bytes; nil where no run is long enough.
  ///
  /// - Parameters:
  ///   - size: more than 0.
  ///   - alignment: of the first byte; a power of two.
  mutating func take(_ size: Int, alignment: Int) -> Range<Int>? {
    for (index, range) in ranges.enumerated() {
      let start = (range.lowerBound + alignment - 1) & ~(alignment - 1)
      guard start <= range.upperBound, size <= range.upperBound - start else { continue }
      let taken = start..<(start + size)
      let rest = [range.lowerBound..<taken.lowerBound, taken.upperBound..<range.upperBound].filter { !$0.isEmpty }
      ranges.replaceSubrange(index...index, with: rest)
      return taken
    }
    return nil
  }

  /// Gives back bytes that were taken.
  mutating func give(_ range: Range<Int>) {
    var index = ranges.firstIndex { $0.lowerBound >= range.upperBound } ?? ranges.count
    var joined = range
    if index < ranges.count, ranges[index].lowerBound == joined.upperBound {
      joined = joined.lowerBound..<ranges[index].upperBound
      ranges.remove(at: index)
    }
    if index > 0, ranges[index - 1].upperBound == joined.lowerBound {
      joined = ranges[index - 1].lowerBound..<joined.upperBound
      index -= 1
      ranges.remove(at: index)
    }
    ranges.insert(joined, at: index)
  }
}
