/// Finds out for how many rows at once it pays to unite their lists of neurons.
///
/// Both ways give the same bits. For each number of tokens they take turns, pass by pass, until each has been measured a few times.
final class UnionTrial {
  /// Measurements of either way, after one that does not count.
  static let turns = 5

  private struct Record {
    var united: [UInt64] = []
    var masked: [UInt64] = []
    var passes = 0
    var pays: Bool?
  }

  private let isOpen: Bool
  private var records = [Record](repeating: Record(), count: NeuronScratch.unionCapacity + 1)
  private var tokens = 0
  private var isUniting = false
  private var total: UInt64 = 0
  /// Whether the current pass wants to know what its layers take.
  private(set) var isMeasuring = false

  init(isOpen: Bool) { self.isOpen = isOpen }

  /// Decides about the next pass: whether it unites lists.
  func begin(tokens count: Int) -> Bool {
    isMeasuring = false
    guard isOpen, count < records.count else { return false }
    if let pays = records[count].pays { return pays }
    (tokens, total, isMeasuring) = (count, 0, true)
    isUniting = records[count].passes % 2 == 1
    return isUniting
  }

  /// The next pass has no choice.
  func pass() { isMeasuring = false }

  /// What a layer of the current pass took.
  func note(nanoseconds: UInt64) { total += nanoseconds }

  /// The pass is done.
  func end() {
    guard isMeasuring else { return }
    isMeasuring = false
    let passes = records[tokens].passes
    records[tokens].passes += 1
    // The first of either touches weights for the first time.
    if passes < 2 { return }
    if isUniting { records[tokens].united.append(total) } else { records[tokens].masked.append(total) }
    if records[tokens].united.count == Self.turns {
      func median(_ times: [UInt64]) -> UInt64 { times.sorted()[times.count / 2] }
      records[tokens].pays = median(records[tokens].united) < median(records[tokens].masked)
    }
  }

  /// Whether uniting the lists of so many tokens pays; `nil` before it was measured.
  func pays(tokens count: Int) -> Bool? { count < records.count ? records[count].pays : false }
}
