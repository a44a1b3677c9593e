import PowerInferGPU
import PowerInferModel

/// Which GPU a model runs on, if any, and why not.
struct GPUSelection {
  var executor: (any ModelExecutor)?
  /// Of the device.
  var name: String?
  /// Why there is none where one was looked for.
  var remark: String?

  /// None.
  init() {}

  /// Follows the options: opens the device and uploads the model.
  ///
  /// - Parameters:
  ///   - devices: this machine's.
  ///   - open: opens one of them.
  /// - Throws: ``GPUModelError``, `GPUError` and ``EngineError`` where a certain device was asked for and cannot be used.
  init(
    model: LanguageModel, options: EngineOptions, devices: () throws -> [GPUDescription] = GPU.descriptions,
    open: (Int, GPUOptions) throws -> any GPUDevice = GPU.open
  ) throws {
    guard options.gpu != .none else { return }
    do {
      // Weights, and as much again of everything else as a quarter of them or this: cache, activations, what the driver takes.
      let weights = try GPUExecutor.weightBytes(model, sparsity: options.sparsity)
      let needed = weights + max(weights / 4, 256 << 20)
      guard let device = try options.gpu.pick(from: devices(), needing: needed) else { return }
      // Before the device is opened, and only where there is one: without it nobody asks what could run on it.
      try GPUExecutor.check(model, sparsity: options.sparsity)
      let made = try GPUExecutor(model: model, device: open(device.index, options.gpuOptions), options: options)
      (executor, name) = (made, device.name)
    } catch  where !options.gpu.isExplicit {
      // No driver, no device: nobody asked for one.
      if case .noLoader? = error as? GPUError { return }
      if case .noDevice? = error as? GPUError { return }
      remark = "\(error) It runs on the processor."
    }
  }
}
