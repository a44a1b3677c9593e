/// Who touches a buffer, which decides the memory it lies in.
public enum GPUBufferRole: String, Sendable {
  /// Kernels only: weights, activations, caches. The host fills it by ``GPUDevice/upload(_:to:)``.
  case device
  /// Written by the host, read by kernels: parameters of a pass. The host should not read it back; that can be slow.
  case hostWritten
  /// Written by kernels, read by the host: logits, chosen tokens.
  case hostRead
}

/// A run of bytes in memory that kernels can reach. Given back when the last reference goes; recordings hold one.
///
/// Its content is undefined at first.
public protocol GPUBuffer: AnyObject, Sendable {
  var byteCount: Int { get }
  var role: GPUBufferRole { get }
  /// For messages.
  var label: String { get }
  /// The bytes as the host sees them; nil where it does not (``GPUBufferRole/device``).
  ///
  /// The host must not touch what a run in flight reads or writes, except between a recording's hand-overs as agreed by its
  /// two sides. No flushing is needed.
  var hostBytes: UnsafeMutableRawBufferPointer? { get }
}

/// A part of a buffer, as a kernel's binding sees it.
public struct GPUBufferSlice: Sendable {
  public let buffer: any GPUBuffer
  /// Bytes from the buffer's start; for bindings a multiple of ``GPUDescription/Limits/bindingAlignment``.
  public let offset: Int
  public let byteCount: Int

  public init(_ buffer: any GPUBuffer, offset: Int, byteCount: Int) {
    self.buffer = buffer
    self.offset = offset
    self.byteCount = byteCount
  }

  /// The whole buffer.
  public init(_ buffer: any GPUBuffer) {
    self.init(buffer, offset: 0, byteCount: buffer.byteCount)
  }
}

extension GPUBuffer {
  /// The whole buffer.
  public var all: GPUBufferSlice { GPUBufferSlice(self) }

  /// A part of the buffer.
  public func slice(at offset: Int, byteCount: Int) -> GPUBufferSlice {
    GPUBufferSlice(self, offset: offset, byteCount: byteCount)
  }

  /// Writes a value where the host can write; see ``hostBytes``.
  ///
  /// - Parameters:
  ///   - value: copied byte by byte.
  ///   - offset: in bytes.
  public func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int = 0) throws(GPUError) {
    try withUnsafeBytes(of: value) { bytes throws(GPUError) in try store(bytes, at: offset) }
  }

  /// Writes values one after the other where the host can write; see ``hostBytes``.
  public func store<Value: BitwiseCopyable>(_ values: [Value], at offset: Int = 0) throws(GPUError) {
    // The buffer pointer and not `withUnsafeBytes`: only the former keeps the type of the error.
    try values.withUnsafeBufferPointer { (elements: UnsafeBufferPointer<Value>) throws(GPUError) in
      try store(UnsafeRawBufferPointer(elements), at: offset)
    }
  }

  /// Writes bytes where the host can write; see ``hostBytes``.
  public func store(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(GPUError) {
    guard let target = hostBytes else { throw .notVisible(buffer: label) }
    guard offset >= 0, bytes.count <= target.count, offset <= target.count - bytes.count else {
      throw .outOfBounds(buffer: label, bufferBytes: byteCount, offset: offset, byteCount: bytes.count)
    }
    guard let source = bytes.baseAddress, let start = target.baseAddress else { return }
    (start + offset).copyMemory(from: source, byteCount: bytes.count)
  }

  /// Reads values where the host can read; see ``hostBytes``.
  ///
  /// - Parameters:
  ///   - type: of one value; any bytes must be a valid one.
  ///   - offset: in bytes.
  ///   - count: how many values.
  public func load<Value: BitwiseCopyable>(
    _ type: Value.Type = Value.self, at offset: Int = 0, count: Int
  ) throws(GPUError) -> [Value] {
    guard let source = hostBytes else { throw .notVisible(buffer: label) }
    let (needed, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
    guard !overflow, count >= 0, offset >= 0, needed <= source.count, offset <= source.count - needed else {
      throw .outOfBounds(
        buffer: label, bufferBytes: byteCount, offset: offset, byteCount: overflow ? .max : needed)
    }
    return [Value](unsafeUninitializedCapacity: count) { values, filled in
      UnsafeMutableRawBufferPointer(values).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: source[offset..<(offset + needed)]))
      filled = count
    }
  }
}
