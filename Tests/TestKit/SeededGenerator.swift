/// Random numbers that are the same on every machine: SplitMix64 (Steele, Lea, Flood 2014).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) {
    state = seed
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A float in [-1, 1), from the upper 24 bits.
  public mutating func float() -> Float {
    Float(next() >> 40) / Float(1 << 23) - 1
  }

  /// `count` floats in [-scale, scale). A plain loop, for tests are not optimized.
  public mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        buffer[filled] = float() * scale
        filled &+= 1
      }
    }
  }

  /// `count` bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 32) }
  }

  /// A number below `bound`, which must be positive.
  public mutating func below(_ bound: Int) -> Int {
    Int(next() % UInt64(bound))
  }

  /// About normal, of variance 1: the sum of four uniform numbers of 16 bits each.
  public mutating func normal() -> Float {
    let bits = next()
    let sum = (bits & 0xFFFF) &+ (bits >> 16 & 0xFFFF) &+ (bits >> 32 & 0xFFFF) &+ (bits >> 48)
    return (Float(sum) / 32768 - 4) * 0.87
  }

  /// `count` of them. A plain loop, for tests are not optimized.
  public mutating func normals(_ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        buffer[filled] = normal()
        filled &+= 1
      }
    }
  }
}
