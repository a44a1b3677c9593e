import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Loops over lists of neurons.
struct SparseTests {
  /// Lossless sparsity rests on this: a row picked by a list has the same bits as in the product with all rows.
  @Test(arguments: WeightFormat.allCases)
  func listedProductsAreTheProductsPicked(_ format: WeightFormat) {
    for (rows, blocks) in [(1, 1), (37, 18), (70, 4), (9, 70), (5, 264)] {
      let columns = MultiplyTests.columns(format, format.blockElements == 256 ? (blocks + 7) / 8 : blocks)
      let w = OwnedMatrix(format, rows: rows, columns: columns, seed: UInt64(rows))
      var generator = SeededGenerator(seed: 31)
      let x = Activations(generator.normals(5 * columns), columns: columns)
      let lists: [[UInt32]] = [
        [], [0], Array(0..<UInt32(rows)), (0..<UInt32(rows)).filter { $0 % 7 == 3 },
        (0..<50).map { _ in UInt32.random(in: 0..<UInt32(rows), using: &generator) },
      ]
      for (kernels, order) in Kernels.allInAllOrders where order != .panels {
        x.order = order
        let all = kernels.product(w.matrix, x)
        // From the second token on, so that an offset forgotten shows.
        for (list, tokens) in lists.flatMap({ list in [0..<1, 1..<3, 1..<4, 1..<5, 0..<5].map { (list, $0) } }) {
          let stride = list.count + 2
          var y = [Float](repeating: 123, count: 5 * stride)
          var expected = y
          for t in tokens {
            for (i, row) in list.enumerated() { expected[t * stride + i] = all[t * rows + Int(row)] }
          }
          list.withUnsafeBufferPointer {
            kernels.multiply(w.matrix, listed: $0, by: x, tokens: tokens, into: &y, stride: stride)
          }
          #expect(
            bits(y) == bits(expected), "\(format) \(rows)×\(columns), \(tokens), \(order), in \(kernels.instructionSet)"
          )
        }
      }
    }
  }

  /// Rows of a view lie further apart than they are long.
  @Test func listedRowsOfAView() {
    let w = OwnedMatrix(.q4_0, rows: 12, columns: 256, seed: 41)
    var generator = SeededGenerator(seed: 42)
    let x = Activations(generator.normals(96), columns: 96)
    let view = Matrix(format: .q4_0, rows: 12, columns: 96, data: w.matrix.data, rowBytes: w.matrix.rowBytes)
    let list: [UInt32] = [11, 0, 5, 6, 7]
    for kernels in Kernels.all {
      let all = kernels.product(view, x)
      var y = [Float](repeating: 0, count: list.count)
      list.withUnsafeBufferPointer {
        kernels.multiply(view, listed: $0, by: x, tokens: 0..<1, into: &y, stride: list.count)
      }
      #expect(bits(y) == bits(list.map { all[Int($0)] }), "\(kernels.instructionSet)")
    }
  }

  private static let values: [Float] = [
    -2, .nan, 0, 1, -0.0, 0.5, .infinity, -.infinity, 0.25, denormal, -denormal, 3, -0.5, 0.5, 7, -1, 0, 2, 0.49, 1e30,
  ]

  @Test(arguments: [Float(0), 0.5, -0.5, .infinity, -.infinity, .nan])
  func selectsByRule(_ threshold: Float) {
    let rules: [(SelectionRule, (Float) -> Bool)] = [
      (.from(threshold), { !($0 < threshold) }), (.above(threshold), { !($0 <= threshold) }),
      (.magnitude(threshold), { !(abs($0) < threshold) }),
    ]
    for (kernels, count) in Kernels.all.flatMap({ kernels in (0...Self.values.count).map { (kernels, $0) } }) {
      let values = Array(Self.values.prefix(count))
      let list = (0..<UInt32(count)).map { 1000 - $0 * 3 }
      for (rule, keeps) in rules {
        let expected = values.indices.filter { keeps(values[$0]) }
        // What lies behind the room is not written.
        var kept = [UInt32](repeating: 7, count: count + 1)
        var keptValues = [Float](repeating: 7, count: count + 1)
        let found = kernels.select(values, numbers: 50..<50 + UInt32(count), by: rule, into: &kept, values: &keptValues)
        #expect(kept.prefix(found).map { Int($0) - 50 } == expected, "\(rule) in \(kernels.instructionSet)")
        #expect(bits(Array(keptValues.prefix(found))) == bits(expected.map { values[$0] }))
        #expect(kept[count] == 7 && keptValues[count] == 7)
        // In place, as the second stage of a selection is.
        var numbers = list
        var compacted = values
        let again = numbers.withUnsafeMutableBufferPointer { numbers in
          compacted.withUnsafeMutableBufferPointer { compacted in
            guard let list = numbers.baseAddress, let values = compacted.baseAddress else { return 0 }
            return kernels.select(values, list: list, count: count, by: rule, into: list, values: values)
          }
        }
        #expect(numbers.prefix(again).elementsEqual(expected.map { list[$0] }), "\(rule) in \(kernels.instructionSet)")
        #expect(bits(Array(compacted.prefix(again))) == bits(expected.map { values[$0] }))
      }
    }
  }

  @Test func multipliesElements() {
    for (kernels, count) in Kernels.all.flatMap({ kernels in [0, 1, 15, 16, 33].map { (kernels, $0) } }) {
      var generator = SeededGenerator(seed: UInt64(count))
      let (a, b) = (generator.normals(count), generator.normals(count))
      var y = [Float](repeating: 9, count: count + 1)
      kernels.multiplyElements(a, b, into: &y, count: count)
      #expect(bits(y) == bits(zip(a, b).map { $0 * $1 } + [9]), "\(kernels.instructionSet)")
    }
  }
}
