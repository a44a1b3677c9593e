/// e^x of eight numbers that are at most 0, as softmax needs them; elsewhere only NaN is treated rightly (it stays
/// NaN).
///
/// Arithmetic only, no table and no fused operations: the same bits on every processor. Relative error below 1e-15 down
/// to e^-708, and 0 beyond.
@inline(__always)
func exponential(ofNonPositive x: SIMD8<Double>) -> SIMD8<Double> {
  let tooSmall = x .< -708
  let x = x.replacing(with: -708, where: tooSmall)
  // x = n · ln 2 + r with |r| ≤ ln 2 / 2. Adding 1.5 · 2^52 rounds to a whole number, which is then in the lowest bits.
  let rounder = 0x1.8p52
  let shifted = x * 0x1.71547652b82fep0 + rounder
  let n = shifted - rounder
  // ln 2 in two parts (fdlibm's), the upper with so few digits that its product with n is exact.
  let r = x - n * 0x1.62e42feep-1 - n * 0x1.a39ef35793c76p-33
  // Taylor's series to r^12 / 12!; the next term is below 2e-16.
  var sum = SIMD8<Double>(repeating: 1 / 479_001_600)
  sum = sum * r + 1 / 39_916_800
  sum = sum * r + 1 / 3_628_800
  sum = sum * r + 1 / 362_880
  sum = sum * r + 1 / 40_320
  sum = sum * r + 1 / 5040
  sum = sum * r + 1 / 720
  sum = sum * r + 1 / 120
  sum = sum * r + 1 / 24
  sum = sum * r + 1 / 6
  sum = sum * r + 0.5
  sum = sum * r + 1
  sum = sum * r + 1
  let bits = unsafeBitCast(shifted, to: SIMD8<UInt64>.self)
  let power = unsafeBitCast((bits &+ 1023) &<< 52, to: SIMD8<Double>.self)
  return (sum * power).replacing(with: 0, where: tooSmall)
}

extension SIMD8<Double> {
  /// Eight numbers from memory, as doubles.
  @inline(__always)
  init(loading source: UnsafePointer<Float>) {
    self.init(UnsafeRawPointer(source).loadUnaligned(as: SIMD8<Float>.self))
  }

  /// Fewer than eight numbers from memory, as doubles, with a value in the place of the others.
  init(loading source: UnsafePointer<Float>, count: Int, padding: Double) {
    self.init(repeating: padding)
    for lane in 0..<count { self[lane] = Double(source[lane]) }
  }

  /// Eight 16-bit codes from memory, as doubles.
  @inline(__always)
  init(loading source: UnsafePointer<UInt16>) {
    let codes = UnsafeRawPointer(source).loadUnaligned(as: SIMD8<UInt16>.self)
    self.init(SIMD8<Int32>(truncatingIfNeeded: codes))
  }
}
