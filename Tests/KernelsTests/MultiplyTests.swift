import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Products with weights, against exact sums in double precision over the dequantised values.
struct MultiplyTests {
  /// Error of float sums and products, as a share of ‖w‖·‖x‖. 1e-6 is typical; offsets of unsigned codes cost some more.
  static let roundingLimit = 1e-5
  /// Error of rounding activations to 8 bits, as a share of ‖w‖·‖x‖/√n. A code is off by at most 1/254 of the largest of 32
  /// values (about 2.5 standard deviations), evenly spread: 0.006 is one standard deviation of the result's error.
  static let activationLimit = 0.04

  /// Error of rounding activations to BF16, which AVX-512 does for BF16 weights by panels, in the same share. A value is off by
  /// at most 2⁻⁹ of itself: 0.0008 is one standard deviation of the result's error, more where there are few columns.
  static let bf16ActivationLimit = 0.008

  static let shapes: [(rows: Int, blocks: Int, tokens: Int)] = [
    (1, 1, 1), (2, 3, 2), (3, 4, 3), (5, 5, 7), (17, 2, 1), (17, 18, 4), (4, 48, 1), (3, 7, 33), (1, 17, 16),
    (6, 16, 8),
  ]

  static func columns(_ format: WeightFormat, _ blocks: Int) -> Int {
    // Float formats get odd sizes.
    format.blockElements == 1 ? blocks * 11 + 2 : blocks * format.blockElements
  }

  /// [tokens, rows]: exact products, and ‖w‖·‖x‖.
  static func exact(_ w: OwnedMatrix, _ x: [Double]) -> (products: [Double], norms: [Double]) {
    let n = w.matrix.columns
    var products: [Double] = []
    var norms: [Double] = []
    for t in 0..<x.count / n {
      for r in 0..<w.matrix.rows {
        var sum = 0.0
        var squaresW = 0.0
        var squaresX = 0.0
        for c in 0..<n {
          let weight = Double(w.values[r * n + c])
          sum += weight * x[t * n + c]
          squaresW += weight * weight
          squaresX += x[t * n + c] * x[t * n + c]
        }
        products.append(sum)
        norms.append((squaresW * squaresX).squareRoot())
      }
    }
    return (products, norms)
  }

  static func worst(_ y: [Float], _ exact: (products: [Double], norms: [Double])) -> Double {
    zip(y, zip(exact.products, exact.norms)).reduce(0) { worst, item in
      let share = abs(Double(item.0) - item.1.0) / max(item.1.1, 1e-30)
      return max(worst, share.isNaN ? .infinity : share)
    }
  }

