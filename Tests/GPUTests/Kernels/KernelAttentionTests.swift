import Foundation
import PowerInferGPU
import PowerInferTestKit
import Testing

/// Rotation, cache and attention of a batch with several sequences, against double precision.
@Suite(.enabled(if: KernelBench.isPresent, KernelBench.skipped))
struct KernelAttentionTests {
  /// As a share of the largest value: scores and weights in floats, e^x good to a few ulp.
  static let limit = 1e-5

  struct Case: Sendable, CustomTestStringConvertible {
    var heads: Int
    var keyValueHeads: Int
    var headSize: Int
    var keys = CacheLayout.Format.f16
    var values = CacheLayout.Format.f16
    var rotated: Int? = nil
    var hasHalves = false
    var testDescription: String { "\(heads)/\(keyValueHeads) × \(headSize), \(keys) \(values)" }
  }

  static let cases = [
    Case(heads: 9, keyValueHeads: 3, headSize: 64),
    Case(heads: 4, keyValueHeads: 4, headSize: 20, rotated: 12, hasHalves: true),
    Case(heads: 23, keyValueHeads: 1, headSize: 32, keys: .q8_0, values: .q8_0, hasHalves: true),
    Case(heads: 8, keyValueHeads: 2, headSize: 128, keys: .q8_0),
    Case(heads: 2, keyValueHeads: 2, headSize: 96, values: .q8_0, rotated: 0),
    Case(heads: 2, keyValueHeads: 1, headSize: 256, keys: .q8_0, values: .q8_0),
    Case(heads: 3, keyValueHeads: 1, headSize: 4),
  ]

  /// Three sequences: a piece of a prompt, a single token far on, one at the beginning.
  static let pieces = [(first: 70, count: 5), (first: 150, count: 1), (first: 0, count: 1)]

  @Test(arguments: cases) func equalsExactAttention(_ some: Case) throws {
    let bench = try KernelBench.required()
    let (heads, kv, size) = (some.heads, some.keyValueHeads, some.headSize)
    let layout = try #require(
      CacheLayout(keyFormat: some.keys, valueFormat: some.values, keyValueHeads: kv, headSize: size))
    let stride = roundUp((heads + 2 * kv) * size, 32)
    var generator = SeededGenerator(seed: 5)
    let pairs = (some.rotated ?? size) / 2

    // Every position of every sequence once, so that the cache has them all.
    let lengths = Self.pieces.map { $0.first + $0.count }
    var rows: [(sequence: Int, position: Int)] = []
    for (sequence, length) in lengths.enumerated() { rows += (0..<length).map { (sequence, $0) } }
    // Pages in no order.
    var pages: [UInt32] = []
    let starts = lengths.map { length -> Int in
      let start = pages.count
      for _ in 0..<(length + 63) / 64 { pages.append(UInt32((pages.count * 5 + 3) % 7)) }
      return start
    }
    #expect(Set(pages).count == pages.count)
    let projected = generator.normals(rows.count * stride)
    let turns = rows.flatMap { row in
      (0..<pairs).flatMap { pair -> [Float] in
        let angle = Double(row.position) * pow(10000, -Double(pair) / Double(max(pairs, 1)))
        return [Float(cos(angle)), Float(sin(angle))]
      }
    }
    func cache(_ bytes: Int) throws -> any GPUBuffer {
      try bench.buffer([UInt8](repeating: 0xff, count: max(7 * bytes, 16)))
    }
    let (keys, values) = (try cache(layout.keyPageBytes), try cache(layout.valuePageBytes))
    let (keyScales, valueScales) = (try cache(layout.keyScalePageBytes), try cache(layout.valueScalePageBytes))
    let projectedBuffer = try bench.buffer(projected)
    let pageBuffer = try bench.buffer(pages)
    let rotate = RotateConstants(
      heads: heads, keyValueHeads: kv, headSize: size, pairs: pairs, hasHalves: some.hasHalves, stride: stride)
    try bench.run(
      .rotate, [some.keys.rawValue, some.values.rawValue],
      [
        bench.buffer(rows.flatMap { [UInt32($0.position), UInt32(starts[$0.sequence])] }), pageBuffer,
        bench.buffer(turns.isEmpty ? [0] : turns), projectedBuffer, keys, values, keyScales, valueScales,
      ], rotate, rotate.grid(tokens: rows.count))

    // The reference.
    let reference = Reference(some, projected: projected, stride: stride, turns: turns, pairs: pairs)
    let rotatedOnDevice = try bench.floats(projectedBuffer, rows.count * stride)
    for row in rows.indices {
      for head in 0..<heads {
        let expected = reference.vector(row, head)
        let found = (0..<size).map { rotatedOnDevice[row * stride + head * size + $0] }
        #expect(worst(found, expected, expected.map { abs($0) + 1 }) < 1e-6)
      }
    }
    var firsts: [Int] = []
    for sequence in lengths.indices { firsts.append(rows.firstIndex { $0.sequence == sequence } ?? 0) }

