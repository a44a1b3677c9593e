/// What a neuron adds for a token, in a byte: 0 for nothing, else the magnitude's binary exponent and three bits of its
/// fraction, right to 6 %.
enum ContributionCode {
  private static let shift: UInt32 = 20
  /// Code 1 stands for 2⁻²⁰ and all that is smaller, code 255 for nearly 2¹² and all that is larger.
  private static let least = Int(Float(0x1p-20).bitPattern >> shift) - 1

  /// The code of a magnitude above 0.
  @inline(__always)
  static func code(_ magnitude: Float) -> UInt8 {
    UInt8(truncatingIfNeeded: min(max(Int(magnitude.bitPattern >> shift) - least, 1), 255))
  }

  /// What each code stands for: the middle of its range. [256]
  static let values: [Float] = (0..<256).map { code in
    code == 0 ? 0 : Float(bitPattern: UInt32(code + least) << shift | 1 << (shift - 1))
  }
}

/// How much a neuron that fires weighs: some power of what it adds, as a part of all that is added for the token.
struct ContributionWeighing: Equatable {
  /// Of each code. [256]
  let values: [Float]
  /// What the weights of a token's neurons sum up to; nil leaves them as they are.
  let total: Float?

  init(power: Int, total: Float?) {
    values = ContributionCode.values.map { value in
      value == 0 ? 0 : (0..<power).reduce(1) { product, _ in product * value }
    }
    self.total = total
  }
}
