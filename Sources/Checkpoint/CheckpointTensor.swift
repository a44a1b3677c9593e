public import PowerInferPlatform

/// A tensor of a checkpoint: what it is, and where in a mapped file its numbers are.
// Unchecked: the bytes are read-only and live as long as this value, which holds their file.
public struct CheckpointTensor: @unchecked Sendable {
  /// The name by which the checkpoint calls it.
  public let name: String
  /// How its numbers are stored, little-endian.
  public let type: ElementType
  /// The contiguous dimension last, as Python shows it; empty for a single number.
  public let shape: [Int]
  /// Numbers between neighbours along each dimension, none negative.
  public let strides: [Int]
  /// From the first number to the last that the shape and the strides reach; empty where the shape has a 0.
  public let bytes: UnsafeRawBufferPointer
  /// The file it lies in.
  public let file: MappedFile

  /// Numbers in the tensor.
  public var count: Int { shape.reduce(1, *) }

  /// Whether the numbers lie one behind the other in the order of the shape.
  public var isContiguous: Bool {
    // The stride of a dimension of 1 leads nowhere.
    zip(shape, zip(strides, CheckpointTensor.contiguousStrides(shape))).allSatisfy { $0 < 2 || $1.0 == $1.1 }
  }

  /// Whether the numbers lie one behind the other, each once, in the order of the shape or with its dimensions permuted, as a
  /// transposed matrix is saved.
  public var isDense: Bool {
    guard count > 0 else { return true }
    var next = 1
    for (dimension, stride) in zip(shape, strides).filter({ $0.0 > 1 }).sorted(by: { $0.1 < $1.1 }) {
      guard stride == next else { return false }
      next *= dimension
    }
    return true
  }

  /// Makes sure that the tensor holds every number once and nothing between them: strides that repeat, overlap or skip numbers
  /// come from a view that was saved by mistake.
  ///
  /// - Throws: ``CheckpointError/strides(tensor:shape:found:)``.
  public func expectDense() throws(CheckpointError) {
    guard isDense else { throw .strides(tensor: name, shape: shape, found: strides) }
  }

  /// - Parameter bytes: found to hold what shape and strides reach.
  init(
    name: String, type: ElementType, shape: [Int], strides: [Int]? = nil, bytes: UnsafeRawBufferPointer,
    file: MappedFile
  ) {
    self.name = name
    self.type = type
    self.shape = shape
    self.strides = strides ?? CheckpointTensor.contiguousStrides(shape)
    self.bytes = bytes
    self.file = file
  }

  /// The strides of numbers that lie one behind the other.
  static func contiguousStrides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for index in shape.indices.dropLast().reversed() {
      strides[index] = strides[index + 1] * max(shape[index + 1], 1)
    }
    return strides
  }

  /// The numbers that a shape holds; nil where they cannot be counted, not even without its zeros, or a dimension is negative.
  static func count(_ shape: [Int]) -> Int? {
    var count = 1
    for dimension in shape {
      // A 0 counts as 1 here: strides, products of some dimensions, must be countable too.
      let (product, overflow) = count.multipliedReportingOverflow(by: max(dimension, 1))
      guard !overflow, dimension >= 0 else { return nil }
      count = product
    }
    return shape.contains(0) ? 0 : count
  }

  /// The numbers from the first to the last that is reached; nil where they cannot be counted, or a stride is negative.
  static func extent(_ shape: [Int], strides: [Int]) -> Int? {
    guard let count = count(shape) else { return nil }
    guard count > 0 else { return 0 }
    var last = 0
    for (dimension, stride) in zip(shape, strides) {
      let (distance, overflow) = (dimension - 1).multipliedReportingOverflow(by: stride)
      guard !overflow, stride >= 0 else { return nil }
      let (sum, tooFar) = last.addingReportingOverflow(distance)
      guard !tooFar, sum < Int.max else { return nil }
      last = sum
    }
    return last + 1
  }

  /// The numbers of a one-dimensional tensor as doubles.
  ///
  /// - Throws: ``CheckpointError/dimensions(tensor:expected:found:)``, ``CheckpointError/type(tensor:expected:found:)``.
  public func numbers() throws(CheckpointError) -> [Double] {
    guard shape.count == 1 else { throw .dimensions(tensor: name, expected: 1, found: shape.count) }
    guard type != .bool else {
      throw .type(tensor: name, expected: "numbers", found: type)
    }
    return (0..<shape[0]).map { number(at: $0 * strides[0] * type.byteCount) }
  }

  /// The number at a byte offset.
  private func number(at offset: Int) -> Double {
    func load<Number: FixedWidthInteger>(_: Number.Type) -> Number {
      Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }
    switch type {
    case .f64: return Double(bitPattern: load(UInt64.self))
    case .f32: return Double(Float(bitPattern: load(UInt32.self)))
    case .f16: return Double(HalfNumber.float(load(UInt16.self)))
    case .bf16: return Double(Float(bitPattern: UInt32(load(UInt16.self)) << 16))
    case .i64: return Double(load(Int64.self))
    case .i32: return Double(load(Int32.self))
    case .i16: return Double(load(Int16.self))
    case .i8: return Double(load(Int8.self))
    case .u8, .bool: return Double(load(UInt8.self))
    }
  }
}

/// Half-precision numbers where `Float16` is not to be had (macOS on Intel).
enum HalfNumber {
  static func float(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = Float(bits & 0x3FF)
    switch exponent {
    case 0: return sign * fraction * 0x1p-24
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
    }
  }
}
