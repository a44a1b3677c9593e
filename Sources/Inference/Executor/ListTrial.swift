/// Finds out for how many rows it is faster that each computes only the neurons on its own list, instead of all rows computing all.
///
/// Both ways give the same bits: a neuron that is computed but not listed gives 0. For each number of rows they take turns, pass by pass,
/// until each has been measured a few times.
final class ListTrial {
  /// Measurements of either way, after one that does not count.
  static let turns = 5
  /// Rows that may have lists.
  static let mostRows = 64

  private struct Record {
    var listed: [UInt64] = []
    var together: [UInt64] = []
    var passes = 0
    /// Whether lists are faster; `nil` until it was measured.
    var pays: Bool?
  }

  private let isOpen: Bool
  private var records = [Record](repeating: Record(), count: mostRows + 1)
  private var rows = 0
  private var isListing = false
  private var total: UInt64 = 0
  /// Whether the current pass wants to know what its layers take.
  private(set) var isMeasuring = false

  init(isOpen: Bool) { self.isOpen = isOpen }

  /// Decides about the next pass: whether its rows take lists.
  func begin(rows count: Int) -> Bool {
    isMeasuring = false
    guard isOpen, count < records.count else { return false }
    if let pays = records[count].pays { return pays }
    (rows, total, isMeasuring) = (count, 0, true)
    isListing = records[count].passes % 2 == 1
    return isListing
  }

  /// The next pass has no choice.
  func pass() { isMeasuring = false }

  /// What a layer of the current pass took.
  func note(nanoseconds: UInt64) { total += nanoseconds }

  /// The pass is done.
  func end() {
    guard isMeasuring else { return }
    isMeasuring = false
    let passes = records[rows].passes
    records[rows].passes += 1
    // The first of either touches weights for the first time.
    if passes < 2 { return }
    if isListing { records[rows].listed.append(total) } else { records[rows].together.append(total) }
    if records[rows].listed.count == Self.turns {
      func median(_ times: [UInt64]) -> UInt64 { times.sorted()[times.count / 2] }
      records[rows].pays = median(records[rows].listed) < median(records[rows].together)
    }
  }
}
