import PowerInferKernels
import PowerInferTestKit

/// A block of stored weights, decoded as the format's definition says it: spec §1.6 and ggml-quants.h.
struct ReferenceBlock {
  let bytes: UnsafeRawBufferPointer

  /// The elements that the bytes stand for.
  func elements(_ format: WeightFormat) -> [Double] {
    switch format {
    case .f32: [Double(Float(bitPattern: UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(word(2)) << 16))]
    case .bf16: [Double(Float(bitPattern: UInt32(word(0)) << 16))]
    case .f16: [half(0)]
    case .q8_0: (0..<32).map { half(0) * signed(2 + $0) }
    case .q4_0: (0..<32).map { half(0) * Double(nibble($0, from: 2) - 8) }
    case .q4_1: (0..<32).map { half(0) * Double(nibble($0, from: 4)) + half(2) }
    case .q5_0: (0..<32).map { half(0) * Double(nibble($0, from: 6) + 16 * bit($0, from: 2) - 16) }
    case .q5_1: (0..<32).map { half(0) * Double(nibble($0, from: 8) + 16 * bit($0, from: 4)) + half(2) }
    case .q4_K: (0..<256).map { scaled($0, packedNibble($0, from: 16)) }
    case .q5_K: (0..<256).map { scaled($0, packedNibble($0, from: 48) + 16 * highBit($0, from: 16)) }
    case .q6_K: (0..<256).map(sixBits)
    }
  }

  private func word(_ index: Int) -> UInt16 { UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8 }
  private func half(_ index: Int) -> Double { Double(HalfPrecision.float(word(index))) }
  private func signed(_ index: Int) -> Double { Double(Int8(bitPattern: bytes[index])) }

  // MARK: Blocks of 32

  /// 16 bytes: the low nibbles are the first half's elements, the high ones the second's.
  private func nibble(_ element: Int, from start: Int) -> Int {
    let byte = Int(bytes[start + element % 16])
    return element < 16 ? byte & 15 : byte >> 4
  }

  /// One bit per element.
  private func bit(_ element: Int, from start: Int) -> Int { Int(bytes[start + element / 8]) >> (element % 8) & 1 }

  // MARK: Blocks of 256

  /// 32 bytes for 64 elements: the low nibbles are the first 32, the high ones the next.
  private func packedNibble(_ element: Int, from start: Int) -> Int {
    let byte = Int(bytes[start + element / 64 * 32 + element % 32])
    return element % 64 < 32 ? byte & 15 : byte >> 4
  }

  /// 32 bytes: bit g of byte i is of element i in the g-th group of 32.
  private func highBit(_ element: Int, from start: Int) -> Int {
    Int(bytes[start + element % 32]) >> (element / 32) & 1
  }

  /// value · d · scale - dmin · minimum, with the scales and minimums of groups of 32 in 6 bits each, packed into 12 bytes.
  private func scaled(_ element: Int, _ value: Int) -> Double {
    let group = element / 32
    func packed(_ index: Int) -> Int { Int(bytes[4 + index]) }
    let (scale, minimum): (Int, Int)
    if group < 4 {
      (scale, minimum) = (packed(group) & 63, packed(group + 4) & 63)
    } else {
      scale = packed(group + 4) & 15 | (packed(group - 4) >> 6) << 4
      minimum = packed(group + 4) >> 4 | (packed(group) >> 6) << 4
    }
    return half(0) * Double(scale) * Double(value) - half(2) * Double(minimum)
  }

  /// 128 bytes of low nibbles, 64 of two high bits, 16 scales, d.
  private func sixBits(_ element: Int) -> Double {
    let (part, quarter, index) = (element / 128, element % 128 / 32, element % 32)
    let low = Int(bytes[part * 64 + index + quarter % 2 * 32])
    let high = Int(bytes[128 + part * 32 + index]) >> (2 * quarter) & 3
    let value = (quarter < 2 ? low & 15 : low >> 4) | high << 4
    return half(208) * signed(192 + element / 16) * Double(value - 32)
  }
}
