import PowerInferKernels
import PowerInferModel
import Synchronization

/// Attention of a forward pass over the pages of any number of sequences; its scratch does not grow with the positions in use.
///
/// Work comes in items that any worker may take, in any order. A result depends on its own token's query and the cache alone, so it
/// is the same bits for any number of workers, and for one row at a time or many.
///
/// A row alone needs no meeting of the workers between storing and attending: everyone takes items of
/// ``decode(_:item:isFollowed:worker:)``, and after the next `sync` the output is there. Several rows: everyone stores some with
/// ``store(_:row:)``, `sync`, items of ``attend(_:item:isFollowed:worker:)``, `sync`.
final class Attention {
  /// What a layer's attention reads and writes. Queries, keys and values are as projected, not rotated yet; keys are
  /// rotated in place.
  struct Step {
    var layer: Int
    var tables: PassTables
    var queries: UnsafePointer<Float>  // [rows, heads · headSize]
    var keys: UnsafeMutablePointer<Float>  // [rows, kvHeads · headSize]
    var values: UnsafePointer<Float>  // [rows, kvHeads · headSize]
    var cosines: UnsafePointer<Float>  // [rows, rotary dimensions / 2]
    var sines: UnsafePointer<Float>  // [rows, rotary dimensions / 2]
    var output: UnsafeMutablePointer<Float>  // [rows, heads · headSize]
  }

  private let cache: PageStore
  private let kernels: Kernels
  private let c: ModelConfiguration
  private let sizes: Sizes
  private let scratch: UnsafeMutablePointer<Float>  // [workers, sizes.workerFloats]
  private let states: UnsafeMutablePointer<Float>  // [kvHeads, chunks, queries per kv head, state]
  private let finished: UnsafeMutablePointer<Atomic<Int>>  // [kvHeads], chunks that are done

  /// Rows of a tile at most.
  var tileRows: Int { sizes.tileTokens }

  /// - Parameter capacity: positions of a sequence at most.
  init(configuration: ModelConfiguration, cache: PageStore, capacity: Int, kernels: Kernels, workers: Int) {
    self.cache = cache
    self.kernels = kernels
    c = configuration
    sizes = Sizes(configuration: c, capacity: capacity)
    scratch = Self.aligned(workers * sizes.workerFloats)
    states = Self.aligned(c.keyValueHeadCount * sizes.headFloats)
    finished = .allocate(capacity: c.keyValueHeadCount)
    for head in 0..<c.keyValueHeadCount { (finished + head).initialize(to: Atomic(0)) }
  }

  deinit {
    scratch.deallocate()
    states.deallocate()
    finished.deinitialize(count: c.keyValueHeadCount)
    finished.deallocate()
  }

  // MARK: A row alone

  /// Items of ``decode(_:item:isFollowed:worker:)``: every chunk of positions of every key/value head.
  func decodeItems(_ step: Step) -> Int { c.keyValueHeadCount * chunks(step) }

  private func chunks(_ step: Step) -> Int { step.tables.positions[0] / sizes.chunk + 1 }

  /// Attention of the first row with one chunk of positions of one key/value head. Items go through the heads, chunk by chunk.
  ///
  /// The item with the newest position of a head stores the head's key and value before it reads them; the others do not
  /// read that far. Whoever finishes the last item of a head merges its chunks, in ascending order, into the output.
  ///
  /// - Parameter isFollowed: whether this worker takes the next item too, whose keys and values are prefetched meanwhile.
  func decode(_ step: Step, item: Int, isFollowed: Bool, worker: Int) {
    let (group, size, chunk) = (c.queriesPerKeyValueHead, c.headSize, sizes.chunk)
    let (position, chunks) = (step.tables.positions[0], chunks(step))
    let queries = scratch + worker * sizes.workerFloats
    let (head, index) = (item % c.keyValueHeadCount, item / c.keyValueHeadCount)
    let pages = step.tables.pages[0]
    var target = cache.head(layer: step.layer, head: head, pages: pages)
    if isFollowed, head + 1 < c.keyValueHeadCount {
      let next = cache.head(layer: step.layer, head: head + 1, pages: pages)
      target = target.prefetching(next, positions: position + 1)
    }
    rotateQueries(step, row: 0, head: head, into: queries)
    if index == chunks - 1 { store(step, row: 0, head: head, in: target) }
    let state = states + head * sizes.headFloats + index * group * sizes.state
    kernels.attend(
      queries: queries, tokens: 1, groupSize: group, to: target, visible: position + 1,
      positions: index * chunk..<(index + 1) * chunk, chunk: chunk, scale: c.attentionScale,
      scratch: queries + sizes.tileQueries * sizes.row, states: state)
    // Releases this item's state, and acquires those of the others for the one that comes last.
    guard finished[head].add(1, ordering: .acquiringAndReleasing).newValue == chunks else { return }
    finished[head].store(0, ordering: .relaxed)
    for g in 0..<group {
      kernels.mergeStates(
        states + head * sizes.headFloats + g * sizes.state, count: chunks, step: group * sizes.state, headSize: size,
        into: step.output + (head * group + g) * size)
    }
  }

  // MARK: Several rows