    // Tiles of up to three rows, whole or in stretches of 64 positions, rows of the batch being rows of `projected`.
    for isSplit in [false, true] {
      var (tiles, merges): ([AttentionTile], [AttentionMerge]) = ([], [])
      var states = 0
      for (sequence, piece) in Self.pieces.enumerated() {
        for start in Swift.stride(from: 0, to: piece.count, by: 3) {
          let count = min(3, piece.count - start)
          let (row, visible) = (firsts[sequence] + piece.first + start, piece.first + start + 1)
          let end = visible + count - 1
          // The last row sees the end; a stretch that only later rows see would leave the first ones without a state.
          guard isSplit, count == 1 else {
            tiles.append(
              AttentionTile(
                firstRow: row, rows: count, pages: starts[sequence], visible: visible, begin: 0, end: end, state: nil))
            continue
          }
          let first = states
          for begin in Swift.stride(from: 0, to: end, by: 64) {
            tiles.append(
              AttentionTile(
                firstRow: row, rows: count, pages: starts[sequence], visible: visible, begin: begin,
                end: min(begin + 64, end), state: states))
            states += count
          }
          merges.append(AttentionMerge(first: first, count: states - first, step: 1, row: row))
        }
      }
      let outputStride = roundUp(heads * size, 32)
      let queries = AttentionConstants.queries(sharing: heads / kv, rows: 3, headSize: size)
      let constants = AttentionConstants(
        heads: heads, keyValueHeads: kv, headSize: size, tileRows: 3, queries: queries, stride: stride,
        outputStride: outputStride, scale: 1 / Float(size).squareRoot())
      var results: [[Float]] = []
      for _ in 0..<2 {
        let output = try bench.output(rows.count * outputStride)
        let stateBuffer = try bench.output(max(states, 1) * constants.stateFloats)
        try bench.run(
          .attention, AttentionConstants.specialization(layout, queries: queries),
          [
            bench.buffer(tiles), pageBuffer, projectedBuffer, keys, values, keyScales, valueScales, output, stateBuffer,
          ], constants, constants.grid(tiles: tiles.count))
        if !merges.isEmpty {
          let merge = AttentionMergeConstants(heads: heads, headSize: size, outputStride: outputStride)
          try bench.run(
            .attentionMerge, [], [bench.buffer(merges), stateBuffer, output], merge, merge.grid(merges: merges.count))
        }
        results.append(try bench.floats(output, rows.count * outputStride))
      }
      #expect(results[0].map(\.bitPattern) == results[1].map(\.bitPattern))
      for (sequence, piece) in Self.pieces.enumerated() {
        for offset in 0..<piece.count {
          let row = firsts[sequence] + piece.first + offset
          for head in 0..<heads {
            let expected = reference.attend(row, head: head, over: firsts[sequence]...row)
            let found = (0..<size).map { results[0][row * outputStride + head * size + $0] }
            #expect(
              worst(found, expected, expected.map { _ in 3 }) < Self.limit, "\(some) split \(isSplit), row \(row)")
          }
        }
      }
      // What no tile names stays.
      #expect(results[0][outputStride] == KernelBench.untouched)
    }
  }

  /// The same in double precision, with keys and values rounded as the cache rounds them.
  struct Reference {
    let some: Case
    let projected: [Float]
    let stride: Int
    let turns: [Float]
    let pairs: Int
    private var keys: [[Double]] = []  // [rows, key/value heads], as stored
    private var values: [[Double]] = []

    init(_ some: Case, projected: [Float], stride: Int, turns: [Float], pairs: Int) {
      (self.some, self.projected, self.stride, self.turns, self.pairs) = (some, projected, stride, turns, pairs)
      for row in 0..<projected.count / stride {
        for own in 0..<some.keyValueHeads {
          keys.append(stored(vector(row, some.heads + own), some.keys))
          values.append(stored(vector(row, some.heads + some.keyValueHeads + own), some.values))
        }
      }
    }

    /// A head of a row: queries', keys', values'.
    func vector(_ row: Int, _ head: Int) -> [Double] {
      var x = (0..<some.headSize).map { Double(projected[row * stride + head * some.headSize + $0]) }
      guard head < some.heads + some.keyValueHeads else { return x }
      for pair in 0..<pairs {
        let (c, s) = (Double(turns[(row * pairs + pair) * 2]), Double(turns[(row * pairs + pair) * 2 + 1]))
        let (i, j) = some.hasHalves ? (pair, pair + pairs) : (2 * pair, 2 * pair + 1)
        (x[i], x[j]) = (x[i] * c - x[j] * s, x[i] * s + x[j] * c)
      }
      return x
    }

    func stored(_ x: [Double], _ format: CacheLayout.Format) -> [Double] {
      if format == .f16 { return x.map { halfValue(halfBits(Float($0))) } }
      return (0..<x.count / 32).flatMap { block -> [Double] in
        let part = x[block * 32..<(block + 1) * 32].map { Float($0) }
        let most = part.map(abs).max() ?? 0
        let scale = halfValue(halfBits(most / 127))
        return part.map { Double(($0 * (127 / most)).rounded(.toNearestOrEven)) * scale }
      }
    }

    func attend(_ row: Int, head: Int, over rows: ClosedRange<Int>) -> [Double] {
      let own = head / (some.heads / some.keyValueHeads)
      let query = vector(row, head)
      let scores = rows.map { other -> Double in
        let key = keys[other * some.keyValueHeads + own]
        return zip(query, key).reduce(0) { $0 + $1.0 * $1.1 } / Double(some.headSize).squareRoot()
      }
      let most = scores.max() ?? 0
      let weights = scores.map { exp($0 - most) }
      let total = weights.reduce(0, +)
      var result = [Double](repeating: 0, count: some.headSize)
      for (weight, other) in zip(weights, rows) {
        let value = values[other * some.keyValueHeads + own]
        for c in result.indices { result[c] += weight / total * value[c] }
      }
      return result
    }
  }
}

/// The value of half-precision bits, written out from the definition of the format.
func halfValue(_ bits: UInt16) -> Double {
  let sign: Double = bits & 0x8000 == 0 ? 1 : -1
  let exponent = Int(bits >> 10) & 31
  let fraction = Double(bits & 0x3ff) / 1024
  if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
  return exponent == 0 ? sign * fraction * 0x1p-14 : sign * (1 + fraction) * exp2(Double(exponent - 15))
}
