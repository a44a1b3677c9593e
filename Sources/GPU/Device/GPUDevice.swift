/// An open device: it owns memory, kernels made for it, and a queue that runs recordings one after the other.
///
/// All methods can be called from any thread. Once the device is lost or does not answer in time, every later call throws that
/// same error; buffers, kernels and recordings can still be dropped.
public protocol GPUDevice: AnyObject, Sendable {
  /// As of when it was opened.
  var description: GPUDescription { get }
  /// What is in use now.
  var usage: GPUMemoryUsage { get }

  /// Sets memory aside. Its content is undefined.
  ///
  /// - Parameters:
  ///   - byteCount: more than 0, at most ``GPUDescription/Limits/bufferBytes``.
  ///   - role: who touches it.
  ///   - label: for messages.
  /// - Throws: ``GPUError/overBudget(label:byteCount:taken:budget:)``, ``GPUError/outOfMemory(label:byteCount:taken:)`` and the like. Nothing is held after an error.
  func makeBuffer(byteCount: Int, role: GPUBufferRole, label: String) throws(GPUError) -> any GPUBuffer

  /// Makes a kernel for this device; the driver compiles it, or finds it in the cache.
  ///
  /// - Parameters:
  ///   - shader: what to make.
  ///   - specialization: values of the shader's constants in its order; those missing at the end keep the shader's own.
  /// - Throws: ``GPUError/missingFeatures(kernel:features:device:)`` where the device cannot run it.
  func kernel(_ shader: ShaderDescription, specialization: [UInt32]) throws(GPUError) -> any GPUKernel

  /// Writes compiled kernels to the cache, if there is one, so that the next start finds them. Also done when the device is
  /// closed.
  func saveKernels()

  /// Fills part of a buffer, in pieces; `fill` writes each piece straight to where the device reads it or to staging memory,
  /// in order. May write only, front to back: the memory can be slow to read. When this returns nothing of the caller's is
  /// needed any more, and later runs see the bytes.
  ///
  /// - Parameters:
  ///   - target: any buffer's part.
  ///   - multiple: pieces but the last are multiples of this many bytes, for instance of a row.
  ///   - fill: gets the place to write and the piece's offset in `target`.
  func upload(
    to target: GPUBufferSlice, inMultiplesOf multiple: Int,
    _ fill: (_ piece: UnsafeMutableRawBufferPointer, _ offset: Int) throws -> Void
  ) throws

  /// Copies bytes of any buffer to the host, after all runs so far. For tests and rare things: a pass's results go to
  /// ``GPUBufferRole/hostRead`` buffers.
  func download(_ source: GPUBufferSlice) throws(GPUError) -> [UInt8]

  /// Records work once, to be run many times. `body` describes it step by step; nothing runs yet. Where a step needs an earlier
  /// one's result, the recording makes it wait.
  ///
  /// - Parameters:
  ///   - label: for messages.
  ///   - options: whether stages are timed.
  ///   - body: the steps.
  func record(
    _ label: String, options: GPURecordingOptions, _ body: (inout GPURecorder) throws -> Void
  ) throws -> any GPURecording

  /// Starts recordings, one after the other, after everything started before. What the host has written so far is seen.
  ///
  /// It is one submission, however many they are. Their hand-overs are numbered on from one recording to the next.
  ///
  /// - Throws: ``GPUError/busy(recording:)`` if one of them is still running, or comes twice.
  func start(_ recordings: [any GPURecording]) throws(GPUError) -> any GPURun

  /// What the validation layers had to say; empty without them.
  var complaints: [String] { get }
}

extension GPUDevice {
  /// Makes a kernel whose constants keep the shader's own values.
  public func kernel(_ shader: ShaderDescription) throws(GPUError) -> any GPUKernel {
    try kernel(shader, specialization: [])
  }

  /// Copies bytes into part of a buffer. When this returns `bytes` is not needed any more, and later runs see it.
  public func upload(_ bytes: UnsafeRawBufferPointer, to target: GPUBufferSlice) throws {
    guard bytes.count == target.byteCount else {
      throw GPUError.uploadSize(buffer: target.buffer.label, expected: target.byteCount, found: bytes.count)
    }
    try upload(to: target, inMultiplesOf: 1) { piece, offset in
      piece.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + piece.count)]))
    }
  }

  /// Copies values into a buffer, from its `offset` (in bytes) on.
  public func upload<Value: BitwiseCopyable>(
    _ values: [Value], to buffer: any GPUBuffer, at offset: Int = 0
  ) throws {
    try values.withUnsafeBytes {
      try upload($0, to: GPUBufferSlice(buffer, offset: offset, byteCount: $0.count))
    }
  }

  /// Copies a buffer's values to the host; see ``download(_:)``.
  public func download<Value: BitwiseCopyable>(
    _ type: Value.Type = Value.self, from buffer: any GPUBuffer, at offset: Int = 0, count: Int
  ) throws(GPUError) -> [Value] {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
    guard !overflow, count >= 0 else {
      throw .outOfBounds(buffer: buffer.label, bufferBytes: buffer.byteCount, offset: offset, byteCount: .max)
    }
    let bytes = try download(GPUBufferSlice(buffer, offset: offset, byteCount: byteCount))
    return [Value](unsafeUninitializedCapacity: count) { values, filled in
      bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(values).copyMemory(from: $0) }
      filled = count
    }
  }

  /// Records work without timing it.
  public func record(
    _ label: String, _ body: (inout GPURecorder) throws -> Void
  ) throws -> any GPURecording {
    try record(label, options: GPURecordingOptions(), body)
  }

  /// Starts a recording, after everything started before; see ``start(_:)-([GPURecording])``.
  public func start(_ recording: any GPURecording) throws(GPUError) -> any GPURun {
    try start([recording])
  }

  /// Runs a recording without hand-overs to its end.
  ///
  /// - Parameters:
  ///   - recording: what to run.
  ///   - limit: how long to wait for it at most; nil takes the device's own limit.
  public func run(_ recording: any GPURecording, limit: Duration? = nil) throws(GPUError) {
    try start(recording).finish(limit: limit)
  }
}

/// A kernel made for one device.
public protocol GPUKernel: AnyObject, Sendable {
  var shader: ShaderDescription { get }
}

/// What a device holds.
public struct GPUMemoryUsage: Sendable, Equatable {
  /// Bytes of the device's own memory taken from the driver.
  public var deviceBytes: Int
  /// How many bytes of it may be taken.
  public var deviceBudget: Int
  /// Bytes of the host's memory that the device can reach, taken from the driver. Where the device shares the host's memory
  /// everything counts as the device's.
  public var hostBytes: Int
  public var hostBudget: Int
  /// Separate allocations at the driver.
  public var allocations: Int
  /// Buffers alive.
  public var buffers: Int
  /// Bytes in buffers, out of those taken.
  public var bufferBytes: Int
}
