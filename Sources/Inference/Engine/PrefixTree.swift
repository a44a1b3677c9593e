/// Pages of texts that were read before, found by their tokens: a tree whose edges are pages, so that texts with the same
/// beginning share the pages of that beginning.
///
/// Only the last page of a branch may be partly filled. A branch that no sequence reads is given up when room is needed, the
/// least recently used first and from its end.
struct PrefixTree {
  /// What a text consists of: tokens, with whatever else their keys and values depend on.
  typealias Key = UInt64

  private struct Node {
    var parent: Int
    var page: PageID
    var keys: ArraySlice<Key>  // at most a page of them
    var children: [Int] = []
    var lastUse: UInt64
  }

  /// What was found of a text.
  struct Match: Equatable {
    /// In the order of positions; of the last page only a part may be the text's.
    var pages: [PageID]
    /// Positions that are the text's.
    var count: Int
  }

  let pagePositions: Int
  private var nodes: [Int: Node] = [:]
  private var roots: [Int] = []
  private var next = 0
  private var clock: UInt64 = 0

  init(pagePositions: Int) { self.pagePositions = pagePositions }

  /// Pages in the tree.
  var count: Int { nodes.count }

  /// The longest beginning of a text that is known, of at most `most` positions. Its pages belong to the tree: whoever uses
  /// them becomes another owner.
  mutating func match(_ keys: [Key], most: Int) -> Match {
    var match = Match(pages: [], count: 0)
    var children = roots
    let end = min(most, keys.count)
    clock += 1
    while match.count < end {
      guard let (child, common) = best(of: children, keys[match.count..<end]) else { break }
      nodes[child]?.lastUse = clock
      guard let node = nodes[child] else { break }
      match.pages.append(node.page)
      match.count += common
      if common < pagePositions { break }
      children = node.children
    }
    return match
  }

  /// Keeps a text: `pages` hold the keys and values of `keys`. The tree becomes an owner of those it did not know.
  ///
  /// - Returns: pages that the tree gave up for fuller ones, which the caller releases.
  mutating func insert(_ keys: [Key], pages: [PageID], pool: inout PagePool) -> [PageID] {
    var (parent, position, released): (Int, Int, [PageID]) = (-1, 0, [])
    clock += 1
    for page in pages {
      let part = keys[min(position, keys.count)..<min(position + pagePositions, keys.count)]
      guard !part.isEmpty else { break }
      let siblings = parent < 0 ? roots : nodes[parent]?.children ?? []
      if let (child, common) = best(of: siblings, part), let node = nodes[child] {
        if common == part.count || common == node.keys.count {
          nodes[child]?.lastUse = clock
          if common < part.count {
            // What the tree has is the beginning of this page.
            released.append(node.page)
            pool.retain(page)
            nodes[child]?.page = page
            nodes[child]?.keys = ArraySlice(Array(part))
          }
          if common == part.count, common < pagePositions { return released }
          (parent, position) = (child, position + part.count)
          continue
        }
      }
      pool.retain(page)
      nodes[next] = Node(parent: parent, page: page, keys: ArraySlice(Array(part)), lastUse: clock)
      if parent < 0 { roots.append(next) } else { nodes[parent]?.children.append(next) }
      (parent, position, next) = (next, position + part.count, next + 1)
    }
    return released
  }

  /// Gives up the least recently used page that none follows: one that nobody else owns, so that there is room afterwards; where
  /// there is none, one that stands in the way of such a page.
  ///
  /// - Returns: the page, which the caller releases; nil where giving up pages makes no room.
  mutating func evict(_ pool: PagePool) -> PageID? {
    var best: (index: Int, use: (Int, UInt64, Int))?
    var makesRoom = false
    for (index, node) in nodes {
      let isShared = pool.isShared(node.page)
      if !isShared { makesRoom = true }
      guard node.children.isEmpty else { continue }
      let use = (isShared ? 1 : 0, node.lastUse, -index)
      if let found = best, found.use <= use { continue }
      best = (index, use)
    }
    guard makesRoom, let index = best?.index, let node = nodes[index] else { return nil }
    remove(index, of: node.parent)
    return node.page
  }

  /// Forgets everything.
  ///
  /// - Returns: all pages, which the caller releases.
  mutating func removeAll() -> [PageID] {
    defer {
      nodes.removeAll()
      roots.removeAll()
    }
    return nodes.values.map(\.page)
  }

  private mutating func remove(_ index: Int, of parent: Int) {
    nodes[index] = nil
    if parent < 0 {
      roots.removeAll { $0 == index }
    } else {
      nodes[parent]?.children.removeAll { $0 == index }
    }
  }

  /// The node that has most of `keys` at its beginning, and how much.
  private func best(of indices: [Int], _ keys: ArraySlice<Key>) -> (node: Int, common: Int)? {
    var found: (node: Int, common: Int)?
    for index in indices {
      guard let node = nodes[index] else { continue }
      let common = zip(node.keys, keys).prefix { $0 == $1 }.count
      if common > 0, common > found?.common ?? 0 { found = (index, common) }
    }
    return found
  }
}
