import CPowerInferVulkan

/// A Vulkan device behind the room's face.
// Unchecked: every part of it guards itself.
final class VulkanDevice: GPUDevice, @unchecked Sendable {
  let context: VulkanContext
  let cache: VulkanKernelCache
  private let staging: VulkanStaging

  var description: GPUDescription { context.description }
  var usage: GPUMemoryUsage { context.arena.usage }
  var complaints: [String] { context.instance.messages.all }

  /// Opens a device.
  ///
  /// - Parameters:
  ///   - index: its place in the list.
  ///   - options: limits of memory and time.
  ///   - libraries: where to look for the drivers' loader.
  ///   - calls: through which every call goes; tests give one of their own.
  init(
    _ index: Int, options: GPUOptions, libraries: [String] = VulkanLibrary.names,
    calls: (String) -> VulkanCalls = { VulkanCalls(device: $0) }
  ) throws(GPUError) {
    let calls = calls("GPU \(index)")
    let instance = try VulkanInstance(validates: options.validates, libraries: libraries, calls: calls)
    let handles = try instance.devices()
    guard !handles.isEmpty else { throw .noDevice }
    guard handles.indices.contains(index) else { throw .noSuchDevice(index: index, count: handles.count) }
    let physical = try VulkanPhysicalDevice(handles[index], of: instance, index: index, calls: calls)
    if let reason = physical.description.unsuited {
      throw .unsuited(device: physical.description.name, reason: reason)
    }
    context = try VulkanContext(physical, of: instance, options: options, calls: calls)
    cache = try VulkanKernelCache(context, folder: options.cacheFolder)
    staging = VulkanStaging(context)
  }

  deinit { cache.save() }

  /// All devices.
  static func descriptions(libraries: [String] = VulkanLibrary.names) throws(GPUError) -> [GPUDescription] {
    let calls = VulkanCalls(device: "The GPU")
    let instance = try VulkanInstance(libraries: libraries, calls: calls)
    let handles = try instance.devices()
    guard !handles.isEmpty else { throw .noDevice }
    var descriptions: [GPUDescription] = []
    for (index, handle) in handles.enumerated() {
      descriptions.append(
        try VulkanPhysicalDevice(handle, of: instance, index: index, calls: calls).description)
    }
    return descriptions
  }

  func makeBuffer(byteCount: Int, role: GPUBufferRole, label: String) throws(GPUError) -> any GPUBuffer {
    try VulkanBuffer(context, byteCount: byteCount, role: role, label: label)
  }

  func kernel(_ shader: ShaderDescription, specialization: [UInt32]) throws(GPUError) -> any GPUKernel {
    let kernel = try VulkanKernel(context, shader, specialization: specialization, cache: cache.handle)
    cache.count()
    return kernel
  }

  func saveKernels() { cache.save() }

  func upload(
    to target: GPUBufferSlice, inMultiplesOf multiple: Int,
    _ fill: (_ piece: UnsafeMutableRawBufferPointer, _ offset: Int) throws -> Void
  ) throws {
    let buffer = try own(target)
    guard target.byteCount > 0 else { return }
    guard multiple > 0 else {
      throw GPUError.uploadMultiple(buffer: buffer.label, multiple: multiple, limit: context.options.stagingBytes)
    }
    try staging.upload(to: target, of: buffer, inMultiplesOf: multiple, fill)
  }

  func download(_ source: GPUBufferSlice) throws(GPUError) -> [UInt8] {
    let buffer = try own(source)
    return try staging.download(source, of: buffer)
  }

  func record(
    _ label: String, options: GPURecordingOptions, _ body: (inout GPURecorder) throws -> Void
  ) throws -> any GPURecording {
    var recorder = GPURecorder(
      limits: description.limits, options: options, device: ObjectIdentifier(context),
      owner: { object in
        switch object {
        case let buffer as VulkanBuffer: ObjectIdentifier(buffer.context)
        case let kernel as VulkanKernel: ObjectIdentifier(kernel.context)
        default: nil
        }
      })
    try body(&recorder)
    return try VulkanRecording(context, label, recorder.commands)
  }

  func start(_ recordings: [any GPURecording]) throws(GPUError) -> any GPURun {
    var own: [VulkanRecording] = []
    for recording in recordings {
      guard let recording = recording as? VulkanRecording, recording.context === context else {
        throw .foreign(label: recording.label)
      }
      own.append(recording)
    }
    guard !own.isEmpty else { throw .nothingToStart }
    return try VulkanRun(own, context)
  }

  private func own(_ slice: GPUBufferSlice) throws(GPUError) -> VulkanBuffer {
    guard let buffer = slice.buffer as? VulkanBuffer, buffer.context === context else {
      throw .foreign(label: slice.buffer.label)
    }
    guard slice.offset >= 0, slice.byteCount >= 0, slice.byteCount <= buffer.byteCount,
      slice.offset <= buffer.byteCount - slice.byteCount
    else {
      throw .outOfBounds(
        buffer: buffer.label, bufferBytes: buffer.byteCount, offset: slice.offset, byteCount: slice.byteCount)
    }
    return buffer
  }
}
