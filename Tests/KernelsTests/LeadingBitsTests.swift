import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Rows in two areas. What their leading bits say is checked against double precision in `Tests/CKernelsCheck`.
struct LeadingBitsTests {
  static let formats = WeightFormat.allCases.filter(\.hasLeadingBits)

  /// The rows of a matrix in two areas, exactly as large as what they hold.
  private final class OwnedSplit {
    let matrix: SplitMatrix
    private let areas: [UnsafeMutableRawPointer]

    init(_ source: Matrix, isStriped: Bool = false) {
      let leadingBytes = source.format.leadingBytes(columns: source.columns)
      let restBytes = source.format.restBytes(columns: source.columns)
      let width = WeightFormat.stripeRows
      let filled = (source.rows + width - 1) / width * width
      let areas = [filled * leadingBytes, source.rows * restBytes].map {
        UnsafeMutableRawPointer.allocate(byteCount: $0, alignment: 1)
      }
      memset(areas[0], 0, filled * leadingBytes)
      for row in 0..<source.rows {
        source.split(row: row, leading: areas[0] + row * leadingBytes, rest: areas[1] + row * restBytes)
      }
      for first in stride(from: 0, to: isStriped ? filled : 0, by: width) {
        let rows = [UInt8](
          UnsafeRawBufferPointer(start: areas[0] + first * leadingBytes, count: width * leadingBytes))
        source.format.makeLeadingStripe(rows, columns: source.columns, into: areas[0] + first * leadingBytes)
      }
      self.areas = areas
      matrix = SplitMatrix(
        format: source.format, rows: source.rows, columns: source.columns, leading: areas[0], rest: areas[1],
        isStriped: isStriped)
    }

    deinit { for area in areas { area.deallocate() } }
  }

  @Test(arguments: formats)
  func partsAreAsManyBytesAsTheRow(_ format: WeightFormat) {
    for columns in [256, 768, 4096] {
      let parts = (format.leadingBytes(columns: columns), format.restBytes(columns: columns))
      #expect(parts.0 + parts.1 == format.rowBytes(columns: columns))
      // Two bits of every code beside the scales.
      #expect(parts.0 > columns / 4 && parts.0 <= columns / 4 + columns / 8)
    }
    #expect(!WeightFormat.f16.hasLeadingBits && WeightFormat.f16.leadingBytes(columns: 64) == 0)
  }

  /// A gate that was completed decides as if it had been read in one piece.
  @Test(arguments: formats)
  func completedProductsAreThoseOfWholeRows(_ format: WeightFormat) {
    for (rows, blocks) in [(1, 1), (37, 18), (9, 70)] {
      let columns = MultiplyTests.columns(format, format.blockElements == 256 ? (blocks + 7) / 8 : blocks)
      let w = OwnedMatrix(format, rows: rows, columns: columns, seed: UInt64(rows))
      let split = OwnedSplit(w.matrix)
      let scratch = UnsafeMutableRawPointer.allocate(byteCount: Kernels.joinedBytes(split.matrix), alignment: 64)
      defer { scratch.deallocate() }
      var generator = SeededGenerator(seed: 17)
      let x = Activations(generator.normals(columns), columns: columns)
      let lists: [[UInt32]] = [
        [], [0], Array(0..<UInt32(rows)), (0..<71).map { _ in UInt32.random(in: 0..<UInt32(rows), using: &generator) },
      ]
      for kernels in Kernels.all {
        let all = kernels.product(w.matrix, x)
        for list in lists {
          var y = [Float](repeating: .nan, count: list.count)
          list.withUnsafeBufferPointer {
            kernels.multiply(split.matrix, listed: $0, by: x, into: &y, scratch: scratch)
          }
          #expect(bits(y) == bits(list.map { all[Int($0)] }), "\(format) \(rows)×\(columns), \(kernels.instructionSet)")
        }
      }
    }
  }

