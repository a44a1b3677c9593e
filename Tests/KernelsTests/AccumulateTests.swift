import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Sums of weight rows under coefficients, most of them zero, against exact sums in double precision.
struct AccumulateTests {
  /// Float rounding, as a share of Σ|h·w|.
  static let roundingLimit = 2e-6

  static func coefficients(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Float.random(in: 0..<1, using: &generator) < 0.3 ? generator.normal() : 0 }
  }

  @Test(arguments: WeightFormat.allCases)
  func equalsExactSums(_ format: WeightFormat) {
    let unit = max(format.blockElements, 32)
    var shapes = [
      (1, unit, 1), (5, 3 * unit, 2), (64, unit, 3), (97, 9 * unit, 1), (600, 18 * unit, 1), (33, 4 * unit, 33),
    ]
    // Rows of plain floats may have any length.
    if format.blockElements == 1 { shapes += [(7, 1, 1), (20, 31, 5), (9, 33, 1), (40, 6 * 32 + 8, 4)] }
    for (rows, columns, tokens) in shapes {
      let w = OwnedMatrix(format, rows: rows, columns: columns, seed: 11)
      let h = Self.coefficients(rows * tokens, seed: 12)
      var expected = [Double](repeating: 0.5, count: tokens * columns)
      var sizes = [Double](repeating: 0.5, count: tokens * columns)
      for t in 0..<tokens {
        for r in 0..<rows where h[t * rows + r] != 0 {
          for c in 0..<columns {
            let product = Double(h[t * rows + r]) * Double(w.values[r * columns + c])
            expected[t * columns + c] += product
            sizes[t * columns + c] += abs(product)
          }
        }
      }
      for kernels in Kernels.all {
        var y = [Float](repeating: 0.5, count: tokens * columns)
        kernels.accumulateRows(
          w.matrix, coefficients: h, hStride: rows, tokens: 0..<tokens, columns: 0..<columns, into: &y, stride: columns)
        let worst = zip(y, zip(expected, sizes)).map { abs(Double($0) - $1.0) / $1.1 }.max() ?? .infinity
        #expect(worst < Self.roundingLimit, "\(format) \(rows)×\(columns), \(tokens) in \(kernels.instructionSet)")
      }
    }
  }

  @Test(arguments: WeightFormat.allCases)
  func divisionIsInvisible(_ format: WeightFormat) {
    let unit = max(format.blockElements, 32)
    let (rows, columns, tokens) = (700, unit * 11, 21)
    let w = OwnedMatrix(format, rows: rows, columns: columns, seed: 21)
    let h = Self.coefficients(rows * tokens, seed: 22)
    for kernels in Kernels.all {
      func run(_ columnStep: Int, _ tokenStep: Int) -> [Float] {
        var y = [Float](repeating: 0.25, count: tokens * columns)
        for column in stride(from: 0, to: columns, by: columnStep * unit) {
          for token in stride(from: 0, to: tokens, by: tokenStep) {
            kernels.accumulateRows(
              w.matrix, coefficients: h, hStride: rows, tokens: token..<min(tokens, token + tokenStep),
              columns: column..<min(columns, column + columnStep * unit), into: &y, stride: columns)
          }
        }
        return y
      }
      let whole = run(11, 21)
      for (columnStep, tokenStep) in [(1, 1), (5, 21), (11, 1), (4, 6)] {
        #expect(
          bits(run(columnStep, tokenStep)) == bits(whole),
          "\(format) by \(columnStep)×\(tokenStep) in \(kernels.instructionSet)")
      }
    }
  }

  /// A row under a zero coefficient is not read: its NaN and infinity do not reach the sum. Other columns stay untouched.
  @Test func skipsZeros() {
    let w = [Float](repeating: .nan, count: 64) + [Float](repeating: 2, count: 64)
    w.withUnsafeBytes { bytes in
      let matrix = Matrix(format: .f32, rows: 2, columns: 64, data: bytes.baseAddress!)
      for kernels in Kernels.all {
        var y = [Float](repeating: 1, count: 64)
        kernels.accumulateRows(
          matrix, coefficients: [0, 3], hStride: 2, tokens: 0..<1, columns: 32..<64, into: &y, stride: 64)
        #expect(y == [Float](repeating: 1, count: 32) + [Float](repeating: 7, count: 32))
        kernels.accumulateRows(
          matrix, coefficients: [.nan, 0], hStride: 2, tokens: 0..<1, columns: 0..<32, into: &y, stride: 64)
        #expect(y[0..<32].allSatisfy(\.isNaN) && y[32] == 7)
      }
    }
  }
}
