import Foundation
import PowerInferGPU
import PowerInferKernels
import PowerInferTestKit
import Synchronization
import Testing

/// The device that kernel tests run on: the first one that is suited, software or not.
///
/// `POWERINFER_GPU_VALIDATION=1` puts the validation layers on, and every run checks that they have nothing to say.
final class KernelBench: Sendable {
  static let shared: KernelBench? = {
    guard let found = (try? GPU.descriptions())?.first(where: { $0.unsuited == nil }) else { return nil }
    return (try? GPU.open(found.index)).map(KernelBench.init)
  }()

  static var isPresent: Bool { shared != nil }
  static let skipped: Comment = "skipped: no Vulkan device"

  static func required() throws -> KernelBench { try #require(shared) }

  let device: any GPUDevice
  // One kernel at a time: a software device uses every processor for it.
  private let turn = Mutex(())

  init(_ device: any GPUDevice) { self.device = device }

  var features: GPUFeatures { device.description.features }

  /// Features of this device, and those of one that lacks the dot product of packed bytes.
  var featureSets: [GPUFeatures] { [features, features.subtracting([.dot8, .fastDot8])] }

  func buffer<Value: BitwiseCopyable>(_ values: [Value]) throws -> any GPUBuffer {
    let bytes = max(values.count * MemoryLayout<Value>.stride, 4)
    let buffer = try device.makeBuffer(byteCount: bytes, role: .device, label: "test")
    if !values.isEmpty { try device.upload(values, to: buffer) }
    return buffer
  }

  /// Filled with a number that no kernel gives, so that what should be written and is not shows.
  func output(_ count: Int) throws -> any GPUBuffer { try buffer([Float](repeating: Self.untouched, count: count)) }

  static let untouched: Float = 123456.75

  func floats(_ buffer: any GPUBuffer, _ count: Int) throws -> [Float] {
    try device.download(Float.self, from: buffer, count: count)
  }

  /// Runs one kernel.
  func run<Constants: BitwiseCopyable>(
    _ name: ShaderName, _ specialization: [UInt32] = [], _ buffers: [any GPUBuffer], _ constants: Constants,
    _ grid: GPUGrid,
    features: GPUFeatures? = nil
  ) throws {
    let kernel = try device.kernel(name.shader(for: features ?? self.features), specialization: specialization)
    let recording = try device.record("test") {
      try $0.dispatch(kernel, buffers.map { $0.all }, constants: constants, grid: grid)
    }
    try run(recording)
  }

  func run(_ recording: any GPURecording) throws {
    try turn.withLock { _ in try device.run(recording) }
    #expect(device.complaints.isEmpty)
  }
}

func roundUp(_ count: Int, _ multiple: Int) -> Int { (count + multiple - 1) / multiple * multiple }

/// [rows, columns] with rows `stride` apart, and 0 between them.
func padded(_ values: [Float], columns: Int, stride: Int) -> [Float] {
  var result = [Float](repeating: 0, count: values.count / columns * stride)
  for row in 0..<values.count / columns {
    for column in 0..<columns { result[row * stride + column] = values[row * columns + column] }
  }
  return result
}

/// Weights as a file stores them, with the floats they stand for.
struct FileMatrix {
  let layout: WeightLayout
  let bytes: [UInt8]
  let values: [Float]  // [rows, columns]

  var format: WeightFormat { WeightFormat(rawValue: layout.format.rawValue) ?? .f32 }

  /// Random weights about as large as a trained model's; of formats with super-blocks random codes with tame scales, for an
  /// encoder would not use all that their integers can say.
  init(_ format: WeightLayout.Format, rows: Int, columns: Int, seed: UInt64) {
    layout = WeightLayout(format: format, rows: rows, columns: columns)
    var generator = SeededGenerator(seed: seed)
    let stored = WeightFormat(rawValue: format.rawValue) ?? .f32
    var bytes = [UInt8](repeating: 0, count: rows * layout.fileRowBytes)
    if format.blockElements < 256 {
      let x = generator.normals(rows * columns).map { $0 * 0.05 }
      bytes.withUnsafeMutableBytes { target in
        x.withUnsafeBufferPointer {
          guard let from = $0.baseAddress, let to = target.baseAddress else { return }
          Kernels.active.quantize(stored, from, count: rows * columns, into: to)
        }
      }
    } else {
      for index in bytes.indices { bytes[index] = UInt8.random(in: 0...255, using: &generator) }
      for block in stride(from: 0, to: bytes.count, by: format.blockBytes) {
        for offset in format == .q6_K ? [208] : [0, 2] {
          let scale = halfBits(Float.random(in: 0.0002...0.001, using: &generator))
          (bytes[block + offset], bytes[block + offset + 1]) = (UInt8(scale & 255), UInt8(scale >> 8))
        }
      }
    }
    self.bytes = bytes
    values = Self.dequantized(stored, bytes, count: rows * columns)
  }

  /// Of given bytes.
  init(_ layout: WeightLayout, bytes: [UInt8]) {
    (self.layout, self.bytes) = (layout, bytes)
    let stored = WeightFormat(rawValue: layout.format.rawValue) ?? .f32
    values = Self.dequantized(stored, bytes, count: layout.rows * layout.columns)
  }

