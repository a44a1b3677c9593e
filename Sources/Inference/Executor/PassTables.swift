import PowerInferKernels

/// What the workers of a pass look up: every row's token, position and pages, and how attention is divided. Filled by the leader
/// before the workers begin.
final class PassTables {
  /// Consecutive rows of one sequence, whose attention is computed together.
  struct Tile {
    var firstRow: Int
    var count: Int
  }

  private(set) var rows = RowGroup(count: 0, panelCount: 0, skipping: 0..<0)
  /// Rows whose logits are wanted, as the last layer goes on with them.
  private(set) var kept = RowGroup(count: 0, panelCount: 0, skipping: 0..<0)
  let tokens: UnsafeMutablePointer<Int32>  // [B]
  let positions: UnsafeMutablePointer<Int>  // [B]
  let pages: UnsafeMutablePointer<UnsafePointer<UnsafeMutablePointer<UInt8>>>  // [B], of each row's sequence
  let keptRows: UnsafeMutablePointer<Int>  // [B], ascending
  let tiles: UnsafeMutablePointer<Tile>  // [B], those with most work first
  private(set) var tileCount = 0
  /// Positions that attention looks at, over all rows.
  private(set) var visiblePositions = 0

  private let tileRows: Int
  private var pageMemory: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>
  private var pageCapacity = 1

  /// - Parameters:
  ///   - capacity: rows of a batch at most.
  ///   - tileRows: rows of a tile at most.
  init(capacity: Int, tileRows: Int) {
    self.tileRows = tileRows
    tokens = .allocate(capacity: capacity)
    positions = .allocate(capacity: capacity)
    pages = .allocate(capacity: capacity)
    keptRows = .allocate(capacity: capacity)
    tiles = .allocate(capacity: capacity)
    pageMemory = .allocate(capacity: pageCapacity)
  }

  deinit {
    tokens.deallocate()
    positions.deallocate()
    pages.deallocate()
    keptRows.deallocate()
    tiles.deallocate()
    pageMemory.deallocate()
  }

  /// - Parameters:
  ///   - rows: of the batch.
  ///   - store: where the pages are.
  ///   - kernels: decide how the wanted rows are computed.
  func fill(_ pass: Pass, rows: RowGroup, store: PageStore, kernels: Kernels) {
    self.rows = rows
    reserve(pass.pages.reduce(0) { $0 + $1.count })
    (tileCount, visiblePositions) = (0, 0)
    var (row, page, keptCount, keptPrompts, keptSkipping) = (0, 0, 0, 0, 0)
    for (piece, ids) in zip(pass.batch.pieces, pass.pages) {
      let table = UnsafePointer(pageMemory + page)
      for id in ids {
        guard let memory = store[id] else { continue }
        pageMemory[page] = memory
        page += 1
      }
      for (offset, token) in piece.tokens.enumerated() {
        tokens[row + offset] = token
        positions[row + offset] = piece.position + offset
        pages[row + offset] = table
        visiblePositions += piece.position + offset + 1
      }
      for offset in piece.wanted {
        keptRows[keptCount] = row + offset
        keptCount += 1
        keptPrompts += piece.phase == .prompt ? 1 : 0
        keptSkipping += pass.batch.skipping.contains(row + offset) ? 1 : 0
      }
      for start in stride(from: 0, to: piece.tokens.count, by: tileRows) {
        tiles[tileCount] = Tile(firstRow: row + start, count: min(tileRows, piece.tokens.count - start))
        tileCount += 1
      }
      row += piece.tokens.count
    }
    kept = RowGroup(
      count: keptCount, promptCount: keptPrompts, arithmetic: pass.batch.arithmetic,
      skipping: keptCount - keptSkipping..<keptCount, kernels: kernels)
    let positions = UnsafePointer(positions)
    func work(_ tile: Tile) -> Int { (positions[tile.firstRow] + tile.count) * tile.count }
    var some = UnsafeMutableBufferPointer(start: tiles, count: tileCount)
    some.sort { work($0) > work($1) }
  }

  private func reserve(_ count: Int) {
    guard count > pageCapacity else { return }
    pageMemory.deallocate()
    pageCapacity = max(count, 2 * pageCapacity)
    pageMemory = .allocate(capacity: pageCapacity)
  }
}
