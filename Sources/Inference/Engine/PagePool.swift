/// Pages of the key/value cache: which are in use, by how many, and how many there may be.
///
/// Owners are sequences and the tree of prefixes. A page that more than one owns is never written.
struct PagePool {
  /// Most pages at a time.
  let limit: Int
  /// Bytes of a page.
  let pageBytes: Int
  /// Pages that somebody owns.
  private(set) var used = 0
  /// The most there have been.
  private(set) var peak = 0

  private var owners: [Int] = []  // by index; 0 where the page is free
  private var free: [Int] = []

  init(limit: Int, pageBytes: Int) {
    self.limit = limit
    self.pageBytes = pageBytes
  }

  /// Whether another page may be taken.
  var hasRoom: Bool { used < limit }

  /// A new page with one owner.
  ///
  /// - Throws: ``EngineError/cacheFull(pages:bytes:)`` at the limit, and what the executor throws.
  mutating func allocate(on executor: any ModelExecutor) throws -> PageID {
    guard hasRoom else { throw EngineError.cacheFull(pages: limit, bytes: limit * pageBytes) }
    let page = PageID(free.last ?? owners.count)
    try executor.allocatePage(page)
    if free.popLast() == nil { owners.append(0) }
    owners[page.index] = 1
    used += 1
    peak = max(peak, used)
    return page
  }

  /// Another owner.
  mutating func retain(_ page: PageID) { owners[page.index] += 1 }

  /// One owner less; the last one's page is freed.
  mutating func release(_ page: PageID, on executor: any ModelExecutor) {
    owners[page.index] -= 1
    guard owners[page.index] == 0 else { return }
    executor.freePage(page)
    free.append(page.index)
    used -= 1
  }

  /// Whether more than one owns it.
  func isShared(_ page: PageID) -> Bool { owners[page.index] > 1 }
}
