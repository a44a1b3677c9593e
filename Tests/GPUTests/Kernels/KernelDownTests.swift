import PowerInferGPU
import PowerInferTestKit
import Testing

/// Sums of neurons' rows, against double precision.
@Suite(.enabled(if: KernelBench.isPresent, KernelBench.skipped))
struct KernelDownTests {
  /// Float rounding, as a share of Σ|h·w|: runs of up to some tens of neurons, eight runs, some pieces.
  static let roundingLimit = 1e-6

  struct Case {
    var (neurons, columns, tokens) = (0, 0, 0)
    init(_ neurons: Int, _ columns: Int, _ tokens: Int) {
      (self.neurons, self.columns, self.tokens) = (neurons, columns, tokens)
    }
  }

  static func cases(_ format: WeightLayout.Format) -> [Case] {
    let unit = max(format.blockElements, 32)
    var cases = [
      Case(1, unit, 1), Case(100, 3 * unit, 1), Case(700, 5 * unit, 2), Case(65, 2 * unit, 3), Case(200, unit, 11),
    ]
    if format.blockElements == 1 { cases += [Case(70, 1, 1), Case(40, 77, 5)] }
    return cases
  }

  /// The sum over pieces, in order, as ``ShaderName/norm`` adds them.
  static func sums(_ parts: [Float], pieces: Int, count: Int) -> [Float] {
    (0..<count).map { i in (0..<pieces).reduce(Float(0)) { $0 + parts[$1 * count + i] } }
  }

  @Test(arguments: WeightLayout.Format.allCases)
  func equalsExactSums(_ format: WeightLayout.Format) throws {
    let bench = try KernelBench.required()
    for some in Self.cases(format) {
      let (neurons, columns, tokens) = (some.neurons, some.columns, some.tokens)
      let w = FileMatrix(format, rows: neurons, columns: columns, seed: 8)
      let weights = try w.upload(bench)
      var generator = SeededGenerator(seed: 9)
      let hidden = (0..<tokens * neurons).map { _ in
        Float.random(in: 0..<1, using: &generator) < 0.3 ? generator.normal() : 0
      }
      let bias = generator.normals(columns)
      let runs = NeuronRuns(neurons: neurons)
      let (stride, hiddenStride) = (roundUp(columns, 32), roundUp(neurons, 32))
      let constants = DownConstants(
        layout: w.layout, runs: runs, tokens: tokens, hiddenStride: hiddenStride, partStride: tokens * stride,
        rowStride: stride, hasBias: true)
      let dense = try bench.buffer([Float](repeating: 0, count: runs.pieces * tokens * stride))
      let dummy = try bench.buffer([UInt32](repeating: 0, count: 4))
      try bench.run(
        .down, DownConstants.specialization(format: format, isListed: false, tokens: tokens),
        [
          weights.codes, weights.rest, bench.buffer(padded(hidden, columns: neurons, stride: hiddenStride)), dummy,
          dummy,
          bench.buffer(bias), dense,
        ], constants, constants.grid)
      let parts = try bench.floats(dense, runs.pieces * tokens * stride)
      let found = Self.sums(parts, pieces: runs.pieces, count: tokens * stride)
      for t in 0..<tokens {
        var expected = bias.map { Double($0) }
        var sizes = expected.map { abs($0) + 0.01 }
        for n in 0..<neurons {
          for c in 0..<columns {
            let product = Double(hidden[t * neurons + n]) * Double(w.values[n * columns + c])
            expected[c] += product
            sizes[c] += abs(product)
          }
        }
        let row = Array(found[t * stride..<t * stride + columns])
        #expect(worst(row, expected, sizes) < Self.roundingLimit, "\(format) \(some)")
        #expect(found[t * stride + columns..<(t + 1) * stride].allSatisfy { $0 == 0 }, "padding")
      }
      // With a list of those neurons that give something, the same bits.
      let listed = (0..<neurons).filter { n in (0..<tokens).contains { hidden[$0 * neurons + n] != 0 } }
      var starts = (0..<runs.count).map { run in UInt32(listed.count { $0 < run * runs.run }) }
      starts.append(UInt32(listed.count))
      let entries = max(listed.count, 1)
      var given = [Float](repeating: 0, count: tokens * entries)
      for t in 0..<tokens { for (i, n) in listed.enumerated() { given[t * entries + i] = hidden[t * neurons + n] } }
      var sparse = constants
      sparse.hiddenStride = UInt32(entries)
      let partsOfList = try bench.buffer([Float](repeating: 0, count: runs.pieces * tokens * stride))
      try bench.run(
        .down, DownConstants.specialization(format: format, isListed: true, tokens: tokens),
        [
          weights.codes, weights.rest, bench.buffer(given), bench.buffer(listed.map { UInt32($0) } + [0]),
          bench.buffer(starts),
          bench.buffer(bias), partsOfList,
        ], sparse, sparse.grid)
      #expect(try bench.floats(partsOfList, runs.pieces * tokens * stride).map(\.bitPattern) == parts.map(\.bitPattern))
    }
  }

  /// A matrix in two parts of whole pieces gives the parts of the whole.
  @Test func inParts() throws {
    let bench = try KernelBench.required()
    let (neurons, columns) = (900, 96)
    let w = FileMatrix(.q4_0, rows: neurons, columns: columns, seed: 3)
    var generator = SeededGenerator(seed: 2)
    let hidden = try bench.buffer(generator.normals(neurons))
    let runs = NeuronRuns(neurons: neurons)
    let dummy = try bench.buffer([UInt32](repeating: 0, count: 4))
    func run(_ parts: [Range<Int>]) throws -> [Float] {
      let output = try bench.output(runs.pieces * columns)
      for part in parts {
        let layout = WeightLayout(format: .q4_0, rows: part.count, columns: columns)
        let bytes = w.bytes[part.lowerBound * layout.fileRowBytes..<part.upperBound * layout.fileRowBytes]
        let weights = try FileMatrix(layout, bytes: Array(bytes)).upload(bench)
        let constants = DownConstants(
          layout: layout, runs: runs, firstRow: part.lowerBound, tokens: 1, hiddenStride: neurons, partStride: columns,
          rowStride: columns)
        try bench.run(
          .down, DownConstants.specialization(format: .q4_0, isListed: false, tokens: 1),
          [weights.codes, weights.rest, hidden, dummy, dummy, hidden, output], constants, constants.grid)
      }
      return try bench.floats(output, runs.pieces * columns)
    }
    #expect(try run([0..<neurons]) == (try run([0..<2 * runs.partNeurons, 2 * runs.partNeurons..<neurons])))
  }
}
