import ArgumentParser
import PowerInfer
import PowerInferGPU

/// Whether a GPU runs the model, and which.
struct GPUFlag: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "GPU to run on: auto, none, a number or a part of a name of those that `powerinfer devices` lists. auto takes the best "
        + "one that the model fits, never a software device. (default: auto; environment: POWERINFER_GPU)",
      valueName: "gpu"))
  var gpu: String?

  /// - Throws: `EnvironmentError`.
  func resolve(_ environment: Environment) throws -> GPUChoice {
    try environment.value(gpu, or: "GPU").map(GPUChoice.init) ?? .automatic
  }
}
