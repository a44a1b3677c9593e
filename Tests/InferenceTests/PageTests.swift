import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInfer

@Suite struct PagePoolTests {
  @Test func pagesAreFreedWithTheirLastOwner() throws {
    let executor = try FakeExecutor()
    var pool = PagePool(limit: 2, pageBytes: 10)
    let first = try pool.allocate(on: executor)
    let second = try pool.allocate(on: executor)
    #expect(!pool.hasRoom && pool.used == 2)
    let error = #expect(throws: EngineError.self) { try pool.allocate(on: executor) }
    #expect(error?.description == "The key/value cache is full: all of its 2 pages (20 bytes) are in use.")
    pool.retain(first)
    #expect(pool.isShared(first) && !pool.isShared(second))
    pool.release(first, on: executor)
    #expect(pool.used == 2 && !pool.isShared(first))
    pool.release(first, on: executor)
    #expect(pool.used == 1 && pool.peak == 2)
    // The index is used again.
    #expect(try pool.allocate(on: executor) == first)
    pool.release(first, on: executor)
    pool.release(second, on: executor)
    executor.counts.withLock { #expect($0.pages == 0 && $0.faults == []) }
  }
}

@Suite struct PrefixTreeTests {
  /// A tree whose pages have four positions, and who owns them.
  private final class Forest {
    let executor: FakeExecutor
    var pool = PagePool(limit: 100, pageBytes: 1)
    var tree = PrefixTree(pagePositions: 4)

    init() throws { executor = try FakeExecutor() }

    /// Keeps a text whose owner is gone afterwards.
    func keep(_ keys: [UInt64]) throws {
      let pages = try (0..<(keys.count + 3) / 4).map { _ in try pool.allocate(on: executor) }
      let released = tree.insert(keys, pages: pages, pool: &pool)
      for page in pages + released { pool.release(page, on: executor) }
    }

    func count(_ keys: [UInt64], most: Int? = nil) -> Int { tree.match(keys, most: most ?? keys.count).count }

    func evict() -> Bool {
      guard let page = tree.evict(pool) else { return false }
      pool.release(page, on: executor)
      return true
    }
  }

  @Test func beginningsAreFoundToTheToken() throws {
    let forest = try Forest()
    #expect(forest.count([1, 2]) == 0)
    try forest.keep([1, 2, 3, 4, 5, 6])
    #expect(forest.count([1, 2, 3, 4, 5, 6, 7]) == 6)
    #expect(forest.count([1, 2, 3, 4, 5, 9]) == 5)
    #expect(forest.count([1, 2, 9]) == 2)
    #expect(forest.count([9, 2, 3]) == 0)
    #expect(forest.count([1, 2, 3, 4, 5, 6], most: 5) == 5)
    #expect(forest.count([1], most: 0) == 0)
    #expect(forest.tree.match([1, 2, 3, 4, 5], most: 5).pages.count == 2)
  }

  @Test func aFullerPageTakesThePlaceOfItsBeginning() throws {
    let forest = try Forest()
    try forest.keep([1, 2, 3, 4, 5])
    try forest.keep([1, 2, 3, 4, 5, 6, 7])
    #expect(forest.tree.count == 2 && forest.pool.used == 2)
    #expect(forest.count([1, 2, 3, 4, 5, 6, 7, 8]) == 7)
    // What is known already adds nothing.
    try forest.keep([1, 2, 3])
    try forest.keep([1, 2, 3, 4, 5, 6])
    #expect(forest.tree.count == 2 && forest.pool.used == 2)
    try forest.keep([1, 2, 3, 4, 5, 6, 7, 8, 9])
    #expect(forest.tree.count == 3 && forest.pool.used == 3)
  }

  @Test func textsPartWherePagesDiffer() throws {
    let forest = try Forest()
    try forest.keep([1, 2, 3, 4, 5, 6, 7, 8])
    try forest.keep([1, 2, 3, 4, 5, 6, 9, 9])
    // The first page is shared, the second is not, though it begins the same.
    #expect(forest.tree.count == 3 && forest.pool.used == 3)
    #expect(forest.count([1, 2, 3, 4, 5, 6, 9, 9]) == 8)
    #expect(forest.count([1, 2, 3, 4, 5, 6, 7, 8]) == 8)
  }

  @Test func theLeastRecentlyUsedGoesFirstFromItsEnd() throws {
    let forest = try Forest()
    try forest.keep([1, 1, 1, 1, 2, 2, 2, 2])
    try forest.keep([5, 5, 5, 5, 6, 6, 6, 6])
    _ = forest.count([1, 1, 1, 1, 2, 2, 2, 2])
    #expect(forest.evict() && forest.count([5, 5, 5, 5, 6, 6]) == 4)
    _ = forest.count([1, 1, 1, 1, 2, 2, 2, 2])
    #expect(forest.evict() && forest.count([5, 5, 5, 5]) == 0)
    #expect(forest.evict() && forest.count([1, 1, 1, 1, 2]) == 4)
    #expect(forest.evict() && !forest.evict())
    #expect(forest.tree.count == 0 && forest.pool.used == 0)
  }

  @Test func pagesInUseAreNotGivenUpForNothing() throws {
    let forest = try Forest()
    try forest.keep([1, 1, 1, 1, 2, 2])
    let match = forest.tree.match([1, 1, 1, 1, 2, 2], most: 6)
    for page in match.pages { forest.pool.retain(page) }
    #expect(!forest.evict() && forest.tree.count == 2)
    // A page that only the tree has goes, even where one that is in use follows it.
    forest.pool.release(match.pages[0], on: forest.executor)
    #expect(forest.evict() && forest.evict() && !forest.evict())
    #expect(forest.pool.used == 1)
    forest.pool.release(match.pages[1], on: forest.executor)
    #expect(forest.pool.used == 0)
    forest.executor.counts.withLock { #expect($0.faults == []) }
  }
}
