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
}
