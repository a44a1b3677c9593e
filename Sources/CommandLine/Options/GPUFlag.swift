import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGPU
import PowerInferPlatform

/// Whether a GPU runs the model, and which.
struct GPUFlag: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "GPU to run on: auto, none, a number or a part of a name of those that `powerinfer devices` lists. auto takes the best "
        + "one that the model fits, never a software device. (default: auto; environment: POWERINFER_GPU)",
      valueName: "gpu"))
  var gpu: String?

  func validate() throws {
    if gpu?.isEmpty == true {
      throw ValidationError("The option --gpu must be auto, none, a number or a part of a GPU's name, but it is empty.")
    }
  }

  /// - Throws: `EnvironmentError`.
  func resolve(_ environment: Environment) throws -> GPUChoice {
    try environment.value(gpu, or: "GPU").map(GPUChoice.init) ?? .automatic
  }
  /// Where compiled kernels are kept between runs.
  static var kernelCache: String? {
    FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first?.appending(path: "powerinfer").path
  }
}

extension GPUChoice {
  /// How a model's file is held in memory: mapped where a GPU may take the weights, which need no memory of their own here then.
  /// Whether they fit it turns out later.
  func residency(_ wanted: Residency) -> Residency {
    guard wanted == .automatic, self != .none, let devices = try? GPU.descriptions() else { return wanted }
    return (try? pick(from: devices, needing: 0)) ?? nil != nil ? .mapped : wanted
  }
}