  private static func dequantized(_ format: WeightFormat, _ bytes: [UInt8], count: Int) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    values.withUnsafeMutableBufferPointer { to in
      bytes.withUnsafeBytes {
        guard let to = to.baseAddress, let from = $0.baseAddress else { return }
        Kernels.active.dequantize(format, from, count: count, into: to)
      }
    }
    return values
  }

  /// The product by the processor's portable kernels, [tokens, rows].
  func portableProduct(_ x: [Float]) -> [Float] {
    guard let portable = Kernels(.portable) else { return [] }
    let tokens = x.count / layout.columns
    let activations = Activations(columns: layout.columns, capacity: tokens)
    x.withUnsafeBufferPointer {
      guard let from = $0.baseAddress else { return }
      activations.values.update(from: from, count: x.count)
    }
    activations.quantize(tokens: 0..<tokens, using: portable)
    var y = [Float](repeating: 0, count: tokens * layout.rows)
    bytes.withUnsafeBytes {
      guard let data = $0.baseAddress else { return }
      let matrix = Matrix(format: format, rows: layout.rows, columns: layout.columns, data: data)
      portable.multiply(
        matrix, rows: 0..<layout.rows, by: activations, tokens: 0..<tokens, into: &y, stride: layout.rows)
    }
    return y
  }

  /// Codes and rest, as a device reads them.
  func upload(_ bench: KernelBench) throws -> (codes: any GPUBuffer, rest: any GPUBuffer) {
    let codes = try bench.device.makeBuffer(byteCount: layout.codesByteCount, role: .device, label: "codes")
    let rest = try bench.device.makeBuffer(byteCount: max(layout.restByteCount, 16), role: .device, label: "rest")
    try bytes.withUnsafeBytes {
      guard let from = $0.baseAddress else { return }
      try bench.device.upload(
        layout, rows: 0..<layout.rows, from: from, sourceRowBytes: layout.fileRowBytes, codes: codes.all, rest: rest.all
      )
    }
    return (codes, rest)
  }
}

func halfBits(_ value: Float) -> UInt16 {
  var result: UInt16 = 0
  withUnsafePointer(to: value) { Kernels.active.storeF16($0, count: 1, into: &result) }
  return result
}

/// Activations on the device, floats and 8-bit form, and what the latter stands for.
struct DeviceVectors {
  let stride: Int
  let values: any GPUBuffer
  let codes: any GPUBuffer
  let scales: any GPUBuffer
  /// [tokens, columns] of the 8-bit form.
  let rounded: [Float]
  let codeValues: [Int8]  // [tokens, stride]
  let scaleValues: [Float]  // [tokens, stride / 32]
  let sums: [(Int16, Int16)]

  /// Quantized by the kernel that the engine uses.
  init(_ x: [Float], columns: Int, _ bench: KernelBench) throws {
    let tokens = x.count / columns
    stride = roundUp(columns, 32)
    let stride = stride
    values = try bench.buffer(padded(x, columns: columns, stride: stride))
    codes = try bench.buffer([UInt8](repeating: 0, count: tokens * stride))
    scales = try bench.buffer([UInt64](repeating: 0, count: tokens * stride / 32))
    let constants = QuantizeConstants(stride: stride)
    try bench.run(.quantize, [], [values, codes, scales], constants, constants.grid(tokens: tokens))
    codeValues = try bench.device.download(Int8.self, from: codes, count: tokens * stride)
    let words = try bench.device.download(UInt32.self, from: scales, count: tokens * stride / 16)
    scaleValues = (0..<tokens * stride / 32).map { Float(bitPattern: words[2 * $0]) }
    sums = (0..<tokens * stride / 32).map {
      (Int16(truncatingIfNeeded: words[2 * $0 + 1]), Int16(truncatingIfNeeded: words[2 * $0 + 1] >> 16))
    }
    let (codeValues, scaleValues) = (codeValues, scaleValues)
    rounded = (0..<tokens * columns).map {
      let at = $0 / columns * stride + $0 % columns
      return Float(codeValues[at]) * scaleValues[at / 32]
    }
  }
}

/// Sums in double precision, and the sums of magnitudes that rounding is measured by, [tokens, rows].
func exactProduct(_ w: [Float], rows: Int, columns: Int, _ x: [Float]) -> (sums: [Double], sizes: [Double]) {
  let tokens = x.count / columns
  var sums = [Double](repeating: 0, count: tokens * rows)
  var sizes = sums
  w.withUnsafeBufferPointer { w in
    x.withUnsafeBufferPointer { x in
      for t in 0..<tokens {
        for r in 0..<rows {
          var (sum, size) = (0.0, 0.0)
          for c in 0..<columns {
            let product = Double(w[r * columns + c]) * Double(x[t * columns + c])
            sum += product
            size += abs(product)
          }
          sums[t * rows + r] = sum
          sizes[t * rows + r] = size
        }
      }
    }
  }
  return (sums, sizes)
}

/// The largest difference as a share of `sizes`; infinite where something is not a number.
func worst(_ y: [Float], _ expected: [Double], _ sizes: [Double]) -> Double {
  precondition(y.count == expected.count && y.count == sizes.count)
  return zip(y, zip(expected, sizes)).reduce(0) { most, entry in
    let share = abs(Double(entry.0) - entry.1.0) / max(entry.1.1, 1e-30)
    return max(most, share.isNaN ? .infinity : share)
  }
}
