import Foundation

import PowerInferTestKit

@testable import PowerInferKernels

/// Weights that own their bytes, with the floats they stand for.
final class OwnedMatrix {
  let matrix: Matrix
  let values: [Float]  // [rows, columns]
  private let bytes: UnsafeMutableRawPointer

  /// Random weights about as large as a trained model's. K types get random codes with tame scales,
  /// for an encoder would not use all that their integers can say.
  init(_ format: WeightFormat, rows: Int, columns: Int, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let rowBytes = format.rowBytes(columns: columns)
    // Exactly as many bytes as the rows have, so that a sanitizer sees a read past the end.
    let bytes = UnsafeMutableRawPointer.allocate(byteCount: max(rows * rowBytes, 1), alignment: 1)
    self.bytes = bytes
    if format.blockElements < 256 {
      let x = generator.normals(rows * columns).map { $0 * 0.05 }
      for row in 0..<rows {
        x.withUnsafeBufferPointer {
          Kernels.active.quantize(
            format, $0.baseAddress! + row * columns, count: columns, into: bytes + row * rowBytes)
        }
      }
    } else {
      for index in 0..<rows * rowBytes {
        bytes.storeBytes(of: UInt8.random(in: 0...255, using: &generator), toByteOffset: index, as: UInt8.self)
      }
      for block in stride(from: 0, to: rows * rowBytes, by: format.blockBytes) {
        for offset in format == .q6_K ? [208] : [0, 2] {
          let scale = halfBits(Float.random(in: 0.0002...0.001, using: &generator))
          bytes.storeBytes(of: scale, toByteOffset: block + offset, as: UInt16.self)
        }
      }
    }
    var values = [Float](repeating: 0, count: rows * columns)
    values.withUnsafeMutableBufferPointer {
      guard let base = $0.baseAddress, rows > 0 else { return }
      Kernels.active.dequantize(format, bytes, count: rows * columns, into: base)
    }
    self.values = values
    matrix = Matrix(format: format, rows: rows, columns: columns, data: UnsafeRawPointer(bytes))
  }

  deinit { bytes.deallocate() }
}

/// About 1.1e-41.
let denormal = Float.leastNormalMagnitude / 1024

func halfBits(_ value: Float) -> UInt16 {
  var result: UInt16 = 0
  withUnsafePointer(to: value) { Kernels.active.storeF16($0, count: 1, into: &result) }
  return result
}

func halves(_ values: [Float]) -> [UInt16] {
  var result = [UInt16](repeating: 0, count: values.count)
  values.withUnsafeBufferPointer { Kernels.active.storeF16($0.baseAddress!, count: values.count, into: &result) }
  return result
}

/// The value of half-precision bits, written out from the definition of the format (an independent decoder).
func halfValue(_ bits: UInt16) -> Double {
  let sign: Double = bits & 0x8000 == 0 ? 1 : -1
  let exponent = Int(bits >> 10) & 31
  let fraction = Double(bits & 0x3ff) / 1024
  if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
  return exponent == 0 ? sign * fraction * 0x1p-14 : sign * (1 + fraction) * exp2(Double(exponent - 15))
}

func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// Largest absolute difference; NaN on either side counts as infinite.
func largestDifference(_ a: [Float], _ b: [Double]) -> Double {
  zip(a, b).reduce(0) { worst, pair in
    let difference = abs(Double(pair.0) - pair.1)
    return max(worst, difference.isNaN ? .infinity : difference)
  }
}

extension OwnedMatrix {
  /// Lends a copy whose rows, whole stripes of them, lie in stripes.
  func withStripes(_ body: (Matrix) throws -> Void) rethrows {
    let (format, columns, size) = (matrix.format, matrix.columns, matrix.rows * matrix.rowBytes)
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 64)
    defer { copy.deallocate() }
    copy.copyMemory(from: UnsafeRawBufferPointer(start: matrix.data, count: size))
    format.makeStripes(copy, columns: columns)
    let start = UnsafeRawPointer(copy.baseAddress!)
    try body(Matrix(format: format, rows: matrix.rows, columns: columns, data: start, layout: .stripes))
  }
}

extension Kernels {
  /// Every set this processor has.
  static let all: [Kernels] = InstructionSet.supported.compactMap { Kernels($0) }
  static let portable = all[0]
  static let allInAllOrders: [(Kernels, Activations.Order)] = all.flatMap { kernels in
    Activations.Order.allCases.map { (kernels, $0) }
  }

  /// The whole product [tokens, rows], computed in one call.
  func product(_ w: Matrix, _ x: Activations) -> [Float] {
    var y = [Float](repeating: .nan, count: x.capacity * w.rows)
    x.quantize(tokens: 0..<x.capacity, using: self)
    multiply(w, rows: 0..<w.rows, by: x, tokens: 0..<x.capacity, into: &y, stride: w.rows)
    return y
  }
}

extension Activations {
  convenience init(_ vectors: [Float], columns: Int) {
    self.init(columns: columns, capacity: vectors.count / columns)
    vectors.withUnsafeBufferPointer { values.update(from: $0.baseAddress!, count: vectors.count) }
  }
}
