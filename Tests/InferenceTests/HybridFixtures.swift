import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import Testing

@testable import PowerInfer

/// Hybrid engines with neurons placed by the test.
enum HybridBench {
  /// Which neurons are on the GPU.
  enum Hot: CaseIterable, CustomTestStringConvertible {
    case none, few, half, most, all, growing

    var testDescription: String { "\(self)" }

    /// Of each layer, in steps that its down projection allows.
    func lists(_ model: LanguageModel, _ mode: SparsityMode, processorLayers: Int) -> [[UInt32]] {
      let f = model.configuration.feedForwardSize
      return model.weights.layers.enumerated().map { index, layer in
        guard index >= processorLayers else { return [] }
        if let step = HybridPlacement.step(layer, mode) {
          let count =
            switch self {
            case .none: 0
            case .few: step
            case .half: f / 2 / step * step
            case .most: (f - 1) / step * step
            case .all: f
            case .growing: index == 0 ? 0 : f
            }
          return (0..<UInt32(count)).map { $0 }
        }
        let chosen: (Int) -> Bool =
          switch self {
          case .none: { _ in false }
          case .few: { $0 == 5 || $0 == 6 || $0 == 40 }
          case .half: { $0 % 2 == 1 }
          case .most: { $0 % 7 != 3 }
          case .all: { _ in true }
          case .growing: { index == 0 ? false : $0 < 33 }
          }
        return (0..<f).filter(chosen).map { UInt32($0) }
      }
    }
  }

  static func executor(
    _ model: LanguageModel, _ options: EngineOptions, _ hot: Hot, processorLayers: Int = 0, hasOutput: Bool = true,
    on device: (any GPUDevice)? = nil, limits: GPUExecutor.Limits = .init()
  ) throws -> HybridExecutor {
    let device = try device ?? #require(GPUBench.device)
    return try HybridExecutor(
      model: model, device: device, team: ThreadTeam(workers: options.threads ?? 2), options: options, limits: limits,
      processorLayers: processorLayers, hasOutput: hasOutput
    ) { _ in hot.lists(model, options.sparsity.mode, processorLayers: processorLayers) }
  }

  static func engine(
    _ model: LanguageModel, _ options: EngineOptions, _ hot: Hot, processorLayers: Int = 0, hasOutput: Bool = true,
    on device: (any GPUDevice)? = nil, limits: GPUExecutor.Limits = .init(), fallsBack: Bool = false
  ) throws -> Engine {
    let executor = try executor(
      model, options, hot, processorLayers: processorLayers, hasOutput: hasOutput, on: device, limits: limits)
    var choice = GPUSelection()
    (choice.executor, choice.name) = (executor, executor.gpu.device.description.name)
    let team = ThreadTeam(workers: options.threads ?? 2)
    let contextSize = try options.contextSize(for: model)
    return try Engine(
      executor: executor, team: team, options: options, gpu: choice,
      fallback: fallsBack
        ? { try CPUExecutor(model: model, team: team, contextSize: contextSize, options: options) } : nil)
  }
}
