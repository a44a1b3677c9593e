import PowerInferGPU
import PowerInferModel

/// What a pass differs in from others of its shape: tokens, positions, pages, which rows see what. The host writes it before a pass.
final class GPUPassTables {
  let tokens: any GPUBuffer  // [rows]
  let positions: any GPUBuffer  // [rows], into the table of learned positions
  let rows: any GPUBuffer  // [rows] of position and start in `pages`
  let pages: any GPUBuffer
  let turns: any GPUBuffer  // [rows, pairs] of cosine and sine
  let tiles: any GPUBuffer  // AttentionTile
  let merges: any GPUBuffer  // AttentionMerge
  let attentionGrid: any GPUBuffer  // three UInt32
  let mergeGrid: any GPUBuffer  // three UInt32
  let wanted: any GPUBuffer  // [rows]: rows whose logits are wanted
  let byteCount: Int

  /// Positions that a decoded row takes at once; the states of longer contexts are merged.
  let stretch: Int

  private let model: LanguageModel
  private let pageCapacity: Int

  /// Stretches of a context at most.
  static let mostStretches = 16

  /// - Parameters:
  ///   - rows: of a pass at most.
  ///   - leastStretch: of positions that a decoded row takes at once.
  init(
    _ model: LanguageModel, rows count: Int, contextSize: Int, leastStretch: Int, on device: any GPUDevice
  ) throws {
    self.model = model
    let page = CacheLayout.pagePositions
    let perStretch = (contextSize + Self.mostStretches - 1) / Self.mostStretches
    stretch = max(leastStretch, (perStretch + page - 1) / page * page)
    let pairs = max(1, model.configuration.rotary.dimensions / 2)
    pageCapacity = count * ((contextSize + page - 1) / page)
    func buffer(_ bytes: Int, _ label: String) throws -> any GPUBuffer {
      try device.makeBuffer(byteCount: bytes, role: .hostWritten, label: label)
    }
    tokens = try buffer(count * 4, "tokens")
    positions = try buffer(count * 4, "positions")
    rows = try buffer(count * 8, "rows")
    pages = try buffer(pageCapacity * 4, "pages")
    turns = try buffer(count * pairs * 8, "turns")
    tiles = try buffer(count * Self.mostStretches * MemoryLayout<AttentionTile>.stride, "tiles")
    merges = try buffer(count * MemoryLayout<AttentionMerge>.stride, "merges")
    attentionGrid = try buffer(12, "attention's grid")
    mergeGrid = try buffer(12, "merging's grid")
    wanted = try buffer(count * 4, "wanted rows")
    byteCount = [tokens, positions, rows, pages, turns, tiles, merges, wanted].reduce(24) { $0 + $1.byteCount }
  }

  /// - Parameters:
  ///   - pieces: whose rows are computed, with the pages of their sequences.
  ///   - tileRows: rows of a tile at most; one where rows are decoded.
  ///   - attention: of the shape, whose grid depends on the number of tiles.
  ///   - stateRows: rows of states that there is room for.
  func fill(
    _ pieces: [(piece: Batch.Piece, pages: ArraySlice<PageID>)], tileRows: Int, attention: AttentionConstants,
    stateRows: Int
  ) throws {
    let c = model.configuration
    var (ids, table, numbers, wantedRows): ([UInt32], [UInt32], [UInt32], [UInt32]) = ([], [], [], [])
    var (learned, tileList, mergeList): ([UInt32], [AttentionTile], [AttentionMerge]) = ([], [], [])
    var states = 0
    let pairs = c.rotary.dimensions / 2
    var angles = [Float](repeating: 0, count: 2 * pairs * pieces.reduce(0) { $0 + $1.piece.tokens.count })
    var (cosines, sines) = ([Float](repeating: 0, count: pairs), [Float](repeating: 0, count: pairs))
    for (piece, pages) in pieces {
      let (firstRow, start) = (ids.count, numbers.count)
      numbers += pages.map { UInt32($0.index) }
      for (offset, token) in piece.tokens.enumerated() {
        let position = piece.position + offset
        if pairs > 0 {
          model.rotary.write(position: position, cosines: &cosines, sines: &sines)
          let at = 2 * pairs * ids.count
          for pair in 0..<pairs { (angles[at + 2 * pair], angles[at + 2 * pair + 1]) = (cosines[pair], sines[pair]) }
        }
        if case .learned(let offset) = c.architecture.positions { learned.append(UInt32(position + offset)) }
        if piece.wanted.contains(offset) { wantedRows.append(UInt32(ids.count)) }
        ids.append(UInt32(bitPattern: token))
        table += [UInt32(position), UInt32(start)]
      }
      for first in stride(from: 0, to: piece.tokens.count, by: tileRows) {
        let count = min(tileRows, piece.tokens.count - first)
        let (visible, row) = (piece.position + first + 1, firstRow + first)
        let end = visible + count - 1
        // Rows of a prompt are many: each goes through its context alone.
        let stretches = (end + stretch - 1) / stretch
        let isSplit = piece.phase == .decode && stretches > 1 && states + stretches * count <= stateRows
        guard isSplit else {
          tileList.append(
            AttentionTile(
              firstRow: row, rows: count, pages: start, visible: visible, begin: 0, end: end, state: nil))
          continue
        }
        for index in 0..<stretches {
          tileList.append(
            AttentionTile(
              firstRow: row, rows: count, pages: start, visible: visible, begin: index * stretch,
              end: min(end, (index + 1) * stretch), state: states + index * count))
        }
        for index in 0..<count {
          mergeList.append(AttentionMerge(first: states + index, count: stretches, step: count, row: row + index))
        }
        states += stretches * count
      }
    }
    try tokens.store(ids)
    if !learned.isEmpty { try positions.store(learned) }
    try rows.store(table)
    try pages.store(numbers)
    if pairs > 0 { try turns.store(angles) }
    try tiles.store(tileList)
    if !mergeList.isEmpty { try merges.store(mergeList) }
    if !wantedRows.isEmpty { try wanted.store(wantedRows) }
    let grid = attention.grid(tiles: tileList.count)
    try attentionGrid.store([UInt32(grid.x), UInt32(grid.y), UInt32(grid.z)])
    // Along y, so that it may be none.
    try mergeGrid.store([UInt32(c.headCount), UInt32(mergeList.count), 1])
  }
}
