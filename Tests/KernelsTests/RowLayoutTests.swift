import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Rows taken apart into planes hold the same weights, and every instruction set computes the same bits from them.
@Suite struct RowLayoutTests {
  static let formats = WeightFormat.allCases.filter(\.hasPlanes)

  /// A matrix and the same in planes.
  private func withBoth(
    _ format: WeightFormat, rows: Int, columns: Int, _ body: (_ blocks: OwnedMatrix, _ planes: Matrix) -> Void
  ) {
    let blocks = OwnedMatrix(format, rows: rows, columns: columns, seed: UInt64(rows * columns))
    let size = rows * blocks.matrix.rowBytes
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
    defer { copy.deallocate() }
    copy.copyMemory(from: UnsafeRawBufferPointer(start: blocks.matrix.data, count: size))
    format.makePlanes(copy, columns: columns)
    body(
      blocks,
      Matrix(format: format, rows: rows, columns: columns, data: UnsafeRawPointer(copy.baseAddress!), layout: .planes))
  }

  @Test(arguments: formats, [(1, 1), (3, 4), (5, 18), (2, 33)])
  func sameWeights(format: WeightFormat, shape: (rows: Int, blocks: Int)) {
    withBoth(format, rows: shape.rows, columns: shape.blocks * 32) { blocks, planes in
      let width = blocks.matrix.rowBytes
      var floats = [Float](repeating: 0, count: planes.columns)
      var bytes = [UInt8](repeating: 0, count: width)
      for row in 0..<planes.rows {
        let expected = Array(blocks.values[row * planes.columns..<(row + 1) * planes.columns])
        Kernels.active.dequantize(planes, row: row, into: &floats)
        #expect(floats == expected)
        // Some of the columns only.
        let some = planes.columns / 64 * 32..<planes.columns
        Kernels.active.dequantize(planes, row: row, columns: some, into: &floats)
        #expect(floats[..<some.count] == expected[some])
        planes.copyBlocks(ofRow: row, into: &bytes)
        #expect(bytes.elementsEqual(UnsafeRawBufferPointer(start: blocks.matrix.row(row), count: width)))
        blocks.matrix.copyBlocks(ofRow: row, into: &bytes)
        #expect(bytes.elementsEqual(UnsafeRawBufferPointer(start: blocks.matrix.row(row), count: width)))
      }
      #expect(planes.rows(0..<1).layout == .planes)
    }
  }

