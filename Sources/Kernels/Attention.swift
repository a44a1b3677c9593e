import CPowerInferKernels

/// Where the keys and values of one head of one layer lie, in pages of ``Kernels/attentionTile`` positions, and in which formats:
/// ``WeightFormat/f16``, or ``WeightFormat/q8_0`` where the head size is a multiple of 32.
///
/// Of each page, values are rows of their format, [positions, headSize]. Keys take as many bytes in an order of their own that
/// attention reads fast.
public struct CacheHead {
  private(set) var view: pi_cache_head

  /// - Parameters:
  ///   - pages: position p is in page p / ``Kernels/attentionTile``; must outlive the view.
  ///   - keyOffset: where the head's keys begin in every page, in bytes.
  ///   - valueOffset: where its values begin.
  ///   - headSize: elements of a key or value.
  ///   - keyFormat: of keys.
  ///   - valueFormat: of values.
  public init(
    pages: UnsafePointer<UnsafeMutablePointer<UInt8>>, keyOffset: Int, valueOffset: Int, headSize: Int,
    keyFormat: WeightFormat, valueFormat: WeightFormat
  ) {
    view = pi_cache_head(
      pages: pages, key_offset: keyOffset, value_offset: valueOffset, head_size: headSize,
      key_format: keyFormat.rawValue, value_format: valueFormat.rawValue, next_pages: nil, next_key_offset: 0,
      next_count: 0)
  }

  /// The same, but reading it for a few queries also prefetches the first `positions` of another head, whose keys and values have the
  /// same formats and whose pages must outlive the view.
  public func prefetching(_ next: CacheHead, positions: Int) -> CacheHead {
    var head = self
    head.view.next_pages = next.view.pages
    head.view.next_key_offset = next.view.key_offset
    head.view.next_count = (positions + Kernels.attentionTile - 1) / Kernels.attentionTile
    return head
  }
}

/// Attention in parts: a query's *state* is its softmax over some of the positions, and the states of consecutive chunks of
/// positions are merged (Dao et al., "FlashAttention", 2022; its variant for decoding splits the positions). A result depends
/// on its own query, the cache and the size of chunks, never on the queries beside it.
extension Kernels {
  /// Positions of a page, which are taken at once; chunks are multiples of it.
  public static let attentionTile = Int(PI_ATTENTION_TILE)
  /// Positions whose keys lie in one block.
  public static let keyBlock = Int(PI_KEY_BLOCK)

  /// Floats of one query's state, a multiple of 16.
  public static func stateFloats(headSize: Int) -> Int { pi_attention_state_floats(headSize) }

  /// Floats of scratch for so many queries at once, whatever the number of positions; a multiple of 16.
  public static func attentionScratchFloats(headSize: Int, queries: Int) -> Int {
    (pi_attention_scratch_floats(headSize, queries) + 15) / 16 * 16
  }

  /// Writes a rotated key, [headSize].
  public func storeKey(_ x: UnsafePointer<Float>, at position: Int, in head: CacheHead) {
    withUnsafePointer(to: head.view) { table.store_key($0, position, x) }
  }

  /// Writes a value, [headSize].
  public func storeValue(_ x: UnsafePointer<Float>, at position: Int, in head: CacheHead) {
    withUnsafePointer(to: head.view) { table.store_value($0, position, x) }
  }

  /// States of queries over those of the given positions that each sees.
  ///
  /// - Parameters:
  ///   - queries: [tokens, groupSize, headSize], rotated.
  ///   - tokens: consecutive ones.
  ///   - groupSize: queries of a token that share the head.
  ///   - head: the keys and values, of every position that is visible.
  ///   - visible: positions that the first token sees, more than `positions.lowerBound`; each later token sees one more.
  ///   - positions: begin at a multiple of `chunk`.
  ///   - chunk: positions whose weights are summed on their own before they are merged with the chunks before; a multiple of
  ///     ``attentionTile``.
  ///   - scale: factor on query · key.
  ///   - scratch: ``attentionScratchFloats(headSize:queries:)`` floats, aligned to 64 bytes.
  ///   - states: [tokens, groupSize, ``stateFloats(headSize:)``], aligned to 64 bytes.
  public func attend(
    queries: UnsafePointer<Float>, tokens: Int, groupSize: Int, to head: CacheHead, visible: Int, positions: Range<Int>,
    chunk: Int, scale: Float, scratch: UnsafeMutablePointer<Float>, states: UnsafeMutablePointer<Float>
  ) {
    assert(visible > positions.lowerBound && positions.lowerBound % chunk == 0 && chunk % Self.attentionTile == 0)
    withUnsafePointer(to: head.view) {
      table.attend(
        $0, queries, tokens, groupSize, visible, positions.lowerBound, positions.upperBound, chunk, scale, scratch,
        states)
    }
  }

  /// Merges the states of one query over `count` consecutive chunks, `step` floats from one to the next, and gives its
  /// attention, [headSize]. The first state is overwritten.
  public func mergeStates(
    _ states: UnsafeMutablePointer<Float>, count: Int, step: Int, headSize: Int, into out: UnsafeMutablePointer<Float>
  ) {
    table.merge(states, count, step, headSize, out)
  }
}