  /// To nearest, ties to even: the upper half of a float's bits.
  static func roundedToBF16(_ value: Float) -> Float {
    let bits = value.bitPattern
    return Float(bitPattern: (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
  }

  @Test(arguments: WeightFormat.allCases)
  func equalsExactSums(_ format: WeightFormat) {
    for (index, shape) in Self.shapes.enumerated() {
      let columns = Self.columns(format, shape.blocks)
      let w = OwnedMatrix(format, rows: shape.rows, columns: columns, seed: UInt64(index))
      var generator = SeededGenerator(seed: 99)
      let vectors = generator.normals(shape.tokens * columns)
      let x = Activations(vectors, columns: columns)
      // What the products really read: floats, or codes × scale, which the portable set keeps in their natural order.
      x.quantize(tokens: 0..<shape.tokens, using: .portable)
      let read =
        format.usesQuantizedActivations
        ? (0..<shape.tokens * columns).map { i in
          let (t, c) = i.quotientAndRemainder(dividingBy: columns)
          return Double(x.codes[t * x.codeStride + c]) * Double(x.scales[t * x.blockStride + c / 32])
        } : vectors.map(Double.init)
      let expected = Self.exact(w, read)
      let ideal = Self.exact(w, vectors.map(Double.init))
      let rounded = format == .bf16 ? Self.exact(w, vectors.map { Double(Self.roundedToBF16($0)) }) : ideal
      for (kernels, order) in Kernels.allInAllOrders {
        x.order = order
        let y = kernels.product(w.matrix, x)
        let name = "\(format) \(shape) by \(order) in \(kernels.instructionSet)"
        if format == .bf16 && order == .panels {
          // Floats are read as they are, or rounded first.
          let worst = min(Self.worst(y, expected), Self.worst(y, rounded))
          #expect(worst < Self.roundingLimit, "\(name)")
          #expect(Self.worst(y, ideal) * Double(columns).squareRoot() < Self.bf16ActivationLimit, "\(name)")
          continue
        }
        #expect(Self.worst(y, expected) < Self.roundingLimit, "\(name)")
        #expect(Self.worst(y, ideal) * Double(columns).squareRoot() < Self.activationLimit, "\(name)")
      }
    }
  }

  /// The same bits however rows and tokens are divided into calls, within one order: that is what makes thread counts
  /// invisible.
  @Test(arguments: WeightFormat.allCases)
  func divisionIsInvisible(_ format: WeightFormat) {
    divide(format, rows: 19, blocks: 6, tokens: 37)
    // More rows than are decoded together, and none of the parts full.
    divide(format, rows: 53, blocks: 3, tokens: 11)
    // Rows so long that scales are read in stretches, and between the two.
    let unit = max(format.blockElements, 32) / 32
    divide(format, rows: 6, blocks: 72 / unit, tokens: 6)
    divide(format, rows: 5, blocks: 304 / unit, tokens: 18)
  }

  private func divide(_ format: WeightFormat, rows: Int, blocks: Int, tokens: Int) {
    let columns = Self.columns(format, blocks)
    let w = OwnedMatrix(format, rows: rows, columns: columns, seed: 7)
    var generator = SeededGenerator(seed: 8)
    let x = Activations(generator.normals(tokens * columns), columns: columns)
    for (kernels, order) in Kernels.allInAllOrders {
      x.order = order
      let whole = kernels.product(w.matrix, x)
      for (rowStep, tokenStep) in [(1, 1), (3, tokens), (rows, 1), (7, 5), (4, 16), (rows, 2), (17, 6)] {
        var y = [Float](repeating: .nan, count: tokens * rows)
        for row in stride(from: 0, to: rows, by: rowStep) {
          for token in stride(from: 0, to: tokens, by: tokenStep) {
            kernels.multiply(
              w.matrix, rows: row..<min(rows, row + rowStep), by: x, tokens: token..<min(tokens, token + tokenStep),
              into: &y, stride: rows)
          }
        }
        #expect(bits(y) == bits(whole), "\(format) by \(rowStep)×\(tokenStep), \(order), in \(kernels.instructionSet)")
      }
    }
  }

  /// Nothing outside the asked rows and tokens is written.
  @Test(arguments: [2..<7, 1..<24, 3..<40])
  func writesOnlyWhatWasAsked(_ rows: Range<Int>) {
    // So long that sums are kept in the result between two stretches of columns.
    let columns = 1056
    let w = OwnedMatrix(.q4_0, rows: 43, columns: columns, seed: 1)
    var generator = SeededGenerator(seed: 2)
    let x = Activations(generator.normals(9 * columns), columns: columns)
    for (kernels, order) in Kernels.allInAllOrders {
      x.order = order
      x.quantize(tokens: 0..<9, using: kernels)
      var y = [Float](repeating: 123, count: 9 * 48)
      kernels.multiply(w.matrix, rows: rows, by: x, tokens: 1..<8, into: &y, stride: 48)
      for (index, value) in y.enumerated() {
        let inside = (1..<8).contains(index / 48) && rows.contains(index % 48)
        #expect((value == 123) != inside, "\(index) by \(order) in \(kernels.instructionSet)")
      }
    }
  }

  @Test(arguments: WeightFormat.allCases)
  func extremesDoNotCrash(_ format: WeightFormat) {
    let columns = Self.columns(format, 2)
    let w = OwnedMatrix(format, rows: 3, columns: columns, seed: 3)
    for (kernels, order) in Kernels.allInAllOrders {
      let name = "\(format) by \(order) in \(kernels.instructionSet)"
      func product(_ vectors: [Float]) -> [Float] {
        let x = Activations(vectors, columns: columns)
        x.order = order
        return kernels.product(w.matrix, x)
      }
      for extreme in [Float.nan, .infinity, -.infinity, 3e38, denormal, 0] {
        var generator = SeededGenerator(seed: 4)
        var vectors = generator.normals(columns)
        vectors[1] = extreme
        let y = product(vectors)
        // What is not a number anywhere must not look like one in the result.
        if !extreme.isFinite {
          #expect(!y.contains { $0.isFinite }, "\(extreme), \(name)")
        } else if extreme < 1 {
          #expect(!y.contains { !$0.isFinite }, "\(extreme), \(name)")
        }
        let zeros = product([Float](repeating: extreme * 0, count: columns))
        #expect(zeros.allSatisfy { extreme.isFinite ? $0 == 0 : $0.isNaN }, "\(extreme), \(name)")
        let tiny = product([Float](repeating: denormal, count: columns))
        #expect(tiny.allSatisfy { abs($0) < 1e-38 }, "\(extreme), \(name)")
      }
    }
  }

  /// Orders suit numbers of tokens: few by rows, and where a set has panels, many by panels.
  @Test func orderFollowsTheNumberOfTokens() {
    for kernels in Kernels.all {
      #expect(kernels.order(forTokens: 1) == .rows, "\(kernels.instructionSet)")
    }
    if var avx512 = Kernels(.avx512) {
      #expect([2, 16].map { avx512.order(forTokens: $0) } == [.sixteens, .sixteens])
      #expect([17, 512].map { avx512.order(forTokens: $0) } == [.panels, .panels])
      avx512.takesBF16 = true
      #expect([2, 3].map { avx512.order(forTokens: $0) } == [.rows, .panels])
    }
  }

  /// A product over the shape of a vocabulary, long and thin, touches every row once.
  @Test func longMatrices() {
    let w = OwnedMatrix(.q8_0, rows: 1031, columns: 64, seed: 5)
    var generator = SeededGenerator(seed: 6)
    let x = Activations(generator.normals(64), columns: 64)
    let expected = Kernels.portable.product(w.matrix, x)
    for (kernels, order) in Kernels.allInAllOrders {
      x.order = order
      #expect(largestDifference(kernels.product(w.matrix, x), expected.map(Double.init)) < 1e-5)
    }
  }
}
