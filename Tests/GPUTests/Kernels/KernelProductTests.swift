import Foundation
import PowerInferGPU
import PowerInferTestKit
import Testing

/// Products of weights with activations, against sums in double precision of what both stand for, and against the processor's
/// portable kernels.
@Suite(.enabled(if: KernelBench.isPresent, KernelBench.skipped))
struct KernelProductTests {
  /// Float rounding, as a share of Σ|w·x|: a lane adds up to columns / 32 / lanes products, then lanes are added.
  static let roundingLimit = 1e-6
  /// The portable kernels round activations to the same codes but for a few on the border of two, and add in another order.
  static let portableLimit = 2e-5

  struct Shape: Sendable, CustomTestStringConvertible {
    var (rows, columns, tokens) = (0, 0, 0)
    var tiling: ProductTiling
    var testDescription: String { "\(rows)×\(columns), \(tokens): \(tiling.lanes) \(tiling.rows) \(tiling.tokens)" }

    init(_ rows: Int, _ columns: Int, _ tokens: Int, _ lanes: Int, _ slotRows: Int, _ slotTokens: Int) {
      (self.rows, self.columns, self.tokens) = (rows, columns, tokens)
      tiling = ProductTiling(lanes: lanes, rows: slotRows, tokens: slotTokens)
    }
  }

  /// Columns in blocks of the format, and of formats without blocks some that fill no unit.
  static func shapes(_ format: WeightLayout.Format) -> [Shape] {
    let unit = max(format.blockElements, 32)
    var shapes = [
      Shape(1, unit, 1, 32, 1, 1), Shape(37, 3 * unit, 1, 8, 2, 1), Shape(70, 5 * unit, 3, 4, 4, 4),
      Shape(19, 9 * unit, 16, 16, 1, 16), Shape(131, 2 * unit, 5, 64, 4, 2), Shape(5, 4 * unit, 2, 128, 2, 8),
    ]
    if format.blockElements == 1 {
      shapes += [Shape(33, 1, 1, 8, 2, 1), Shape(20, 31, 2, 4, 8, 2), Shape(7, 77, 3, 16, 2, 4)]
    }
    return shapes
  }

  static let formats = WeightLayout.Format.allCases

  @Test(arguments: formats)
  func equalsExactSums(_ format: WeightLayout.Format) throws {
    let bench = try KernelBench.required()
    for (index, shape) in Self.shapes(format).enumerated() {
      let w = FileMatrix(format, rows: shape.rows, columns: shape.columns, seed: 1)
      var generator = SeededGenerator(seed: 2)
      let x = generator.normals(shape.tokens * shape.columns)
      let vectors = try DeviceVectors(x, columns: shape.columns, bench)
      let weights = try w.upload(bench)
      let (yStride, yOffset) = (shape.rows + 7, 3)
      let bias = generator.normals(yStride)
      let read = format.usesEightBitActivations ? vectors.rounded : x
      var (expected, sizes) = exactProduct(w.values, rows: shape.rows, columns: shape.columns, read)
      let portable = w.portableProduct(x)
      #expect(worst(portable, expected, sizes) < Self.portableLimit)
      for i in expected.indices {
        expected[i] = max(0, expected[i] + Double(bias[yOffset + i % shape.rows]))
        sizes[i] += Double(abs(bias[yOffset + i % shape.rows]))
      }
      var bits: [[UInt32]] = []
      for (features, depth) in index == 1
        ? bench.featureSets.flatMap({ [($0, 1), ($0, 2)] }) : [(bench.features, index % 2 + 1)]
      {
        var tiling = shape.tiling
        tiling.depth = depth
        let y = try bench.output(shape.tokens * yStride)
        try bench.run(
          .matvec, tiling.specialization(format: format, activation: .relu),
          [
            weights.codes, w.layout.restByteCount > 0 ? weights.rest : weights.codes, vectors.values, vectors.codes,
            vectors.scales, try bench.buffer(bias), y,
          ],
          MatVecConstants(
            layout: w.layout, tokens: shape.tokens, xStride: vectors.stride, yStride: yStride, yOffset: yOffset,
            hasBias: true),
          shape.tiling.grid(rows: shape.rows, tokens: shape.tokens), features: features)
        let result = try bench.floats(y, shape.tokens * yStride)
        let own = (0..<shape.tokens * shape.rows).map { result[$0 / shape.rows * yStride + yOffset + $0 % shape.rows] }
        #expect(worst(own, expected, sizes) < Self.roundingLimit, "\(format) \(shape)")
        bits.append(own.map(\.bitPattern))
        for i in result.indices where !(yOffset..<yOffset + shape.rows).contains(i % yStride) {
          #expect(result[i] == KernelBench.untouched, "\(format) \(shape) writes beside its rows")
        }
      }
      // Neither the depth nor what the dot product is made of changes a bit of quantised formats.
      #expect(!format.usesEightBitActivations || Set(bits).count == 1, "\(format) \(shape)")
    }
  }

