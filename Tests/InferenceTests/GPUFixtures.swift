import PowerInferKernels
import PowerInferModel
import Synchronization
import Testing

@testable import PowerInfer
@testable import PowerInferGPU

extension GPUBench {
  static let skipped: Comment = "skipped: no Vulkan device"

  /// Whether the validation layers are installed.
  static let validates: Bool = device != nil && (try? VulkanInstance(validates: true)) != nil

  /// Opens the device once more, for one test alone.
  static func open(_ options: GPUOptions = GPUOptions(), faults: DeviceFaults? = nil) throws -> VulkanDevice {
    try VulkanDevice(
      try #require(device).description.index, options: options,
      calls: { VulkanCalls(device: $0, intercept: faults?.intercept) })
  }

  /// An engine on a device, with the processor to fall back on or without.
  static func engine(
    _ model: LanguageModel, _ options: EngineOptions, on device: (any GPUDevice)? = nil,
    limits: GPUExecutor.Limits = .init(), fallsBack: Bool = false
  ) throws -> Engine {
    let device = try device ?? #require(Self.device)
    let executor = try GPUExecutor(model: model, device: device, options: options, limits: limits)
    var choice = GPUSelection()
    (choice.executor, choice.name) = (executor, device.description.name)
    let team = ThreadTeam(workers: options.threads ?? 2)
    let contextSize = try options.contextSize(for: model)
    return try Engine(
      executor: executor, team: team, options: options, gpu: choice,
      fallback: fallsBack
        ? { try CPUExecutor(model: model, team: team, contextSize: contextSize, options: options) } : nil)
  }
}

/// Lets calls to a device's driver fail.
final class DeviceFaults: Sendable {
  static let lost: Int32 = -4
  static let outOfMemory: Int32 = -2

  private struct State {
    /// Nil for none, empty for all.
    var name: String?
    var failing = 0..<0
    var code: Int32 = 0
    var calls = 0
  }

  private let state = Mutex(State())

  /// Fails calls of a function, or of all where `name` is empty, counted from 0 from now on.
  func fail(_ name: String, _ failing: Range<Int>, code: Int32) {
    state.withLock { $0 = State(name: name, failing: failing, code: code) }
  }

  /// The same for one call.
  func fail(_ name: String, at n: Int = 0, code: Int32 = lost) { fail(name, n..<n + 1, code: code) }

  /// Counts calls of a function from now on.
  func count(_ name: String) { fail(name, 0..<0, code: 0) }

  func stop() { state.withLock { $0 = State() } }

  /// Calls since then.
  var calls: Int { state.withLock { $0.calls } }

  var intercept: VulkanCalls.Intercept {
    { name in
      self.state.withLock { state in
        guard let wanted = state.name, wanted.isEmpty || wanted == name else { return nil }
        defer { state.calls += 1 }
        return state.failing.contains(state.calls) ? state.code : nil
      }
    }
  }
}
