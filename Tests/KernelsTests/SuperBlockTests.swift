import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Encoding to blocks of 256, where not the bytes are given but the error.
struct SuperBlockTests {
  static let formats: [WeightFormat] = [.q4_K, .q5_K, .q6_K]

  private func encode(_ format: WeightFormat, _ x: [Float]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xAA, count: format.rowBytes(columns: x.count) + 1)
    bytes.withUnsafeMutableBytes {
      guard let base = $0.baseAddress else { return }
      Kernels.active.quantize(format, x, count: x.count, into: base)
    }
    #expect(bytes.last == 0xAA)
    return bytes.dropLast()
  }

  private func decode(_ format: WeightFormat, _ bytes: [UInt8]) -> [Float] {
    var values = [Float](repeating: .nan, count: bytes.count / format.blockBytes * 256)
    bytes.withUnsafeBytes {
      guard let base = $0.baseAddress else { return }
      Kernels.active.dequantize(format, base, count: values.count, into: &values)
    }
    return values
  }

  private func there(_ format: WeightFormat, _ x: [Float]) -> [Float] { decode(format, encode(format, x)) }

  /// Root of the mean squared error, each square times `weight` of its value.
  private func error(_ x: [Float], _ y: [Double], weight: (Double) -> Double = { _ in 1 }) -> Double {
    (zip(x, y).reduce(0.0) { $0 + ($1.1 - Double($1.0)) * ($1.1 - Double($1.0)) * weight(Double($1.0)) }
      / Double(x.count)).squareRoot()
  }

  /// Scattered numbers in -1...1; cubed, most of them are small and a few large, as weights are.
  private func samples(cubed: Bool) -> [Float] {
    (0..<4096).map { i in
      let u = Float(i * i % 10007 * 7919 % 10007 - 5003) / 5003
      return cubed ? u * u * u : u
    }
  }

  /// Bounds: the errors of llama.cpp's reference encoders (without importance matrix) for the same numbers, plain and with
  /// squares weighted by magnitude.
  @Test(arguments: [
    (WeightFormat.q4_K, true, 0.0270821447, 0.0137871227), (.q5_K, true, 0.0142487425, 0.00715733157),
    (.q6_K, true, 0.00654382431, 0.00307250714), (.q4_K, false, 0.0314404052, 0.0217545258),
    (.q5_K, false, 0.015892464, 0.0110883532), (.q6_K, false, 0.00764556543, 0.00509491253),
  ])
  func errsNoMoreThanTheReference(format: WeightFormat, cubed: Bool, plain: Double, weighted: Double) {
    let x = samples(cubed: cubed)
    let y = there(format, x).map(Double.init)
    #expect(error(x, y) < plain)
    #expect(error(x, y, weight: abs) < weighted)
  }

  /// Against rounding in double precision to evenly spaced levels from the least to the largest element of every
  /// sub-block: the search more than makes up for the few bits its scales have.
  @Test(arguments: formats, [true, false])
  func errsLessThanPlainRounding(format: WeightFormat, cubed: Bool) {
    let x = samples(cubed: cubed)
    let size = format == .q6_K ? 16 : 32
    var rounded: [Double] = []
    for start in stride(from: 0, to: x.count, by: size) {
      let part = x[start..<start + size].map(Double.init)
      let peak = part.reduce(0) { abs($1) > abs($0) ? $1 : $0 }
      let low = min(0, part.min() ?? 0), high = part.max() ?? 0
      let step = format == .q6_K ? peak / -32 : (high - low) / (format == .q4_K ? 15 : 31)
      let base = format == .q6_K ? 0 : low
      rounded += part.map { base + step * min(31, (($0 - base) / step).rounded(.toNearestOrEven)) }
    }
    #expect(error(x, there(format, x).map(Double.init)) < error(x, rounded))
  }

  /// The error shrinks and grows with the values, over all scales that half precision holds in full.
  @Test(arguments: formats)
  func errsInProportion(format: WeightFormat) {
    let x = samples(cubed: true)
    let whole = error(x, there(format, x).map(Double.init))
    let least = format == .q4_K ? -4 : format == .q5_K ? -3 : -1
    for exponent in stride(from: least, through: 20, by: 3) {
      let factor = Float(sign: .plus, exponent: exponent, significand: 1)
      let scaled = x.map { $0 * factor }
      let relative = error(scaled, there(format, scaled).map(Double.init)) / Double(factor)
      #expect(abs(relative - whole) < 1e-3 * whole, "2^\(exponent)")
    }
  }

  /// Below, steps of half-precision scales are coarse, yet no larger than 2^-24 times a few codes.
  @Test(arguments: formats)
  func errsLittleNearZero(format: WeightFormat) {
    for exponent in -40 ... -8 {
      let scaled = samples(cubed: false).map { $0 * Float(sign: .plus, exponent: exponent, significand: 1) }
      let relative = 0.5 / Double(format == .q4_K ? 7 : format == .q5_K ? 15 : 31)
      let bound = Double(sign: .plus, exponent: exponent, significand: 1) * relative + 0x1p-24
      #expect(error(scaled, there(format, scaled).map(Double.init)) < bound, "2^\(exponent)")
    }
  }

  @Test(arguments: formats)
  func constantsSurvive(format: WeightFormat) {
    for value: Float in [0, 1, -1, 3.5, -3.5, 1000, -65504, 4e6, -4e6] {
      let off = there(format, [Float](repeating: value, count: 512)).map { abs($0 - value) }.max() ?? .nan
      #expect(off <= abs(value) * 5e-4, "\(value)")
    }
    #expect(encode(format, [Float](repeating: 0, count: 256)).allSatisfy { $0 == 0 })
    #expect(encode(format, []).isEmpty)
  }

  /// Sub-blocks of very different sizes, positive, negative, constant and zero ones among them.
  @Test(arguments: formats)
  func unlikeSubBlocksShareABlock(format: WeightFormat) {
    var generator = SeededGenerator(seed: 5)
    let x = (0..<16).flatMap { part -> [Float] in
      let values = generator.normals(16).map { $0 * Float(part % 7) }
      switch part % 4 {
      case 0: return values.map { abs($0) + 3 }
      case 1: return values.map { -abs($0) }
      case 2: return values.map { _ in 2.5 }
      default: return part == 3 ? values.map { _ in 0 } : values
      }
    }
    let y = there(format, x)
    let largest = x.map(abs).max() ?? .nan
    // A code's half step of the widest sub-block, and the half step of 6-bit minima.
    let bound = largest * (format == .q4_K ? 1 / 15 + 1 / 126 : format == .q5_K ? 1 / 31 + 1 / 126 : 1 / 63)
    for (index, pair) in zip(x, y).enumerated() { #expect(abs(pair.0 - pair.1) <= bound, "\(index): \(pair)") }
  }

  @Test(arguments: formats)
  func nanCountsAsZero(format: WeightFormat) {
    var x = samples(cubed: true)
    x[7] = .nan
    x[300] = -.nan
    x[301] = .signalingNaN
    var zeros = x
    for index in [7, 300, 301] { zeros[index] = 0 }
    #expect(encode(format, x) == encode(format, zeros))
    #expect(there(format, [Float](repeating: .nan, count: 256)).allSatisfy { $0 == 0 })
  }

  @Test(arguments: formats)
  func anythingBecomesFinite(format: WeightFormat) {
    for value: Float in [.infinity, -.infinity, 3e38, -3e38, denormal, -denormal] {
      var x = [Float](repeating: 0.5, count: 256)
      x[100] = value
      let y = there(format, x)
      #expect(y.allSatisfy { $0.isFinite }, "\(value)")
      if value.magnitude > 1 { #expect(y[100] != 0 && (y[100] < 0) == (value < 0), "\(value)") }
      #expect(there(format, [Float](repeating: value, count: 256)).allSatisfy { $0.isFinite }, "\(value)")
    }
    var generator = SeededGenerator(seed: 9)
    for _ in 0..<500 {
      let x = (0..<256).map { _ in Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator)) }
      #expect(there(format, x).allSatisfy { $0.isFinite })
    }
  }
}
