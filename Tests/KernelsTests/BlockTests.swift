import Testing

@testable import PowerInferKernels

/// Encoding against NumPy in strict single precision, decoding against the Python package `gguf`.
struct BlockTests {
  @Test(arguments: GoldenBlocks.blocks.map(\.format))
  func decodesToTheSameBits(_ format: WeightFormat) throws {
    let golden = try #require(GoldenBlocks.blocks.first { $0.format == format })
    var values = [Float](repeating: .nan, count: golden.values.count)
    golden.bytes.withUnsafeBytes {
      Kernels.active.dequantize(format, $0.baseAddress!, count: values.count, into: &values)
    }
    #expect(bits(values) == golden.values)
  }

  @Test(arguments: GoldenBlocks.blocks.map(\.format).filter { $0.blockElements < 256 })
  func encodesToTheSameBytes(_ format: WeightFormat) throws {
    let golden = try #require(GoldenBlocks.blocks.first { $0.format == format })
    let source = GoldenBlocks.source.map { Float(bitPattern: $0) }
    var bytes = [UInt8](repeating: 0xAA, count: format.rowBytes(columns: source.count) + 1)
    bytes.withUnsafeMutableBytes {
      Kernels.active.quantize(format, source, count: source.count, into: $0.baseAddress!)
    }
    #expect(Array(bytes.dropLast()) == golden.bytes)
    #expect(bytes.last == 0xAA)
  }

  @Test func sizesFollowTheFormat() {
    #expect(WeightFormat.q4_0.rowBytes(columns: 576) == 324)
    #expect(WeightFormat.q6_K.rowBytes(columns: 512) == 420)
    #expect(WeightFormat.bf16.rowBytes(columns: 7) == 14)
  }

  /// All 65536 halves decode as the format defines, and encode back to themselves.
  @Test func everyHalfSurvives() {
    let all = (0...UInt16.max).map { $0 }
    var values = [Float](repeating: 0, count: all.count)
    all.withUnsafeBytes { Kernels.active.dequantize(.f16, $0.baseAddress!, count: all.count, into: &values) }
    let misread = zip(all, values).filter { half, value in
      let expected = halfValue(half)
      return expected.isNaN ? !value.isNaN : Double(value) != expected
    }
    #expect(misread.isEmpty, "\(misread.prefix(3))")
    for kernels in Kernels.all {
      var back = [UInt16](repeating: 0, count: all.count)
      kernels.storeF16(values, count: values.count, into: &back)
      let changed = zip(all, back).filter { half, stored in
        half & 0x7fff > 0x7c00 ? stored & 0x7fff <= 0x7c00 : stored != half
      }
      #expect(changed.isEmpty, "\(changed.prefix(3)) in \(kernels.instructionSet)")
    }
  }

  /// Rounding of floats between halves: nearest, ties to even, overflow at 65520. Expected bits from NumPy's float16.
  @Test func roundsToHalf() {
    let cases: [(Float, UInt16)] = [
      (65519.996, 0x7bff), (65520, 0x7c00), (1.00048828125, 0x3c00), (1.00146484375, 0x3c02), (2.9802322e-08, 0x0000),
      (2.9802326e-08, 0x0001), (8.940697e-08, 0x0002), (-6.1e-05, 0x83ff), (0.1, 0x2e66), (-.infinity, 0xfc00),
      (denormal, 0), (3e38, 0x7c00), (-0.0, 0x8000),
    ]
    for kernels in Kernels.all {
      var stored = [UInt16](repeating: 0, count: cases.count)
      kernels.storeF16(cases.map(\.0), count: cases.count, into: &stored)
      #expect(stored == cases.map(\.1), "\(kernels.instructionSet)")
    }
  }

  @Test func extremesEncodeWithoutTrapping() {
    let extremes: [Float] = [.nan, .infinity, -.infinity, 3e38, -3e38, denormal, -0.0, 65504]
    for format in WeightFormat.allCases {
      let count = max(32, format.blockElements)
      for shift in 0..<8 {
        let x = (0..<count).map { extremes[($0 + shift) % 8] }
        var bytes = [UInt8](repeating: 0, count: format.rowBytes(columns: count))
        bytes.withUnsafeMutableBytes { Kernels.active.quantize(format, x, count: count, into: $0.baseAddress!) }
      }
      let tiny = [Float](repeating: denormal, count: count)
      var bytes = [UInt8](repeating: 0, count: format.rowBytes(columns: count))
      var back = [Float](repeating: .nan, count: count)
      bytes.withUnsafeMutableBytes {
        Kernels.active.quantize(format, tiny, count: count, into: $0.baseAddress!)
        Kernels.active.dequantize(format, $0.baseAddress!, count: count, into: &back)
      }
      #expect(back.allSatisfy { abs($0) <= 2 * denormal }, "\(format)")
    }
  }
}
