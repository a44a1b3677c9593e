/// A small, fast random number generator whose whole state is 64 bits, so that a seed is all there is to record.
///
/// The state advances by a fixed odd constant and each output is a bijective mix of it, so the period is 2^64.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014). Not for secrets.
public struct SplitMix64: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// The same seed gives the same numbers, on any machine.
  public init(seed: UInt64) {
    state = seed
  }

  /// 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number in [0, 1): the upper 53 bits of the next output, as a fraction of 2^53.
  public mutating func nextFraction() -> Double {
    Double(next() >> 11) * 0x1p-53
  }
}
