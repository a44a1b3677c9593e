// Rotation, the key/value cache and attention over it.

/// How a layer's cache lies on a device: pages of 64 positions, each [key/value head] of ``WeightLayout``-like units.
///
/// Four buffers of a layer: keys and values (16-byte units), and the scales of both where they are Q8_0 (otherwise any binding
/// serves). A page of all heads is one run of bytes in each, so that pages are copied and addressed by number.
public struct CacheLayout: Sendable, Equatable {
  /// Raw values are the type numbers of the GGUF format.
  public enum Format: UInt32, Sendable, CaseIterable {
    case f16 = 1
    case q8_0 = 8
  }

  public static let pagePositions = 64
  /// Elements of a head at most.
  public static let mostHeadSize = 256

  public let keyFormat: Format
  public let valueFormat: Format
  public let keyValueHeads: Int
  public let headSize: Int

  /// - Returns: nil where heads cannot be stored: longer than ``mostHeadSize``, or no multiple of 32 in Q8_0.
  public init?(keyFormat: Format, valueFormat: Format, keyValueHeads: Int, headSize: Int) {
    let hasCodes = keyFormat == .q8_0 || valueFormat == .q8_0
    guard headSize > 0, headSize <= Self.mostHeadSize, keyValueHeads > 0, !hasCodes || headSize % 32 == 0 else {
      return nil
    }
    (self.keyFormat, self.valueFormat) = (keyFormat, valueFormat)
    (self.keyValueHeads, self.headSize) = (keyValueHeads, headSize)
  }

  public var keyPageBytes: Int { unitBytes(keyFormat) }
  public var valuePageBytes: Int { unitBytes(valueFormat) }
  /// 0 where there are no scales.
  public var keyScalePageBytes: Int { scaleBytes(keyFormat) }
  public var valueScalePageBytes: Int { scaleBytes(valueFormat) }

  private func unitBytes(_ format: Format) -> Int {
    keyValueHeads * Self.pagePositions * (format == .f16 ? (headSize + 7) / 8 : headSize / 16) * 16
  }

  private func scaleBytes(_ format: Format) -> Int {
    format == .f16 ? 0 : keyValueHeads * Self.pagePositions * (headSize + 63) / 64 * 4
  }
}

/// Constants of ``ShaderName/rotate``: rotates queries and keys, leaves the queries in place, and stores keys and values.
///
/// Bindings: rows (two `UInt32` a token: position, where the pages of its sequence begin in `pages`), pages (`UInt32`, numbers of
/// pages in the cache: that of position p at start + p / 64), turns (two floats, cosine and sine, of [tokens, pairs]; from
/// `RotaryEmbedding.write`), **projected** ([tokens, stride]: queries, keys, values), **keys**, **values**, **key scales**,
/// **value scales**. Specialization: key format, value format. Grid: (heads + 2 · keyValueHeads, tokens).
public struct RotateConstants: BitwiseCopyable, Sendable {
  public var heads: UInt32
  public var keyValueHeads: UInt32
  public var headSize: UInt32
  public var pairs: UInt32  // rotated ones of a head; 0 where positions are learned
  public var hasHalves: UInt32  // 1: pairs are j and j + pairs, 0: 2j and 2j + 1
  public var stride: UInt32  // floats from token to token of `projected`

  public init(heads: Int, keyValueHeads: Int, headSize: Int, pairs: Int, hasHalves: Bool, stride: Int) {
    (self.heads, self.keyValueHeads, self.headSize) = (UInt32(heads), UInt32(keyValueHeads), UInt32(headSize))
    (self.pairs, self.hasHalves, self.stride) = (UInt32(pairs), hasHalves ? 1 : 0, UInt32(stride))
  }

  public func grid(tokens: Int) -> GPUGrid { GPUGrid(Int(heads + 2 * keyValueHeads), tokens, 1) }
}

/// Rows of one sequence with a stretch of positions: an item of ``ShaderName/attention``.
public struct AttentionTile: BitwiseCopyable, Sendable {
  public static let final = UInt32.max

  public var firstRow: UInt32  // of the batch; rows of a tile are consecutive tokens of one sequence
  public var rows: UInt32
  public var pages: UInt32  // where the sequence's pages begin in `pages`
  public var visible: UInt32  // positions that the first row sees: its own + 1; each later row sees one more
  public var begin: UInt32  // of the stretch, a multiple of 64
  public var end: UInt32  // of the stretch; what a row does not see is left out
  public var state: UInt32  // row of states of the first row; `final` where results are complete
  public var unused: UInt32 = 0

