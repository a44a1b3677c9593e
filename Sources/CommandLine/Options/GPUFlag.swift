import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGPU
import PowerInferPlatform

/// Whether a GPU runs the model, and which.
struct GPUFlag: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "GPU to run on: auto, none, a number or a part of a name of those that `powerinfer devices` lists. auto takes the best "
        + "one that the model fits, never a software device. (default: auto; environment: POWERINFER_GPU)",
      valueName: "gpu"))
  var gpu: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "GPU memory that may be taken, everything counted: GiB, 6GiB, 80% of the GPU's, or auto for what is free. A model that does not "
        + "fit is divided: hot neurons on the GPU, cold ones on the processor. (default: auto; environment: "
        + "POWERINFER_VRAM_BUDGET)", valueName: "size"))
  var vramBudget: String?

  @Option(
    name: [.customLong("n-gpu-layers"), .customLong("gpu-layers"), .customLong("ngl", withSingleDash: true)],
    parsing: .unconditional,
    help: ArgumentHelp(
      "Layers that are wholly on the GPU, the last ones; one more than there are adds the output matrix, and all is all of it. "
        + "auto divides layers by neurons, as the budget allows. (default: auto; environment: POWERINFER_N_GPU_LAYERS)",
      valueName: "n|all|auto"))
  var nGpuLayers: LayerCount?

  @Flag(
    help: "Place neurons anew, even if there is a MODEL.generated.gpuidx. (environment: POWERINFER_RESET_GPU_INDEX)")
  var resetGpuIndex = false

  @Flag(
    help: """
      Divide no layer by neurons: all neurons of layers that the GPU has not as a whole are the processor's. \
      (environment: POWERINFER_DISABLE_GPU_INDEX)
      """)
  var disableGpuIndex = false

  func validate() throws {
    if resetGpuIndex, disableGpuIndex {
      throw ValidationError("Give either --reset-gpu-index or --disable-gpu-index, not both.")
    }
    if gpu?.allSatisfy(\.isWhitespace) == true {
      throw ValidationError("The option --gpu must be \(Self.expectation), but it is empty.")
    }
  }

  private static let expectation = "auto, none, a number or a part of a GPU's name"

  /// - Throws: `EnvironmentError`.
  func resolve(_ environment: Environment) throws -> GPUChoice {
    guard let text = try environment.value(gpu, or: "GPU") else { return .automatic }
    guard !text.allSatisfy(\.isWhitespace) else {
      throw EnvironmentError(variable: "POWERINFER_GPU", expected: Self.expectation, found: text)
    }
    return GPUChoice(text)
  }

  /// - Throws: `EnvironmentError`, `OptionError`.
  func resolveHybrid(_ environment: Environment) throws -> HybridOptions {
    var options = HybridOptions()
    if let text = try environment.value(vramBudget, or: "VRAM_BUDGET") {
      options.budget = try GPUBudget(text, option: "vram-budget")
    }
    options.layers = try environment.value(nGpuLayers, or: "N_GPU_LAYERS")?.layers
    // A flag wins over both variables.
    let disables = try environment.value(
      disableGpuIndex || resetGpuIndex ? disableGpuIndex : nil, or: "DISABLE_GPU_INDEX")
    let resets = try environment.value(disableGpuIndex || resetGpuIndex ? resetGpuIndex : nil, or: "RESET_GPU_INDEX")
    options.neurons = disables == true ? .none : resets == true ? .byFrequency : .automatic
    return options
  }

  /// Where compiled kernels are kept between runs.
  static var kernelCache: String? {
    FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first?.appending(path: "powerinfer").path
  }
}

extension GPUBudget {
  /// The option's value: a number alone is of GiB, as in PowerInfer.
  ///
  /// - Throws: `OptionError.malformed`.
  init(_ text: String, option: String) throws(OptionError) {
    let malformed = OptionError.malformed(option: option, expected: "6, 6GiB, 80% or auto", found: text)
    if text.lowercased() == "auto" {
      self = .automatic
    } else if text.hasSuffix("%") {
      guard let percent = Double(text.dropLast()), percent >= 0, percent <= 100 else { throw malformed }
      // As 0 bytes it asks for no GPU.
      self = percent == 0 ? .bytes(0) : .share(percent / 100)
    } else if let number = Double(text) {
      guard number >= 0, let bytes = Int(exactly: (number * 1_073_741_824).rounded(.down)) else { throw malformed }
      self = .bytes(bytes)
    } else {
      guard let size = ByteSize(text) else { throw malformed }
      self = .bytes(size.bytes)
    }
  }
}

extension GPUChoice {
  /// How a model's file is held in memory: mapped where a GPU may take the weights, which need no memory of their own here then.
  /// Whether they fit it turns out later.
  func residency(_ wanted: Residency) -> Residency {
    wanted == .automatic && findsDevice ? .mapped : wanted
  }

  /// Whether there is a device that may take a part of a model.
  var findsDevice: Bool {
    guard self != .none, let devices = try? GPU.descriptions() else { return false }
    return (try? pick(from: devices, needing: 0)) ?? nil != nil
  }
}
