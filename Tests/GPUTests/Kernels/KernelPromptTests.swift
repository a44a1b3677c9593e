import PowerInferGPU
import PowerInferTestKit
import Testing

/// Products with many tokens, against sums in double precision.
@Suite(.enabled(if: KernelBench.isPresent, KernelBench.skipped))
struct KernelPromptTests {
  /// Float rounding, as a share of Σ|w·x|; every thread adds all blocks one after the other.
  static let roundingLimit = 1e-6

  static func shapes(_ format: WeightLayout.Format) -> [(Int, Int, Int)] {
    let unit = max(format.blockElements, 32)
    let shapes = [(1, unit, 1), (70, 3 * unit, 17), (130, 2 * unit, 70)]
    return format.blockElements == 1 ? shapes + [(65, 77, 33), (3, 1, 5)] : shapes
  }

  @Test(arguments: WeightLayout.Format.allCases)
  func equalsExactSums(_ format: WeightLayout.Format) throws {
    let bench = try KernelBench.required()
    for (index, (rows, columns, tokens)) in Self.shapes(format).enumerated() {
      let w = FileMatrix(format, rows: rows, columns: columns, seed: 1)
      var generator = SeededGenerator(seed: 2)
      let x = generator.normals(tokens * columns)
      let vectors = try DeviceVectors(x, columns: columns, bench)
      let weights = try w.upload(bench)
      let (yStride, yOffset) = (rows + 7, 3)
      let bias = generator.normals(yStride)
      let read = format.usesEightBitActivations ? vectors.rounded : x
      var (expected, sizes) = exactProduct(w.values, rows: rows, columns: columns, read)
      for i in expected.indices {
        expected[i] = max(0, expected[i] + Double(bias[yOffset + i % rows]))
        sizes[i] += Double(abs(bias[yOffset + i % rows]))
      }
      let tile = PromptTile(tokens: tokens)
      for features in index == 1 ? bench.featureSets : [bench.features] {
        let y = try bench.output(tokens * yStride)
        try bench.run(
          .matmat, tile.specialization(format: format, activation: .relu),
          [weights.codes, weights.rest, vectors.values, vectors.codes, vectors.scales, bench.buffer(bias), y],
          MatVecConstants(
            layout: w.layout, tokens: tokens, xStride: vectors.stride, yStride: yStride, yOffset: yOffset, hasBias: true
          ),
          tile.grid(rows: rows, tokens: tokens), features: features)
        let result = try bench.floats(y, tokens * yStride)
        let own = (0..<tokens * rows).map { result[$0 / rows * yStride + yOffset + $0 % rows] }
        #expect(worst(own, expected, sizes) < Self.roundingLimit, "\(format) \(rows)×\(columns), \(tokens)")
        for i in result.indices where !(yOffset..<yOffset + rows).contains(i % yStride) {
          #expect(result[i] == KernelBench.untouched, "writes beside its rows")
        }
      }
    }
  }

  @Test(arguments: WeightLayout.Format.allCases)
  func neuronsInTwoParts(_ format: WeightLayout.Format) throws {
    let bench = try KernelBench.required()
    let columns = format.blockElements == 1 ? 77 : 3 * max(format.blockElements, 32)
    let (neurons, tokens, split) = (75, 19, 40)
    let w = FileMatrix(format, rows: neurons, columns: columns, seed: 1)
    var generator = SeededGenerator(seed: 2)
    let hidden = generator.normals(tokens * neurons)
    let bias = generator.normals(columns)
    let stride = roundUp(columns, 32)
    let y = try bench.output(tokens * stride)
    let tile = PromptTile(tokens: tokens)
    let hiddenBuffer = try bench.buffer(hidden)
    for part in [0..<split, split..<neurons] {
      let layout = WeightLayout(format: format, rows: part.count, columns: columns)
      let bytes = w.bytes[part.lowerBound * layout.fileRowBytes..<part.upperBound * layout.fileRowBytes]
      let weights = try FileMatrix(layout, bytes: Array(bytes)).upload(bench)
      try bench.run(
        .matmatNeurons, Array(tile.specialization(format: format).prefix(2)),
        [weights.codes, weights.rest, hiddenBuffer, bench.buffer(bias), y],
        MatMatNeuronsConstants(
          layout: layout, firstRow: part.lowerBound, tokens: tokens, hiddenStride: neurons, yStride: stride,
          adds: part.lowerBound > 0, hasBias: part.lowerBound == 0), tile.grid(rows: columns, tokens: tokens))
    }
    let found = try bench.floats(y, tokens * stride)
    for t in 0..<tokens {
      var expected = bias.map { Double($0) }
      var sizes = expected.map { abs($0) }
      for n in 0..<neurons {
        for c in 0..<columns {
          let product = Double(hidden[t * neurons + n]) * Double(w.values[n * columns + c])
          expected[c] += product
          sizes[c] += abs(product)
        }
      }
      #expect(worst(Array(found[t * stride..<t * stride + columns]), expected, sizes) < Self.roundingLimit, "\(format)")
    }
  }

  /// Every tile gives the same bits: they differ in which thread has what, not in any order.
  @Test func tilesAgree() throws {
    let bench = try KernelBench.required()
    let (rows, columns, tokens) = (67, 576, 41)
    let w = FileMatrix(.q4_1, rows: rows, columns: columns, seed: 1)
    var generator = SeededGenerator(seed: 2)
    let vectors = try DeviceVectors(generator.normals(tokens * columns), columns: columns, bench)
    let weights = try w.upload(bench)
    let results = try PromptTile.allCases.map { tile in
      let y = try bench.output(tokens * rows)
      try bench.run(
        .matmat, tile.specialization(format: .q4_1),
        [weights.codes, weights.rest, vectors.values, vectors.codes, vectors.scales, vectors.values, y],
        MatVecConstants(layout: w.layout, tokens: tokens, xStride: vectors.stride, yStride: rows),
        tile.grid(rows: rows, tokens: tokens))
      return try bench.floats(y, tokens * rows).map(\.bitPattern)
    }
    #expect(results[0] == results[1] && results[1] == results[2])
  }
}
