import PowerInferKernels

/// Random numbers, the same every time (SplitMix64).
struct Samples {
  var state: UInt64 = 1

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// From -1 to 1.
  mutating func float() -> Float { Float(Int32(truncatingIfNeeded: next() >> 32)) * 0x1p-31 }
}

/// Memory of floats, aligned to a cache line, that lives as long as the benchmark.
final class Floats {
  let pointer: UnsafeMutablePointer<Float>
  let count: Int

  init(_ count: Int, scale: Float = 1) {
    self.count = count
    pointer = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
      .bindMemory(to: Float.self, capacity: count)
    var samples = Samples()
    for i in 0..<count { (pointer + i).initialize(to: samples.float() * scale) }
  }

  deinit { pointer.deallocate() }
}

/// A matrix of random weights.
final class Weights {
  let matrix: Matrix
  private let bytes: UnsafeMutableRawPointer

  var byteCount: Int { matrix.rows * matrix.rowBytes }

  /// A row of random bytes with tame scales, repeated: loops take the same time whatever the weights are.
  init(_ format: WeightFormat, rows: Int, columns: Int) {
    let rowBytes = format.rowBytes(columns: columns)
    bytes = UnsafeMutableRawPointer.allocate(byteCount: rows * rowBytes, alignment: 64)
    let x = Floats(columns, scale: 0.05)
    if format.blockElements < 256 {
      Kernels.active.quantize(format, x.pointer, count: columns, into: bytes)
    } else {
      var samples = Samples()
      for i in 0..<rowBytes {
        bytes.storeBytes(of: UInt8(truncatingIfNeeded: samples.next()), toByteOffset: i, as: UInt8.self)
      }
      for block in stride(from: 0, to: rowBytes, by: format.blockBytes) {
        // 2^-10 in half precision.
        for offset in format == .q6_K ? [208] : [0, 2] {
          bytes.storeBytes(of: 0x1400, toByteOffset: block + offset, as: UInt16.self)
        }
      }
    }
    for row in 1..<max(rows, 1) { (bytes + row * rowBytes).copyMemory(from: bytes, byteCount: rowBytes) }
    matrix = Matrix(format: format, rows: rows, columns: columns, data: UnsafeRawPointer(bytes))
  }

  deinit { bytes.deallocate() }
}

/// Activations of some tokens, their 8-bit form filled by these kernels in this order.
func tokens(_ count: Int, columns: Int, _ order: Activations.Order, _ kernels: Kernels) -> Activations {
  let x = Activations(columns: columns, capacity: count)
  var samples = Samples()
  for i in 0..<count * columns { x.values[i] = samples.float() }
  x.order = order
  x.quantize(tokens: 0..<count, using: kernels)
  return x
}
