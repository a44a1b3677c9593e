import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// What only products of many tokens, and sums in narrow integers, can get wrong.
struct PanelTests {
  private static let formats = WeightFormat.allCases.filter(\.usesQuantizedActivations)

  /// The sets that have products in that order.
  private static func sets(_ order: Activations.Order) -> [Kernels] {
    Kernels.all.filter { kernels in order == .rows || [2, 1 << 20].contains { kernels.order(forTokens: $0) == order } }
  }

  /// The same bits for every row and token, whether it lies in a whole tile or in the rest of one, and where a row is longer
  /// than the stretch of columns that scratch holds.
  @Test(arguments: formats, [Activations.Order.panels, .sixteens])
  func tailsGiveTheSameBits(_ format: WeightFormat, _ order: Activations.Order) {
    let (rows, tokens) = (37, 11)
    let columns = max(format.blockElements * 5, 35 * 32)
    let w = OwnedMatrix(format, rows: rows, columns: columns, seed: 31)
    var generator = SeededGenerator(seed: 32)
    let x = Activations(generator.normals(tokens * columns), columns: columns)
    x.order = order
    for kernels in Self.sets(order) {
      let whole = kernels.product(w.matrix, x)
      for (rowStep, tokenStep) in [(1, 1), (5, 11), (8, 3), (9, 4), (16, 1), (17, 6), (37, 7)] {
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

  @Test func fewTokensGoByRows() {
    for kernels in Kernels.all { #expect(kernels.order(forTokens: 1) == .rows, "\(kernels.instructionSet)") }
    #expect(Kernels.portable.order(forTokens: 1 << 20) == .rows)
  }

  /// The largest codes against the largest activations: products that are first added in 16 bits must fit them.
  @Test(arguments: formats, Activations.Order.allCases)
  func largestCodesDoNotSaturate(_ format: WeightFormat, _ order: Activations.Order) {
    let (rows, tokens) = (17, 5)
    let columns = format.blockElements * 2
    let rowBytes = format.rowBytes(columns: columns)
    // Bits of every weight, and of the scales and minima of super-blocks.
    for fill: UInt8 in [0xff, 0x00, 0x80, 0x7f, 0x0f, 0xf0] {
      var bytes = [UInt8](repeating: fill, count: rows * rowBytes)
      // f16 scales, and minima where the format has them.
      let halves = format == .q6_K ? [208] : [.q4_0, .q5_0, .q8_0].contains(format) ? [0] : [0, 2]
      for block in stride(from: 0, to: bytes.count, by: rowBytes / 2) {
        for offset in halves {
          bytes[block + offset] = 0x00
          bytes[block + offset + 1] = 0x3c  // 1
        }
      }
      bytes.withUnsafeBytes { source in
        var weights = [Float](repeating: 0, count: rows * columns)
        Kernels.portable.dequantize(format, source.baseAddress!, count: weights.count, into: &weights)
        let matrix = Matrix(format: format, rows: rows, columns: columns, data: source.baseAddress!)
        for signs: [Float] in [[1], [-1], [1, -1], [1, 1, -1, -1]] {
          let vectors = (0..<tokens * columns).map { signs[$0 % signs.count] }
          let x = Activations(vectors, columns: columns)
          x.order = order
          for kernels in Self.sets(order) {
            let y = kernels.product(matrix, x)
            for r in 0..<rows {
              let terms = (0..<columns).map { Double(weights[r * columns + $0]) * Double(vectors[$0]) }
              let (sum, size) = (terms.reduce(0, +), terms.map(abs).reduce(0, +))
              for t in 0..<tokens {
                // Codes of ±1 are exactly ±127, and the scale 1/127 is rounded.
                #expect(
                  abs(Double(y[t * rows + r]) - sum) <= 2e-6 * max(size, 128 * Double(columns)),
                  "\(format) of \(fill) by \(signs) in \(kernels.instructionSet)")
              }
            }
          }
        }
      }
    }
  }
}