  /// Where the parts lie: scales, minima, fifth bits, codes.
  @Test func partsOfARow() {
    withBoth(.q5_1, rows: 1, columns: 96) { blocks, planes in
      let (source, target) = (blocks.matrix.data, planes.data)
      for block in 0..<3 {
        for (from, to, count) in [
          (0, 2 * block, 2), (2, 6 + 2 * block, 2), (4, 12 + 4 * block, 4), (8, 24 + 16 * block, 16),
        ] {
          #expect(
            UnsafeRawBufferPointer(start: source + 24 * block + from, count: count)
              .elementsEqual(UnsafeRawBufferPointer(start: target + to, count: count)))
        }
      }
    }
  }

  @Test(arguments: InstructionSet.supported, formats)
  func sameSums(set: InstructionSet, format: WeightFormat) throws {
    let kernels = try #require(Kernels(set))
    withBoth(format, rows: 37, columns: 18 * 32) { blocks, planes in
      var generator = SeededGenerator(seed: 7)
      let h = generator.normals(37 * 5).map { abs($0) < 0.5 ? 0 : $0 }
      var (expected, found) = ([Float](repeating: 1, count: 5 * 576), [Float](repeating: 1, count: 5 * 576))
      for tokens in [1, 2, 5] {
        kernels.accumulateRows(
          blocks.matrix, coefficients: h, hStride: 37, tokens: 0..<tokens, columns: 32..<576, into: &expected,
          stride: 576)
        kernels.accumulateRows(
          planes, coefficients: h, hStride: 37, tokens: 0..<tokens, columns: 32..<576, into: &found, stride: 576)
        #expect(expected == found)
      }
    }
  }

  // MARK: Stripes

  private func withStripes(
    _ format: WeightFormat, rows: Int, columns: Int, _ body: (_ blocks: OwnedMatrix, _ stripes: Matrix) throws -> Void
  ) rethrows {
    let blocks = OwnedMatrix(format, rows: rows, columns: columns, seed: UInt64(rows + columns))
    try blocks.withStripes { try body(blocks, $0) }
  }

  @Test(arguments: formats, [1, 4, 18, 33])
  func rowsOfStripes(format: WeightFormat, count: Int) {
    withStripes(format, rows: 48, columns: count * 32) { blocks, stripes in
      let width = blocks.matrix.rowBytes
      var floats = [Float](repeating: 0, count: stripes.columns)
      var (bytes, expected) = ([UInt8](repeating: 0, count: width), [UInt8](repeating: 0, count: width))
      let some = stripes.columns / 64 * 32..<stripes.columns
      let (leading, rest) = (format.leadingBytes(columns: stripes.columns), format.restBytes(columns: stripes.columns))
      // Rows of the matrix, and of a view that begins in the middle of a stripe.
      for (view, first) in [(stripes, 0), (stripes.rows(7..<48), 7), (stripes.rows(7..<48).rows(20..<41), 27)] {
        for row in 0..<view.rows {
          let values = Array(blocks.values[(first + row) * view.columns..<(first + row + 1) * view.columns])
          Kernels.active.dequantize(view, row: row, into: &floats)
          #expect(floats == values)
          Kernels.active.dequantize(view, row: row, columns: some, into: &floats)
          #expect(floats[..<some.count] == values[some])
          view.copyBlocks(ofRow: row, into: &bytes)
          #expect(bytes.elementsEqual(UnsafeRawBufferPointer(start: blocks.matrix.row(first + row), count: width)))
          bytes.withUnsafeMutableBytes {
            view.split(row: row, leading: $0.baseAddress!, rest: $0.baseAddress! + leading)
          }
          expected.withUnsafeMutableBytes {
            blocks.matrix.split(row: first + row, leading: $0.baseAddress!, rest: $0.baseAddress! + leading)
          }
          #expect(bytes[..<(leading + rest)] == expected[..<(leading + rest)])
        }
      }
    }
  }

  /// Every instruction set multiplies them: those that have stripes with sums of their own, the others as if they were rows.
  @Test(arguments: InstructionSet.supported, formats)
  func productsOfStripes(set: InstructionSet, format: WeightFormat) throws {
    let kernels = try #require(Kernels(set))
    let (rows, columns) = (80, 18 * 32)
    withStripes(format, rows: rows, columns: columns) { blocks, stripes in
      var generator = SeededGenerator(seed: 5)
      let values = generator.normals(9 * columns)
      for tokens in [1, 3, 9] {
        for order in kernels.hasPanels ? Activations.Order.allCases : [.rows] {
          let x = Activations(columns: columns, capacity: tokens)
          for (index, value) in values.prefix(tokens * columns).enumerated() { x.values[index] = value }
          x.order = order
          x.quantize(tokens: 0..<tokens, using: kernels)
          func products(_ matrix: Matrix) -> [Float] {
            var y = [Float](repeating: 7, count: tokens * rows)
            kernels.multiply(matrix, rows: 0..<matrix.rows, by: x, tokens: 0..<tokens, into: &y, stride: rows)
            return y
          }
          let (expected, found) = (products(blocks.matrix), products(stripes))
          let takesSixteens = kernels.order(forTokens: 2) == .sixteens
          if order == .panels || order == .sixteens && takesSixteens || !kernels.hasStripes {
            #expect(found == expected)
          } else {
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 2e-5 * max(1, abs($1)) })
          }
          let view = products(stripes.rows(21..<61))
          for token in 0..<tokens {
            #expect(view[token * rows..<token * rows + 40] == found[token * rows + 21..<token * rows + 61])
            #expect(view[token * rows + 40..<(token + 1) * rows].allSatisfy { $0 == 7 })
          }
          guard order != .panels else { continue }
          // Runs, rows with gaps within a stripe and across stripes, and rows that do not ascend.
          let list: [UInt32] = [3, 4, 5, 40, 39, 40, 79, 0, 16, 18, 31, 33, 34, 47, 48, 50, 51]
          var y = [Float](repeating: 7, count: tokens * rows)
          list.withUnsafeBufferPointer {
            kernels.multiply(stripes, listed: $0, by: x, tokens: 0..<tokens, into: &y, stride: rows)
          }
          for token in 0..<tokens {
            #expect(
              y[token * rows..<token * rows + list.count].elementsEqual(list.map { found[token * rows + Int($0)] }))
          }
        }
      }
    }
  }
}
