/// Takes down the steps of a recording.
///
/// A step that reads what an earlier one wrote, writes what one read, or writes what one wrote waits for it; others may run at
/// the same time. Which bytes a step touches is known from its slices and from which of its kernel's bindings are written
/// (``ShaderDescription/bindings``): bind no more than a kernel touches.
public struct GPURecorder {
  /// What has been taken down, barriers included.
  private(set) var commands: [GPUCommand] = []
  private(set) var signals = 0
  private(set) var awaits = 0
  private var hazards = GPUHazards()
  private let limits: GPUDescription.Limits
  private let options: GPURecordingOptions
  // Whose buffers and kernels may take part.
  private let device: ObjectIdentifier
  private let owner: (AnyObject) -> ObjectIdentifier?

  init(
    limits: GPUDescription.Limits, options: GPURecordingOptions, device: ObjectIdentifier,
    owner: @escaping (AnyObject) -> ObjectIdentifier?
  ) {
    self.limits = limits
    self.options = options
    self.device = device
    self.owner = owner
  }

  /// Runs a kernel.
  ///
  /// - Parameters:
  ///   - kernel: made by the same device.
  ///   - slices: one for each of its bindings, in order.
  ///   - constants: exactly as many bytes as the kernel's block of constants has.
  ///   - grid: workgroups; nothing runs where one of the numbers is 0.
  public mutating func dispatch<Constants: BitwiseCopyable>(
    _ kernel: any GPUKernel, _ slices: [GPUBufferSlice], constants: Constants, grid: GPUGrid
  ) throws(GPUError) {
    let bytes = withUnsafeBytes(of: constants) { Array($0) }
    try dispatch(kernel, slices, constantBytes: bytes, grid: grid)
  }

  /// Runs a kernel that takes no constants.
  public mutating func dispatch(
    _ kernel: any GPUKernel, _ slices: [GPUBufferSlice], grid: GPUGrid
  ) throws(GPUError) {
    try dispatch(kernel, slices, constantBytes: [], grid: grid)
  }

  /// Runs a kernel whose constants are given as bytes.
  public mutating func dispatch(
    _ kernel: any GPUKernel, _ slices: [GPUBufferSlice], constantBytes: [UInt8], grid: GPUGrid
  ) throws(GPUError) {
    for (wanted, most) in [(grid.x, limits.grid.x), (grid.y, limits.grid.y), (grid.z, limits.grid.z)]
    where wanted < 0 || wanted > most {
      throw .grid(kernel: kernel.shader.name, wanted: grid, limit: limits.grid)
    }
    let accesses = try check(kernel, slices, constantBytes)
    guard grid.x > 0, grid.y > 0, grid.z > 0 else { return }
    order(accesses)
    commands.append(.dispatch(kernel, slices, constantBytes, .direct(grid)))
  }

  /// Runs a kernel on as many workgroups as an earlier step, or the host, has put into a buffer.
  ///
  /// - Parameters:
  ///   - kernel: made by the same device.
  ///   - slices: one for each of its bindings, in order.
  ///   - constants: exactly as many bytes as the kernel's block of constants has.
  ///   - counts: three `UInt32` (x, y, z), each within the device's limit; its offset is a multiple of 4.
  public mutating func dispatchIndirect<Constants: BitwiseCopyable>(
    _ kernel: any GPUKernel, _ slices: [GPUBufferSlice], constants: Constants, counts: GPUBufferSlice
  ) throws(GPUError) {
    let bytes = withUnsafeBytes(of: constants) { Array($0) }
    try dispatchIndirect(kernel, slices, constantBytes: bytes, counts: counts)
  }

  /// Runs a kernel whose constants are given as bytes on as many workgroups as a buffer says.
  public mutating func dispatchIndirect(
    _ kernel: any GPUKernel, _ slices: [GPUBufferSlice], constantBytes: [UInt8], counts: GPUBufferSlice
  ) throws(GPUError) {
    try check(counts, alignment: 4)
    guard counts.byteCount == 12 else {
      throw .sliceSize(buffer: counts.buffer.label, expected: 12, found: counts.byteCount)
    }
    var accesses = try check(kernel, slices, constantBytes)
    accesses.append(GPUAccess(counts, .indirect, writes: false))
    order(accesses)
    commands.append(.dispatch(kernel, slices, constantBytes, .indirect(counts)))
  }

