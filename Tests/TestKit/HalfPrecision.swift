/// Conversions for making test data, written without the package's kernels so that they can check them.
public enum HalfPrecision {
  /// The nearest half-precision number, ties to even, as its bits. NaN becomes a quiet NaN.
  public static func bits(_ value: Float) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    if value.isNaN { return sign | 0x7E00 }
    let magnitude = value.magnitude
    // 65520 lies half-way between the largest half (65504) and the next, and rounds to infinity.
    if magnitude >= 65520 { return sign | 0x7C00 }
    if magnitude < 0x1p-14 {
      // Subnormal halves are multiples of 2^-24; one that rounds up to 1024 of them is the smallest normal half.
      return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
    }
    let mantissaAndExponent = magnitude.bitPattern &- (112 << 23)
    let odd = mantissaAndExponent >> 13 & 1
    return sign | UInt16(truncatingIfNeeded: (mantissaAndExponent &+ 0xFFF &+ odd) >> 13)
  }

  /// The value of half-precision bits.
  public static func float(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10 & 0x1F)
    let mantissa = Float(bits & 0x3FF)
    switch exponent {
    case 0: return sign * mantissa * 0x1p-24
    case 31: return mantissa == 0 ? sign * .infinity : .nan
    default: return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + mantissa / 1024)
    }
  }
}