  /// The same from stripes. Nibbles are completed into stripes, whose sums they have.
  @Test(arguments: formats.filter(\.hasPlanes))
  func stripesAreCompleted(_ format: WeightFormat) {
    for (rows, blocks) in [(16, 1), (37, 18), (80, 33)] {
      let columns = MultiplyTests.columns(format, blocks)
      let width = WeightFormat.stripeRows
      let w = OwnedMatrix(format, rows: (rows + width - 1) / width * width, columns: columns, seed: UInt64(rows))
      let some = w.matrix.rows(0..<rows)
      let (split, side) = (OwnedSplit(some, isStriped: true), OwnedSplit(some))
      let scratch = UnsafeMutableRawPointer.allocate(byteCount: Kernels.joinedBytes(split.matrix), alignment: 64)
      defer { scratch.deallocate() }
      var generator = SeededGenerator(seed: 29)
      let x = Activations(generator.normals(columns), columns: columns)
      let input = LeadingInput(columns: columns, capacity: 1)
      let lists: [[UInt32]] = [[], [0], Array(0..<UInt32(rows)), (0..<UInt32(rows)).filter { $0 % 3 != 1 }]
      for kernels in Kernels.all where kernels.hasStripes || kernels.instructionSet == .portable {
        var all = kernels.product(w.matrix, x)
        if kernels.hasStripes, format == .q4_0 || format == .q4_1 { w.withStripes { all = kernels.product($0, x) } }
        for list in lists {
          var y = [Float](repeating: .nan, count: list.count)
          list.withUnsafeBufferPointer {
            kernels.multiply(split.matrix, listed: $0, by: x, into: &y, scratch: scratch)
          }
          #expect(bits(y) == bits(list.map { all[Int($0)] }), "\(format) \(rows)×\(columns), \(kernels.instructionSet)")
        }
        x.quantize(tokens: 0..<1, using: kernels)
        kernels.arrange(x, token: 0, into: input, slot: 0)
        let said = [split, side].map { some in
          var (z, deviation) = ([Float](repeating: 0, count: rows), [Float](repeating: 0, count: rows))
          kernels.leadingProducts(some.matrix, rows: 0..<rows, by: input, slot: 0, into: &z, deviation: &deviation)
          return z + deviation
        }
        for (found, expected) in zip(said[0], said[1]) { #expect(abs(found - expected) < 1e-4 * max(1, abs(expected))) }
      }
    }
  }

  /// Bits beyond the leading ones are no part of it, and uniform ones stay within a few of its deviations.
  @Test(arguments: formats)
  func deviationsCoverTheRest(_ format: WeightFormat) {
    let (rows, columns) = (256, 1024)
    let w = OwnedMatrix(format, rows: rows, columns: columns, seed: 5)
    let split = OwnedSplit(w.matrix)
    var generator = SeededGenerator(seed: 23)
    let x = Activations(generator.normals(2 * columns), columns: columns)
    let input = LeadingInput(columns: columns, capacity: 2)
    for kernels in Kernels.all {
      let exact = kernels.product(w.matrix, x)
      for token in 0..<2 {
        x.quantize(tokens: token..<token + 1, using: kernels)
        kernels.arrange(x, token: token, into: input, slot: 1 - token)
        var (z, deviation) = ([Float](repeating: 0, count: rows), [Float](repeating: 0, count: rows))
        kernels.leadingProducts(
          split.matrix, rows: 0..<rows, by: input, slot: 1 - token, into: &z, deviation: &deviation)
        let errors = (0..<rows).map { Double((exact[token * rows + $0] - z[$0]) / deviation[$0]) }
        let spread = (errors.reduce(0) { $0 + $1 * $1 } / Double(rows)).squareRoot()
        // K types have random codes; in blocks of 32 one code is always the largest, whose rest is not uniform.
        #expect(spread > 0.8 && spread < 1.2 && errors.allSatisfy { abs($0) < 5 }, "\(format): \(spread)")
      }
    }
  }
}