  /// Rotates the keys of a row and puts its keys and values into the cache.
  func store(_ step: Step, row: Int) {
    for head in 0..<c.keyValueHeadCount {
      store(
        step, row: row, head: head, in: cache.head(layer: step.layer, head: head, pages: step.tables.pages[row]))
    }
  }

  /// Items of ``attend(_:item:isFollowed:worker:)``: every tile of rows with every key/value head, the longest first.
  func attendItems(_ step: Step) -> Int { c.keyValueHeadCount * step.tables.tileCount }

  /// Attention of a tile of rows with one key/value head, once everything is stored.
  ///
  /// - Parameter isFollowed: whether this worker takes the next item too, whose keys and values are prefetched meanwhile.
  func attend(_ step: Step, item: Int, isFollowed: Bool, worker: Int) {
    let (group, size) = (c.queriesPerKeyValueHead, c.headSize)
    let (tile, head) = (step.tables.tiles[item / c.keyValueHeadCount], item % c.keyValueHeadCount)
    let position = step.tables.positions[tile.firstRow]
    let queries = scratch + worker * sizes.workerFloats
    let rest = queries + sizes.tileQueries * sizes.row
    let state = rest + sizes.kernelFloats
    var target = cache.head(layer: step.layer, head: head, pages: step.tables.pages[tile.firstRow])
    if isFollowed {
      let (following, head) = ((item + 1) / c.keyValueHeadCount, (item + 1) % c.keyValueHeadCount)
      let row = step.tables.tiles[following].firstRow
      let next = cache.head(layer: step.layer, head: head, pages: step.tables.pages[row])
      target = target.prefetching(next, positions: step.tables.positions[row] + 1)
    }
    for row in 0..<tile.count {
      rotateQueries(step, row: tile.firstRow + row, head: head, into: queries + row * group * size)
    }
    kernels.attend(
      queries: queries, tokens: tile.count, groupSize: group, to: target,
      visible: position + 1, positions: 0..<position + tile.count, chunk: sizes.chunk, scale: c.attentionScale,
      scratch: rest, states: state)
    for row in 0..<tile.count {
      for g in 0..<group {
        kernels.mergeStates(
          state + (row * group + g) * sizes.state, count: 1, step: 0, headSize: size,
          into: step.output + (tile.firstRow + row) * c.querySize + (head * group + g) * size)
      }
    }
  }

  // MARK: Steps

  /// Queries that share one key/value head, [queries per kv head, headSize].
  private func rotateQueries(_ step: Step, row: Int, head: Int, into queries: UnsafeMutablePointer<Float>) {
    let count = c.queriesPerKeyValueHead * c.headSize
    queries.update(from: step.queries + row * c.querySize + head * count, count: count)
    rotate(queries, heads: c.queriesPerKeyValueHead, step, row: row)
  }

  private func store(_ step: Step, row: Int, head: Int, in target: CacheHead) {
    let offset = row * c.keyValueSize + head * c.headSize
    rotate(step.keys + offset, heads: 1, step, row: row)
    kernels.storeKey(step.keys + offset, at: step.tables.positions[row], in: target)
    kernels.storeValue(step.values + offset, at: step.tables.positions[row], in: target)
  }

  private func rotate(_ x: UnsafeMutablePointer<Float>, heads: Int, _ step: Step, row: Int) {
    let pairs = c.rotary.dimensions / 2
    kernels.rotate(
      x, heads: heads, headSize: c.headSize, rotaryDimensions: c.rotary.dimensions, pairing: c.rotary.pairing,
      cosines: step.cosines + row * pairs, sines: step.sines + row * pairs)
  }

  // MARK: Memory

  /// How work is divided, and the floats that takes.
  private struct Sizes {
    /// Positions of an item of decoding.
    var chunk = 256
    /// Tokens of an item of a prompt: as many as make about 48 queries, which share the work of reading a tile of the cache.
    let tileTokens: Int
    let tileQueries: Int
    let row: Int  // a query, room for a multiple of 16 floats
    let state: Int
    let kernelFloats: Int
    let workerFloats: Int  // queries, the kernels' scratch, states
    let headFloats: Int  // states of all chunks of a key/value head

    init(configuration c: ModelConfiguration, capacity: Int) {
      // A context of any length has at most 256 chunks: so the states stay small.
      while capacity > chunk * 256 { chunk *= 2 }
      tileTokens = max(1, 48 / c.queriesPerKeyValueHead)
      tileQueries = tileTokens * c.queriesPerKeyValueHead
      row = (c.headSize + 15) / 16 * 16
      state = Kernels.stateFloats(headSize: c.headSize)
      kernelFloats = Kernels.attentionScratchFloats(headSize: c.headSize, queries: tileQueries)
      workerFloats = tileQueries * (row + state) + kernelFloats
      headFloats = (capacity + chunk - 1) / chunk * c.queriesPerKeyValueHead * state
    }
  }

  /// Floats that attention of so many workers takes beside the cache.
  static func floatCount(configuration c: ModelConfiguration, capacity: Int, workers: Int) -> Int {
    let sizes = Sizes(configuration: c, capacity: capacity)
    return workers * sizes.workerFloats + c.keyValueHeadCount * sizes.headFloats
  }

  private static func aligned(_ count: Int) -> UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer.allocate(byteCount: count * MemoryLayout<Float>.stride + 64, alignment: 64)
      .assumingMemoryBound(to: Float.self)
  }
}
