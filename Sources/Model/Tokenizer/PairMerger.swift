import HeapModule

/// Says which neighbours may merge, and in which order.
protocol MergeRule {
  /// The merge of two neighbouring symbols, if there is one.
  /// - Parameters:
  ///   - left: The left symbol's id, as given to ``PairMerger`` or made by an earlier merge.
  ///   - right: The right symbol's id.
  ///   - range: The bytes that both cover together.
  /// - Returns: the merge's place in the order (lowest first) and the id of the merged symbol.
  func merge(left: Int32, right: Int32, range: Range<Int>) -> (order: UInt32, symbol: Int32)?
}

/// Merges neighbouring symbols, best pair first and leftmost among equals, until no rule applies.
///
/// The pairs wait in a priority queue, so n symbols take O(n log n) whatever they are. Its buffers are kept
/// from one word to the next.
struct PairMerger {
  struct Symbol {
    var id: Int32
    var start: Int32
    var end: Int32
    /// Indices of the neighbours, -1 at the ends.
    var previous: Int32
    var next: Int32
    /// The order and the result of merging with `next`; `noMerge` where there is no rule or no neighbour.
    var order: UInt32
    var merged: Int32
  }

  /// No vocabulary has this rank, and no score maps to it.
  static let noMerge = UInt32.max

  /// Longer runs of text are cut, so that positions fit 32 bits; no token is anywhere near as long.
  static let longestText = 1 << 28

  private(set) var symbols: [Symbol] = []
  /// Each waiting pair: its order in the high half, the index of its left symbol in the low half.
  private var queue = Heap<UInt64>()

  mutating func removeAll() {
    symbols.removeAll(keepingCapacity: true)
  }

  /// Appends a symbol that covers the next bytes.
  mutating func append(id: Int32, range: Range<Int>) {
    let index = Int32(symbols.count)
    if index > 0 { symbols[Int(index) - 1].next = index }
    symbols.append(
      Symbol(
        id: id, start: Int32(range.lowerBound), end: Int32(range.upperBound), previous: index - 1, next: -1,
        order: Self.noMerge, merged: -1))
  }

  /// Runs all merges. What is left are the symbols reached from index 0 by `next`.
  mutating func run(_ rule: some MergeRule) {
    guard symbols.count > 1 else { return }
    for index in 0..<symbols.count - 1 { consider(index, rule) }
    while let entry = queue.popMin() {
      let left = Int(truncatingIfNeeded: entry & 0xffff_ffff)
      // A pair whose symbols have changed since is outdated; what replaced it waits elsewhere in the queue.
      guard symbols[left].order == UInt32(truncatingIfNeeded: entry >> 32) else { continue }
      let right = Int(symbols[left].next)
      let after = symbols[right].next
      symbols[left].id = symbols[left].merged
      symbols[left].end = symbols[right].end
      symbols[left].next = after
      symbols[right].order = Self.noMerge
      if after >= 0 { symbols[Int(after)].previous = Int32(left) }
      consider(left, rule)
      if symbols[left].previous >= 0 { consider(Int(symbols[left].previous), rule) }
    }
  }

  /// Visits the remaining symbols from left to right.
  func forEach(_ body: (Symbol) -> Void) {
    var index = symbols.isEmpty ? -1 : 0
    while index >= 0 {
      body(symbols[index])
      index = Int(symbols[index].next)
    }
  }

  private mutating func consider(_ left: Int, _ rule: some MergeRule) {
    let symbol = symbols[left]
    guard symbol.next >= 0 else {
      symbols[left].order = Self.noMerge
      return
    }
    let right = symbols[Int(symbol.next)]
    let range = Int(symbol.start)..<Int(right.end)
    guard let merge = rule.merge(left: symbol.id, right: right.id, range: range) else {
      symbols[left].order = Self.noMerge
      return
    }
    symbols[left].order = merge.order
    symbols[left].merged = merge.symbol
    queue.insert(UInt64(merge.order) << 32 | UInt64(left))
  }
}
