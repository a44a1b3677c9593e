import PowerInferGPU
import Testing

/// Weights on their way to a device.
@Suite(.enabled(if: KernelBench.isPresent, KernelBench.skipped))
struct KernelUploadTests {
  /// Matrices that follow one another in one layout lie as one matrix would, with or without staging memory between, which is smaller
  /// than a row's neighbours here.
  @Test(arguments: WeightLayout.Format.allCases, [false, true])
  func severalInOneLayout(_ format: WeightLayout.Format, _ forcesStaging: Bool) throws {
    let found = try KernelBench.required().device.description
    var options = GPUOptions()
    (options.forcesStaging, options.stagingBytes) = (forcesStaging, 64 << 10)
    let device = try GPU.open(found.index, options: options)
    let columns = format.blockElements == 1 ? 1001 : 3 * max(format.blockElements, 32)
    let counts = [7, 1, 300]
    let whole = FileMatrix(format, rows: counts.reduce(0, +), columns: columns, seed: 3)
    let layout = whole.layout
    // Gaps between rows, as where rows are part of something else.
    let rowBytes = layout.fileRowBytes + 6
    var spread = [UInt8](repeating: 0xee, count: layout.rows * rowBytes)
    for row in 0..<layout.rows {
      for i in 0..<layout.fileRowBytes { spread[row * rowBytes + i] = whole.bytes[row * layout.fileRowBytes + i] }
    }
    let start = 256
    let codes = try device.makeBuffer(byteCount: start + layout.codesByteCount, role: .device, label: "codes")
    let rest = try device.makeBuffer(byteCount: start + max(layout.restByteCount, 16), role: .device, label: "rest")
    var first = 0
    for count in counts {
      try spread.withUnsafeBytes {
        guard let from = $0.baseAddress else { return }
        try device.upload(
          layout, rows: first..<first + count, from: from + first * rowBytes, sourceRowBytes: rowBytes,
          codes: codes.slice(at: start, byteCount: layout.codesByteCount),
          rest: rest.slice(at: start, byteCount: max(layout.restByteCount, 16)))
      }
      first += count
    }
    for plane in layout.planes {
      var expected = [UInt8](repeating: 0, count: layout.rows * plane.bytesPerRow)
      expected.withUnsafeMutableBytes { to in
        whole.bytes.withUnsafeBytes {
          guard let to = to.baseAddress, let from = $0.baseAddress else { return }
          layout.write(plane, rows: layout.rows, from: from, sourceRowBytes: layout.fileRowBytes, into: to)
        }
      }
      let bytes = try device.download(
        UInt8.self, from: plane.isRest ? rest : codes, at: start + plane.offset, count: expected.count)
      #expect(bytes == expected, "\(format) \(plane.content)")
    }
  }

  /// A matrix is no larger on the device than in its file, but for what fills up rows of floats and the last 16 bytes.
  @Test(arguments: WeightLayout.Format.allCases)
  func takesNoMoreThanTheFile(_ format: WeightLayout.Format) {
    let layout = WeightLayout(format: format, rows: 33, columns: 2048)
    let bytes = layout.codesByteCount + layout.restByteCount
    #expect(bytes >= 33 * layout.fileRowBytes && bytes < 33 * layout.fileRowBytes + 16)
    #expect(WeightLayout.rows(format: format, columns: 2048, fitting: layout.codesByteCount) == 33)
    #expect(WeightLayout.rows(format: format, columns: 2048, fitting: layout.codesByteCount - 1) == 32)
  }
}