  @Test(arguments: formats)
  func gatedNeurons(_ format: WeightLayout.Format) throws {
    let bench = try KernelBench.required()
    for (shape, activation) in zip(Self.shapes(format).suffix(3), [ActivationKind.silu, .relu, .reluBoth]) {
      let gate = FileMatrix(format, rows: shape.rows, columns: shape.columns, seed: 1)
      let up = FileMatrix(format, rows: shape.rows, columns: shape.columns, seed: 2)
      var generator = SeededGenerator(seed: 3)
      let x = generator.normals(shape.tokens * shape.columns)
      let vectors = try DeviceVectors(x, columns: shape.columns, bench)
      let (g, u) = (try gate.upload(bench), try up.upload(bench))
      let read = format.usesEightBitActivations ? vectors.rounded : x
      let (gates, gateSizes) = exactProduct(gate.values, rows: shape.rows, columns: shape.columns, read)
      let (ups, upSizes) = exactProduct(up.values, rows: shape.rows, columns: shape.columns, read)
      let expected = zip(gates, ups).map { gated(activation, $0, $1) }
      // A neuron's slope by its gate is 1.1 at most.
      let sizes = gates.indices.map {
        1.1 * gateSizes[$0] * abs(ups[$0]) + abs(gates[$0]) * upSizes[$0] + 1e-3 * upSizes[$0]
      }
      let yStride = shape.rows + 5
      let y = try bench.output(shape.tokens * yStride)
      try bench.run(
        .gateup, shape.tiling.specialization(format: format, activation: activation),
        [g.codes, g.rest, u.codes, u.rest, vectors.values, vectors.codes, vectors.scales, y],
        GateUpConstants(
          layout: gate.layout, tokens: shape.tokens, xStride: vectors.stride, yStride: yStride, yOffset: 2),
        shape.tiling.grid(rows: shape.rows, tokens: shape.tokens))
      let result = try bench.floats(y, shape.tokens * yStride)
      let own = (0..<shape.tokens * shape.rows).map { result[$0 / shape.rows * yStride + 2 + $0 % shape.rows] }
      #expect(worst(own, expected, sizes) < 3 * Self.roundingLimit, "\(format) \(shape)")
    }
  }

  /// Every tiling that is chosen for a device gives right sums, and the same bits twice.
  @Test func tilingsThatAreChosen() throws {
    let bench = try KernelBench.required()
    for columns in [576, 2080] {
      for tokens in [1, 3, 16, 21] {
        for isSoftware in [false, true] {
          let w = FileMatrix(.q4_0, rows: 29, columns: columns, seed: 5)
          var generator = SeededGenerator(seed: 6)
          let vectors = try DeviceVectors(generator.normals(tokens * columns), columns: columns, bench)
          let weights = try w.upload(bench)
          let (expected, sizes) = exactProduct(w.values, rows: 29, columns: columns, vectors.rounded)
          let tiling = ProductTiling(units: w.layout.units, tokens: tokens, isSoftware: isSoftware)
          #expect(tiling.rows * tiling.tokens <= ProductTiling.most)
          var results: [[Float]] = []
          for _ in 0..<2 {
            let y = try bench.output(tokens * 29)
            try bench.run(
              .matvec, tiling.specialization(format: .q4_0),
              [weights.codes, weights.rest, vectors.values, vectors.codes, vectors.scales, vectors.values, y],
              MatVecConstants(layout: w.layout, tokens: tokens, xStride: vectors.stride, yStride: 29),
              tiling.grid(rows: 29, tokens: tokens))
            results.append(try bench.floats(y, tokens * 29))
          }
          #expect(worst(results[0], expected, sizes) < Self.roundingLimit, "\(columns), \(tokens)")
          #expect(results[0].map(\.bitPattern) == results[1].map(\.bitPattern))
        }
      }
    }
  }
}

/// What a gated neuron gives, in double precision.
func gated(_ activation: ActivationKind, _ gate: Double, _ up: Double) -> Double {
  switch activation {
  case .reluBoth: max(gate, 0) * max(up, 0)
  default: activated(activation, gate) * up
  }
}

func activated(_ activation: ActivationKind, _ x: Double) -> Double {
  switch activation {
  case .none: x
  case .relu, .reluBoth: max(x, 0)
  case .silu: x / (1 + exp(-x))
  case .gelu: x * 0.5 * erfc(-x / 2.0.squareRoot())
  }
}
