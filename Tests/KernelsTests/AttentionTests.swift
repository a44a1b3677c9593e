import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Attention of every instruction set against exact sums in double precision. (Tests/CKernelsCheck has many more shapes, and
/// NaN and infinities.)
struct AttentionTests {
  /// Values about 1: float rounding of the scores (up to about 10) sets the error.
  static let floatLimit = 5e-6
  /// Rounding a query to 8 bits moves each product by up to 1/254 of the block's largest element; about 0.01 in a score of
  /// normal numbers, and so about 1 % of a weight.
  static let codeLimit = 2e-2

  /// Memory of one head, with the values that it stands for.
  final class Cache {
    let head: CacheHead
    private(set) var keys: [Double] = []  // [positions, size]
    private(set) var values: [Double] = []  // [positions, size]
    private let memory: UnsafeMutableRawPointer
    private let pages: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>>

    init(_ kernels: Kernels, _ format: WeightFormat, size: Int, positions: Int, seed: UInt64) {
      let tile = Kernels.attentionTile
      let (count, half) = ((positions + tile - 1) / tile, tile * format.rowBytes(columns: size))
      memory = .allocate(byteCount: count * 2 * half, alignment: 64)
      memory.initializeMemory(as: UInt8.self, repeating: 0xff, count: count * 2 * half)
      pages = .allocate(capacity: count)
      // The last page first, so that no page follows its neighbour.
      for page in 0..<count {
        (pages + page).initialize(
          to: (memory + (count - 1 - page) * 2 * half).assumingMemoryBound(to: UInt8.self))
      }
      head = CacheHead(
        pages: pages, keyOffset: 0, valueOffset: half, headSize: size, keyFormat: format, valueFormat: format)
      var generator = SeededGenerator(seed: seed)
      for position in 0..<positions {
        let (key, value) = (generator.normals(size), generator.normals(size))
        kernels.storeKey(key, at: position, in: head)
        kernels.storeValue(value, at: position, in: head)
        keys += Self.stored(key, format)
        values += Self.stored(value, format)
      }
    }

    deinit {
      memory.deallocate()
      pages.deallocate()
    }

    /// What a row is after it went through the format.
    static func stored(_ row: [Float], _ format: WeightFormat) -> [Double] {
      let bytes = UnsafeMutableRawPointer.allocate(byteCount: format.rowBytes(columns: row.count), alignment: 1)
      defer { bytes.deallocate() }
      var back = row
      Kernels.portable.quantize(format, row, count: row.count, into: bytes)
      Kernels.portable.dequantize(format, bytes, count: row.count, into: &back)
      return back.map(Double.init)
    }

    func attention(_ query: [Float], positions: Int, scale: Float) -> [Double] {
      let size = query.count
      let scores = (0..<positions).map { p in
        (0..<size).reduce(0.0) { $0 + Double(query[$1]) * keys[p * size + $1] } * Double(scale)
      }
      let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
      let sum = weights.reduce(0, +)
      return (0..<size).map { c in
        (0..<positions).reduce(0.0) { $0 + weights[$1] / sum * values[$1 * size + c] }
      }
    }
  }

  /// Attention of the last tokens in one call, [tokens, group, size].
  func attend(
    _ kernels: Kernels, _ cache: Cache, _ queries: [Float], tokens: Int, group: Int, size: Int, positions: Int,
    chunk: Int
  ) -> [Float] {
    let state = Kernels.stateFloats(headSize: size)
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
      UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64).assumingMemoryBound(to: Float.self)
    }
    let scratch = floats(Kernels.attentionScratchFloats(headSize: size, queries: tokens * group))
    let states = floats(tokens * group * state)
    defer {
      scratch.deallocate()
      states.deallocate()
    }
    var out = [Float](repeating: .nan, count: queries.count)
    kernels.attend(
      queries: queries, tokens: tokens, groupSize: group, to: cache.head, visible: positions - tokens + 1,
      positions: 0..<positions, chunk: chunk, scale: 1 / Float(size).squareRoot(), scratch: scratch, states: states)
    out.withUnsafeMutableBufferPointer {
      for query in 0..<tokens * group {
        kernels.mergeStates(
          states + query * state, count: 1, step: 0, headSize: size, into: $0.baseAddress! + query * size)
      }
    }
    return out
  }

  @Test(arguments: Kernels.all.map(\.instructionSet), [WeightFormat.f16, .q8_0])
  func attends(_ set: InstructionSet, _ format: WeightFormat) throws {
    let kernels = try #require(Kernels(set))
    for (group, size, positions, tokens) in [
      (1, 64, 1, 1), (3, 64, 67, 5), (4, 128, 9, 1), (5, 80, 33, 2), (2, 6, 7, 3), (8, 20, 18, 1), (7, 96, 130, 2),
      (9, 256, 70, 1),
    ] where size % format.blockElements == 0 {
      let cache = Cache(kernels, format, size: size, positions: positions, seed: UInt64(size))
      var generator = SeededGenerator(seed: UInt64(group * 1000 + size))
      let queries = generator.normals(tokens * group * size)
      let out = attend(
        kernels, cache, queries, tokens: tokens, group: group, size: size, positions: positions, chunk: 64)
      for query in 0..<tokens * group {
        let range = query * size..<(query + 1) * size
        let expected = cache.attention(
          Array(queries[range]), positions: positions - tokens + 1 + query / group, scale: 1 / Float(size).squareRoot())
        let limit = format == .f16 ? Self.floatLimit : Self.codeLimit
        #expect(largestDifference(Array(out[range]), expected) < limit, "\(group) \(size) \(positions) \(query)")
      }
    }
  }

  /// One chunk of all positions or many small ones: the same within rounding; one token or many: the same bits.
  @Test(arguments: Kernels.all.map(\.instructionSet), [WeightFormat.f16, .q8_0])
  func chunksAndTokensTogether(_ set: InstructionSet, _ format: WeightFormat) throws {
    let kernels = try #require(Kernels(set))
    let (group, size, positions, tokens) = (3, 64, 400, 10)
    let cache = Cache(kernels, format, size: size, positions: positions, seed: 5)
    var generator = SeededGenerator(seed: 6)
    let queries = generator.normals(tokens * group * size)
    let whole = attend(
      kernels, cache, queries, tokens: tokens, group: group, size: size, positions: positions, chunk: 448)
    let parts = attend(
      kernels, cache, queries, tokens: tokens, group: group, size: size, positions: positions, chunk: 64)
    #expect(largestDifference(parts, whole.map(Double.init)) < Self.floatLimit)
    for token in 0..<tokens {
      let range = token * group * size..<(token + 1) * group * size
      let alone = attend(
        kernels, cache, Array(queries[range]), tokens: 1, group: group, size: size,
        positions: positions - tokens + 1 + token, chunk: 64)
      #expect(alone == Array(parts[range]))
    }
  }
}