  public init(firstRow: Int, rows: Int, pages: Int, visible: Int, begin: Int, end: Int, state: Int?) {
    (self.firstRow, self.rows, self.pages) = (UInt32(firstRow), UInt32(rows), UInt32(pages))
    (self.visible, self.begin, self.end) = (UInt32(visible), UInt32(begin), UInt32(end))
    self.state = state.map { UInt32($0) } ?? Self.final
  }
}

/// Constants of ``ShaderName/attention``: attention of tiles of rows, or the state of a stretch of it.
///
/// Bindings: tiles (``AttentionTile``), pages, projected (queries first, rotated), keys, values, key scales, value scales,
/// **output** ([rows, outputStride]), **states** ([rows of states, heads, headSize + 2] floats). Specialization:
/// ``specialization(_:queries:)``. Grid: (tiles, keyValueHeads · parts), or by `dispatchIndirect`.
public struct AttentionConstants: BitwiseCopyable, Sendable {
  public var heads: UInt32
  public var keyValueHeads: UInt32
  public var headSize: UInt32
  public var parts: UInt32  // in which a tile's queries of one key/value head are taken
  public var stride: UInt32  // floats from token to token of `projected`
  public var outputStride: UInt32
  public var scale: Float

  /// `tileRows` are the rows of a tile at most, `queries` as specialized.
  public init(
    heads: Int, keyValueHeads: Int, headSize: Int, tileRows: Int, queries: Int, stride: Int, outputStride: Int,
    scale: Float
  ) {
    (self.heads, self.keyValueHeads, self.headSize) = (UInt32(heads), UInt32(keyValueHeads), UInt32(headSize))
    parts = UInt32((tileRows * (heads / keyValueHeads) + queries - 1) / queries)
    (self.stride, self.outputStride, self.scale) = (UInt32(stride), UInt32(outputStride), scale)
  }

  /// Queries that a workgroup takes at once: 4, 8 or 16, whatever leaves the least idle and fits.
  ///
  /// - Parameters:
  ///   - sharing: queries of a token that share a key/value head.
  ///   - rows: rows of a tile at most.
  ///   - headSize: elements of a head.
  public static func queries(sharing: Int, rows: Int, headSize: Int) -> Int {
    let padded = (headSize + 7) / 8 * 8
    let fitting = [16, 8, 4].first { $0 * padded <= 2048 } ?? 4
    let needed = [4, 8, 16].first { $0 >= sharing * rows } ?? 16
    return min(fitting, needed)
  }

  /// Values of the constants of ``ShaderName/attention``: formats of the cache, queries, pages at a time.
  public static func specialization(_ cache: CacheLayout, queries: Int) -> [UInt32] {
    [cache.keyFormat.rawValue, cache.valueFormat.rawValue, UInt32(queries), UInt32(min(4, 32 / queries))]
  }

  public func grid(tiles: Int) -> GPUGrid { GPUGrid(tiles, Int(keyValueHeads * parts), 1) }

  /// Floats of a row of states.
  public var stateFloats: Int { Int(heads) * (Int(headSize) + 2) }
}

/// A row whose states are merged.
public struct AttentionMerge: BitwiseCopyable, Sendable {
  public var first: UInt32  // row of states of the first stretch
  public var count: UInt32  // stretches; 0 where there is nothing to merge
  public var step: UInt32  // rows of states from stretch to stretch
  public var row: UInt32  // of the output

  public init(first: Int, count: Int, step: Int, row: Int) {
    (self.first, self.count, self.step, self.row) = (UInt32(first), UInt32(count), UInt32(step), UInt32(row))
  }
}

/// Constants of ``ShaderName/attentionMerge``. Bindings: merges (``AttentionMerge``), states, **output**. Grid: (heads, merges).
public struct AttentionMergeConstants: BitwiseCopyable, Sendable {
  public var heads: UInt32
  public var headSize: UInt32
  public var outputStride: UInt32

  public init(heads: Int, headSize: Int, outputStride: Int) {
    (self.heads, self.headSize, self.outputStride) = (UInt32(heads), UInt32(headSize), UInt32(outputStride))
  }

  public func grid(merges: Int) -> GPUGrid { GPUGrid(Int(heads), merges, 1) }
}
