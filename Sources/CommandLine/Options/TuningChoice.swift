import ArgumentParser
import PowerInferKernels

/// What `POWERINFER_TUNE` says: whether to measure how this machine's memory is read best.
struct TuningChoice: SettingValue {
  static let expectation = "off, again or remembered"

  let mode: TuningOptions.Mode

  init?(argument: String) {
    guard let mode = TuningOptions.Mode(rawValue: argument) else { return nil }
    self.mode = mode
  }

  /// - Throws: `EnvironmentError`.
  static func options(_ environment: Environment = Environment()) throws -> TuningOptions {
    let choice: TuningChoice? = try environment.value(of: "POWERINFER_TUNE")
    return TuningOptions(mode: choice?.mode ?? .remembered, cacheFolder: GPUFlag.kernelCache)
  }
}
