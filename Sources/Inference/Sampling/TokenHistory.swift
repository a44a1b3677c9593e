/// The latest tokens and how often each occurs among them: what the penalties look at.
struct TokenHistory {
  /// The longest history; nil keeps all.
  private let limit: Int?
  /// A ring of the latest tokens; empty where there is no limit.
  private var ring: [Int32] = []
  private var oldest = 0
  /// Occurrences by token id.
  private var counts: [Int32] = []
  /// Every token that occurs, once, in no order, and where it stands in this list, by token id.
  private(set) var distinct: [Int32] = []
  private var places: [Int32] = []

  init(limit: Int?) {
    self.limit = limit
    ring.reserveCapacity(Swift.min(limit ?? 0, 4096))
  }

  func count(of token: Int32) -> Int {
    Int(token) < counts.count && token >= 0 ? Int(counts[Int(token)]) : 0
  }

  mutating func append(_ token: Int32) {
    guard token >= 0, limit != 0 else { return }
    if let limit {
      if ring.count == limit {
        remove(ring[oldest])
        ring[oldest] = token
        oldest = (oldest + 1) % limit
      } else {
        ring.append(token)
      }
    }
    add(token)
  }

  mutating func removeAll() {
    for token in distinct { counts[Int(token)] = 0 }
    distinct.removeAll(keepingCapacity: true)
    ring.removeAll(keepingCapacity: true)
    oldest = 0
  }

  private mutating func add(_ token: Int32) {
    let index = Int(token)
    if index >= counts.count {
      let missing = index + 1 - counts.count
      counts.append(contentsOf: repeatElement(0, count: missing))
      places.append(contentsOf: repeatElement(0, count: missing))
    }
    if counts[index] == 0 {
      places[index] = Int32(truncatingIfNeeded: distinct.count)
      distinct.append(token)
    }
    counts[index] &+= 1
  }

  private mutating func remove(_ token: Int32) {
    let index = Int(token)
    counts[index] &-= 1
    guard counts[index] == 0, let last = distinct.popLast(), last != token else { return }
    let place = places[index]
    distinct[Int(place)] = last
    places[Int(last)] = place
  }
}
