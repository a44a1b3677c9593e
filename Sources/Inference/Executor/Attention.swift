import PowerInferKernels
import PowerInferModel
import Synchronization

/// Attention of a forward pass: owns the key/value cache and all scratch, whose size does not grow with the positions in use.
///
/// Work comes in items of a fixed size that any worker may take, in any order. A result depends on its own token's query and
/// the cache alone, so it is the same bits for any number of workers and for one token at a time or many.
///
/// One token needs no meeting of the workers between storing and attending:
///
/// ```swift
/// // queries, keys and values of all heads are there
/// attention.decode(pass, items: share of decodeItems(position:), worker: index)
/// member.sync()
/// // the output is there
/// ```
///
/// Several tokens: every ``store(_:tokens:)``, sync, every ``attend(_:item:worker:)``, sync.
final class Attention {
  /// What a layer's attention reads and writes. Queries, keys and values are as projected, not rotated yet; keys are
  /// rotated in place.
  struct Pass {
    var layer: Int
    /// Of the first token.
    var position: Int
    /// Tokens.
    var count: Int
    var queries: UnsafePointer<Float>  // [count, heads · headSize]
    var keys: UnsafeMutablePointer<Float>  // [count, kvHeads · headSize]
    var values: UnsafePointer<Float>  // [count, kvHeads · headSize]
    var cosines: UnsafePointer<Float>  // [count, rotary dimensions / 2]
    var sines: UnsafePointer<Float>  // [count, rotary dimensions / 2]
    var output: UnsafeMutablePointer<Float>  // [count, heads · headSize]
  }

  private let cache: KeyValueCache
  private let kernels: Kernels
  private let c: ModelConfiguration
  private let sizes: Sizes
  private let scratch: UnsafeMutablePointer<Float>  // [workers, sizes.workerFloats]
  private let states: UnsafeMutablePointer<Float>  // [kvHeads, chunks, queries per kv head, state]
  private let finished: UnsafeMutablePointer<Atomic<Int>>  // [kvHeads], chunks that are done

  init(configuration: ModelConfiguration, cache: KeyValueCache, kernels: Kernels, workers: Int) {
    self.cache = cache
    self.kernels = kernels
    c = configuration
    sizes = Sizes(configuration: c, capacity: cache.capacity)
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

  // MARK: One token

  /// Items of ``decode(_:items:worker:)`` for a token at `position`: every chunk of positions of every key/value head.
  func decodeItems(position: Int) -> Int {
    c.keyValueHeadCount * (position / sizes.chunk + 1)
  }

  /// Attention of one token, some of its items: consecutive ones share the rotated queries of a head.
  ///
  /// The item with the newest position of a head stores the head's key and value before it reads them; the others do not
  /// read that far. Whoever finishes the last item of a head merges its chunks, in ascending order, into the output.
  func decode(_ pass: Pass, items: Range<Int>, worker: Int) {
    let (group, size, chunk) = (c.queriesPerKeyValueHead, c.headSize, sizes.chunk)
    let chunks = pass.position / chunk + 1
    let queries = scratch + worker * sizes.workerFloats
    var rotated = -1
    for item in items {
      let (head, index) = (item / chunks, item % chunks)
      let target = cache.head(layer: pass.layer, head: head)
      if rotated != head {
        rotated = head
        rotateQueries(pass, token: 0, head: head, into: queries)
      }
      if index == chunks - 1 { store(pass, token: 0, head: head, in: target) }
      let state = states + head * sizes.headFloats + index * group * sizes.state
      kernels.attend(
        queries: queries, tokens: 1, groupSize: group, to: target, visible: pass.position + 1,
        positions: index * chunk..<(index + 1) * chunk, chunk: chunk, scale: c.attentionScale,
        scratch: queries + sizes.tileQueries * sizes.row, states: state)
      // Releases this item's state, and acquires those of the others for the one that comes last.
      guard finished[head].add(1, ordering: .acquiringAndReleasing).newValue == chunks else { continue }
      finished[head].store(0, ordering: .relaxed)
      for g in 0..<group {
        kernels.mergeStates(
          states + head * sizes.headFloats + g * sizes.state, count: chunks, step: group * sizes.state, headSize: size,
          into: pass.output + (head * group + g) * size)
      }
    }
  }

  // MARK: Many tokens

  /// Rotates the keys of some tokens and puts keys and values into the cache.
  func store(_ pass: Pass, tokens: Range<Int>) {
    for head in 0..<c.keyValueHeadCount {
      let target = cache.head(layer: pass.layer, head: head)
      for token in tokens { store(pass, token: token, head: head, in: target) }
    }
  }

  /// Items of ``attend(_:item:worker:)``: every tile of tokens of every key/value head, the longest first.
  func attendItems(count: Int) -> Int {
    c.keyValueHeadCount * ((count + sizes.tileTokens - 1) / sizes.tileTokens)
  }

  /// Attention of a tile of tokens with one key/value head, once everything is stored.
  func attend(_ pass: Pass, item: Int, worker: Int) {
    let (group, size) = (c.queriesPerKeyValueHead, c.headSize)
    let tiles = (pass.count + sizes.tileTokens - 1) / sizes.tileTokens
    let (tile, head) = (tiles - 1 - item / c.keyValueHeadCount, item % c.keyValueHeadCount)
    let first = tile * sizes.tileTokens
    let tokens = first..<min(first + sizes.tileTokens, pass.count)
    let queries = scratch + worker * sizes.workerFloats
    let rest = queries + sizes.tileQueries * sizes.row
    let state = rest + sizes.kernelFloats
    for token in tokens {
      rotateQueries(pass, token: token, head: head, into: queries + (token - first) * group * size)
    }
    kernels.attend(
      queries: queries, tokens: tokens.count, groupSize: group, to: cache.head(layer: pass.layer, head: head),
      visible: pass.position + first + 1, positions: 0..<pass.position + tokens.upperBound, chunk: sizes.chunk,
      scale: c.attentionScale, scratch: rest, states: state)
    for token in tokens {
      for g in 0..<group {
        kernels.mergeStates(
          state + ((token - first) * group + g) * sizes.state, count: 1, step: 0, headSize: size,
          into: pass.output + token * c.querySize + (head * group + g) * size)
      }
    }
  }

  // MARK: Steps

  /// Queries that share one key/value head, [queries per kv head, headSize].
  private func rotateQueries(_ pass: Pass, token: Int, head: Int, into queries: UnsafeMutablePointer<Float>) {
    let count = c.queriesPerKeyValueHead * c.headSize
    queries.update(from: pass.queries + token * c.querySize + head * count, count: count)
    rotate(queries, heads: c.queriesPerKeyValueHead, pass, token: token)
  }

  private func store(_ pass: Pass, token: Int, head: Int, in target: CacheHead) {
    let offset = token * c.keyValueSize + head * c.headSize
    rotate(pass.keys + offset, heads: 1, pass, token: token)
    kernels.storeKey(pass.keys + offset, at: pass.position + token, in: target)
    kernels.storeValue(pass.values + offset, at: pass.position + token, in: target)
  }

  private func rotate(_ x: UnsafeMutablePointer<Float>, heads: Int, _ pass: Pass, token: Int) {
    let pairs = c.rotary.dimensions / 2
    kernels.rotate(
      x, heads: heads, headSize: c.headSize, rotaryDimensions: c.rotary.dimensions, pairing: c.rotary.pairing,
      cosines: pass.cosines + token * pairs, sines: pass.sines + token * pairs)
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
