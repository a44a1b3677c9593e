import PowerInferGPU

/// Kernels of a device, made when they are first needed.
struct GPUKernels {
  let device: any GPUDevice
  private var made: [Key: any GPUKernel] = [:]

  private struct Key: Hashable {
    let name: ShaderName
    let specialization: [UInt32]
  }

  init(_ device: any GPUDevice) { self.device = device }

  mutating func kernel(_ name: ShaderName, _ specialization: [UInt32] = []) throws(GPUError) -> any GPUKernel {
    let key = Key(name: name, specialization: specialization)
    if let kernel = made[key] { return kernel }
    let kernel = try device.kernel(name.shader(for: device.description.features), specialization: specialization)
    made[key] = kernel
    return kernel
  }
}
