import CPowerInferVulkan
import Foundation
import Synchronization
import Testing

@testable import PowerInferGPU

/// The device that the tests of the device room run on: the first one there is, software or not.
enum TestDevice {
  /// Nil where there is none.
  static let description: GPUDescription? = (try? VulkanDevice.descriptions())?.first { $0.unsuited == nil }

  static var isPresent: Bool { description != nil }
  static let skipped: Comment = "skipped: no Vulkan device"

  /// Whether the validation layers are installed.
  static let validates: Bool = {
    guard isPresent else { return false }
    return (try? VulkanInstance(validates: true)) != nil
  }()

  /// Opens it, watched by the validation layers where they are.
  ///
  /// - Parameters:
  ///   - options: limits of memory and time.
  ///   - faults: what goes wrong at the driver.
  static func open(_ options: GPUOptions = GPUOptions(), faults: Faults? = nil) throws -> VulkanDevice {
    let description = try #require(description)
    var options = options
    options.validates = validates
    return try VulkanDevice(
      description.index, options: options, calls: { VulkanCalls(device: $0, intercept: faults?.intercept) })
  }
}

/// Lets calls to the driver fail.
final class Faults: Sendable {
  private struct State {
    var counts: [String: Int] = [:]
    var total = 0
    var failing: (name: String?, at: Int, code: Int)?
    var last: String?
  }

  private let state = Mutex(State())

  /// Fails the n-th call (from 0) of a function, or of any where `name` is nil, counted from now.
  func fail(_ name: String?, at n: Int = 0, code: Int) {
    state.withLock { $0 = State(failing: (name, n, code)) }
  }

  func stop() { state.withLock { $0 = State() } }

  /// Calls since then.
  var total: Int { state.withLock { $0.total } }
  /// The call that failed.
  var failed: String? { state.withLock { $0.last } }

  var intercept: VulkanCalls.Intercept {
    { name in
      self.state.withLock { state in
        defer {
          state.total += 1
          state.counts[name, default: 0] += 1
        }
        guard let failing = state.failing, failing.name == nil || failing.name == name else { return nil }
        guard (failing.name == nil ? state.total : state.counts[name, default: 0]) == failing.at else { return nil }
        state.last = name
        return VkResult(failing.code)
      }
    }
  }
}

extension ShaderDescription {
  struct TransformConstants: BitwiseCopyable {
    var count: UInt32
    var factor: UInt32
    var addend: UInt32
  }

  /// target[i] = source[i] * factor + addend + bias
  static let transform = ShaderDescription(
    name: "transform", words: transformWords, bindings: [.reads, .writes], constantBytes: 12,
    specialization: [.init(name: "bias", id: 0)])

  /// groups = workgroups of 64 that parameters[0] needs
  static let counts = ShaderDescription(name: "counts", words: countsWords, bindings: [.reads, .writes])
}

extension GPURecorder {
  /// target[i] = source[i] * factor + addend, for all numbers of `target`.
  mutating func transform(
    _ kernel: any GPUKernel, _ source: GPUBufferSlice, _ target: GPUBufferSlice, factor: UInt32 = 1, addend: UInt32 = 0
  ) throws {
    let count = target.byteCount / 4
    try dispatch(
      kernel, [source, target],
      constants: ShaderDescription.TransformConstants(count: UInt32(count), factor: factor, addend: addend),
      grid: GPUGrid((count + 63) / 64))
  }
}

/// Runs a body on a device, drops the device and everything made on it, and checks that nothing is left at the driver and that
/// the validation layers had nothing to say.
func withDevice(
  _ options: GPUOptions = GPUOptions(), faults: Faults? = nil, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: (VulkanDevice) throws -> Void
) throws {
  let (calls, messages) = try {
    let device = try TestDevice.open(options, faults: faults)
    try body(device)
    return (device.context.calls, device.context.instance.messages)
  }()
  #expect(calls.objects.isEmpty, "left behind", sourceLocation: sourceLocation)
  #expect(messages.all.isEmpty, sourceLocation: sourceLocation)
}
