import PowerInferGPU

/// A device that sets memory aside as the one behind it and fills none: what fits is known before anything is uploaded.
final class RehearsalDevice: GPUDevice {
  private let device: any GPUDevice

  init(_ device: any GPUDevice) { self.device = device }

  var description: GPUDescription { device.description }
  var usage: GPUMemoryUsage { device.usage }
  var complaints: [String] { device.complaints }

  func makeBuffer(byteCount: Int, role: GPUBufferRole, label: String) throws(GPUError) -> any GPUBuffer {
    try device.makeBuffer(byteCount: byteCount, role: role, label: label)
  }

  func kernel(_ shader: ShaderDescription, specialization: [UInt32]) throws(GPUError) -> any GPUKernel {
    try device.kernel(shader, specialization: specialization)
  }

  func saveKernels() {}

  func upload(
    to target: GPUBufferSlice, inMultiplesOf multiple: Int,
    _ fill: (_ piece: UnsafeMutableRawBufferPointer, _ offset: Int) throws -> Void
  ) throws {}

  func download(_ source: GPUBufferSlice) throws(GPUError) -> [UInt8] { try device.download(source) }

  func record(
    _ label: String, options: GPURecordingOptions, _ body: (inout GPURecorder) throws -> Void
  ) throws -> any GPURecording {
    try device.record(label, options: options, body)
  }

  func start(_ recordings: [any GPURecording]) throws(GPUError) -> any GPURun { try device.start(recordings) }
}