  /// Copies bytes between buffers, or between parts of one that do not overlap.
  public mutating func copy(from source: GPUBufferSlice, to target: GPUBufferSlice) throws(GPUError) {
    try check(source, alignment: 1)
    try check(target, alignment: 1)
    guard source.byteCount == target.byteCount else {
      throw .sliceSize(buffer: target.buffer.label, expected: source.byteCount, found: target.byteCount)
    }
    guard source.byteCount > 0 else { return }
    let accesses = [GPUAccess(source, .transfer, writes: false), GPUAccess(target, .transfer, writes: true)]
    guard !accesses[0].overlaps(accesses[1]) else { throw .overlap(buffer: target.buffer.label) }
    order(accesses)
    commands.append(.copy(source, target))
  }

  /// Writes one 32-bit value over and over.
  ///
  /// - Parameters:
  ///   - target: offset and byte count are multiples of 4.
  ///   - value: to write.
  public mutating func fill(_ target: GPUBufferSlice, with value: UInt32 = 0) throws(GPUError) {
    try check(target, alignment: 4)
    guard target.byteCount.isMultiple(of: 4) else {
      throw .misaligned(
        buffer: target.buffer.label, offset: target.byteCount, alignment: 4)
    }
    guard target.byteCount > 0 else { return }
    order([GPUAccess(target, .transfer, writes: true)])
    commands.append(.fill(target, value))
  }

  /// Begins a stage, which ends where the next one begins. Does nothing unless stages are timed.
  public mutating func stage(_ label: String) {
    guard options.timesStages else { return }
    // So that the time between two marks is that of the steps between them.
    if hazards.clear() { commands.append(.barrier) }
    commands.append(.stage(label))
  }

  /// Hands over to the host: once all steps so far are done, ``GPURun/wait(for:limit:)`` returns. The device goes on meanwhile.
  ///
  /// - Returns: this hand-over's number: 0, 1, ...
  public mutating func signalHost() -> Int {
    hazards = GPUHazards()
    commands.append(.signalHost)
    signals += 1
    return signals - 1
  }

  /// Has the device wait for the host: no later step begins before ``GPURun/proceed(past:)`` was called with this number.
  ///
  /// - Returns: this wait's number: 0, 1, ...
  public mutating func waitForHost() -> Int {
    hazards = GPUHazards()
    commands.append(.waitForHost)
    awaits += 1
    return awaits - 1
  }

  private mutating func order(_ accesses: [GPUAccess]) {
    if hazards.mustWait(before: accesses) { commands.append(.barrier) }
  }

  private func check(
    _ kernel: any GPUKernel, _ slices: [GPUBufferSlice], _ constants: [UInt8]
  ) throws(GPUError) -> [GPUAccess] {
    let shader = kernel.shader
    guard owner(kernel) == device else { throw .foreign(label: shader.name) }
    guard slices.count == shader.bindings.count else {
      throw .bindings(kernel: shader.name, expected: shader.bindings.count, found: slices.count)
    }
    guard constants.count == shader.constantBytes else {
      throw .constants(kernel: shader.name, expected: shader.constantBytes, found: constants.count)
    }
    var accesses: [GPUAccess] = []
    for (slice, access) in zip(slices, shader.bindings) {
      try check(slice, alignment: limits.bindingAlignment)
      guard slice.byteCount > 0, slice.byteCount <= limits.bindingBytes else {
        throw .bindingSize(
          kernel: shader.name, buffer: slice.buffer.label, found: slice.byteCount, limit: limits.bindingBytes)
      }
      accesses.append(GPUAccess(slice, .kernel, writes: access == .writes))
    }
    return accesses
  }

  private func check(_ slice: GPUBufferSlice, alignment: Int) throws(GPUError) {
    let buffer = slice.buffer
    guard owner(buffer) == device else { throw .foreign(label: buffer.label) }
    guard slice.offset >= 0, slice.byteCount >= 0, slice.byteCount <= buffer.byteCount,
      slice.offset <= buffer.byteCount - slice.byteCount
    else {
      throw .outOfBounds(
        buffer: buffer.label, bufferBytes: buffer.byteCount, offset: slice.offset, byteCount: slice.byteCount)
    }
    guard slice.offset.isMultiple(of: alignment) else {
      throw .misaligned(buffer: buffer.label, offset: slice.offset, alignment: alignment)
    }
  }
}
