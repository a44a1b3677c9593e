import Foundation
import PowerInferGPU
import PowerInferKernels
import PowerInferPlatform

/// How fast a machine's processor and GPU read their memories, and what a turn between the two costs. Measured once and kept, so that
/// a model is divided the same way every time.
public struct MachineSpeeds: Sendable, Equatable, Codable {
  /// Bytes per second.
  public var processor: Double
  public var gpu: Double
  /// Seconds of a hand-over to the processor and back.
  public var turn: Double
  /// Worker threads that were measured with.
  public var threads: Int

  /// A PC with two channels of DDR5 and a large graphics card. A software device is planned for with these: it computes on the
  /// processor itself, so that its speed says nothing about how to divide a model.
  public static let nominal = MachineSpeeds(processor: 67e9, gpu: 1000e9, turn: 20e-6, threads: 0)

  public init(processor: Double, gpu: Double, turn: Double, threads: Int) {
    (self.processor, self.gpu, self.turn, self.threads) = (processor, gpu, turn, threads)
  }

  private var isPlausible: Bool {
    [processor, gpu].allSatisfy { $0 > 1e6 && $0 < 1e15 } && turn >= 0 && turn < 1
  }

  /// The speeds that are kept for a device, or those measured now.
  ///
  /// - Parameters:
  ///   - device: nothing else runs on it.
  ///   - team: the processor's threads.
  ///   - folder: where they are kept; `nil` keeps none.
  /// - Throws: `GPUError`, `MemoryBandwidthError`.
  static func known(of device: any GPUDevice, _ team: ThreadTeam, folder: String?) throws -> MachineSpeeds {
    guard device.description.kind != .software else { return nominal }
    let file = folder.map { URL(filePath: $0).appending(path: fileName(device.description, threads: team.count)) }
    if let file, let data = try? Data(contentsOf: file),
      let kept = try? JSONDecoder().decode(MachineSpeeds.self, from: data), kept.isPlausible
    {
      return kept
    }
    let measured = MachineSpeeds(
      processor: try MemoryBandwidth.measure(.read, on: team).median, gpu: try device.measureBandwidth().median,
      turn: try device.measureTurn(), threads: team.count)
    if let file, measured.isPlausible, let data = try? JSONEncoder().encode(measured) {
      // Without it the next start measures again.
      try? FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try? data.write(to: file, options: .atomic)
    }
    return measured
  }

  static func fileName(_ device: GPUDescription, threads: Int) -> String {
    let identity = device.identity.map { String(format: "%02x", $0) }.joined()
    return "speeds-\(identity.prefix(32))-\(threads).json"
  }
}
