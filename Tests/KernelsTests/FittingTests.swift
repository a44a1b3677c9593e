import PowerInferTestKit
import Testing

@testable import PowerInferKernels

/// Scales that are searched for, and rows whose columns make up for each other's errors.
struct FittingTests {
  static let formats: [WeightFormat] = WeightFormat.allCases.filter { $0.blockElements > 1 }

  private func random(_ count: Int, seed: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      // Mostly small, now and then large, as weights are.
      let a = Float.random(in: -1...1, using: &generator)
      return a * a * a * Float.random(in: 0.5...2, using: &generator)
    }
  }

  private func decoded(_ format: WeightFormat, count: Int, _ encode: (UnsafeMutableRawPointer) -> Void) -> [Float] {
    var bytes = [UInt8](repeating: 0, count: format.rowBytes(columns: count))
    bytes.withUnsafeMutableBytes { encode($0.baseAddress!) }
    var values = [Float](repeating: .nan, count: count)
    bytes.withUnsafeBytes { Kernels.active.dequantize(format, $0.baseAddress!, count: count, into: &values) }
    return values
  }

  private func error(_ x: [Float], _ y: [Float], _ weights: [Float]? = nil) -> Double {
    x.indices.reduce(0) { $0 + Double(weights?[$1] ?? 1) * Double(x[$1] - y[$1]) * Double(x[$1] - y[$1]) }
  }

  private func plain(_ format: WeightFormat, _ x: [Float]) -> [Float] {
    decoded(format, count: x.count) { Kernels.active.quantize(format, x, count: x.count, into: $0) }
  }

  private func fitted(_ format: WeightFormat, _ x: [Float], _ importance: [Float]?) -> [Float] {
    decoded(format, count: x.count) {
      Kernels.active.quantizeFitted(format, x, importance: importance, count: x.count, into: $0)
    }
  }

  @Test(arguments: formats)
  func everyBlockIsAtLeastAsGood(_ format: WeightFormat) {
    let size = format.blockElements
    for seed in 1...40 {
      let x = random(size, seed: UInt64(seed))
      let importance = random(size, seed: UInt64(seed + 100)).map { $0 * $0 + 1e-4 }
      let least = error(x, plain(format, x), importance)
      #expect(error(x, fitted(format, x, importance), importance) <= least * 1.0001)
      if size == 32 { #expect(error(x, fitted(format, x, nil)) <= error(x, plain(format, x)) * 1.0001) }
    }
  }

  /// By how much at least over many blocks; 8 bits leave little to win.
  @Test(arguments: [(WeightFormat.q4_0, 0.92), (.q4_1, 0.9), (.q5_0, 0.92), (.q5_1, 0.9), (.q8_0, 1), (.q4_K, 0.95)])
  func importanceMakesErrorsSmallWhereItIsLarge(_ format: WeightFormat, _ share: Double) {
    let x = random(256 * 20, seed: 3)
    let importance = random(256 * 20, seed: 4).map { $0 * $0 + 1e-3 }
    let least = error(x, plain(format, x), importance)
    #expect(error(x, fitted(format, x, importance), importance) < least * share)
  }

  /// What a smaller type stored exactly, a larger one finds again.
  @Test func findsTheStepsOfASmallerType() {
    let x = plain(.q4_1, random(256, seed: 9))
    #expect(error(x, fitted(.q5_1, x, nil)) < error(x, plain(.q5_1, x)) * 0.01)
  }

  @Test(arguments: formats)
  func importanceThatSaysNothingCountsAllAlike(_ format: WeightFormat) {
    let x = random(256, seed: 5)
    let nothing = fitted(format, x, nil)
    #expect(fitted(format, x, [Float](repeating: 0, count: 256)) == nothing)
    #expect(fitted(format, x, [Float](repeating: .nan, count: 256)) == nothing)
    #expect(fitted(format, x, [Float](repeating: -1, count: 256)) == nothing)
  }

  @Test(arguments: formats)
  func extremesDoNotTrap(_ format: WeightFormat) {
    let extremes: [Float] = [.nan, .infinity, -.infinity, 3e38, -3e38, Float(bitPattern: 1), -0.0, 65504]
    let x = (0..<256).map { extremes[($0 * 7 + $0 / 8) % 8] }
    #expect(fitted(format, x, x).allSatisfy { $0.isFinite })
    #expect(fitted(format, [Float](repeating: Float(bitPattern: 1), count: 256), nil).allSatisfy { abs($0) < 1e-5 })
    #expect(fitted(format, [Float](repeating: 0, count: 256), nil).allSatisfy { $0 == 0 })
  }

  /// Against the same rounding in doubles, column by column: the codes that follow from the scales that were chosen.
  @Test func columnsMakeUpForEarlierErrors() {
    let count = 96
    let x = random(count, seed: 6)
    var factor = [Float](repeating: 0, count: count * count)
    let numbers = random(count * count, seed: 7)
    for j in 0..<count { for k in j + 1..<count { factor[j * count + k] = numbers[j * count + k] * 0.3 } }
    var carry = [Float](repeating: 9, count: count)
    var bytes = [UInt8](repeating: 0, count: WeightFormat.q4_0.rowBytes(columns: count))
    bytes.withUnsafeMutableBytes {
      Kernels.active.quantizeCompensated(
        .q4_0, x, importance: [Float](repeating: 1, count: count), factor: factor, count: count, carry: &carry,
        into: $0.baseAddress!)
    }
    var result = [Float](repeating: 0, count: count)
    bytes.withUnsafeBytes { Kernels.active.dequantize(.q4_0, $0.baseAddress!, count: count, into: &result) }
    for k in 0..<count {
      let wanted = (0..<k).reduce(Double(x[k])) { $0 + Double(x[$1] - result[$1]) * Double(factor[$1 * count + k]) }
      let scale = abs(Double(halfValue(UInt16(bytes[k / 32 * 18]) | UInt16(bytes[k / 32 * 18 + 1]) << 8)))
      // Within half a step, unless the codes end before.
      let off = abs(wanted - Double(result[k]))
      #expect(off <= scale * 0.5001 || abs(wanted) > scale * 7.49, "column \(k)")
    }
  }

  @Test func withoutAFactorItIsTheSearchAlone() {
    let x = random(512, seed: 8)
    let ones = [Float](repeating: 1, count: 512)
    let zeros = [Float](repeating: 0, count: 512 * 512)
    for format in WeightFormat.allCases {
      var carry = [Float](repeating: 1, count: 512)
      let values = decoded(format, count: 512) {
        Kernels.active.quantizeCompensated(
          format, x, importance: ones, factor: zeros, count: 512, carry: &carry, into: $0)
      }
      #expect(values == fitted(format, x, ones), "\(format)")
    }
  }
}
