/// How fast a device gets through the neurons of a layer: decoding waits for memory, so that bytes make the time.
public struct DeviceSpeed: Sendable, Equatable, Codable {
  /// Bytes of weights that it reads in a second.
  public let bytesPerSecond: Double
  /// Seconds that its turn in a layer takes besides, however little it computes: to start, to hand over its part.
  public let secondsPerTurn: Double

  /// - Throws: ``PlacementError`` for a speed that is not above 0, or a time below 0.
  public init(bytesPerSecond: Double, secondsPerTurn: Double = 0) throws(PlacementError) {
    guard bytesPerSecond > 0, bytesPerSecond.isFinite else { throw .bandwidth(bytesPerSecond) }
    guard secondsPerTurn >= 0, secondsPerTurn.isFinite else { throw .turn(secondsPerTurn) }
    self.bytesPerSecond = bytesPerSecond
    self.secondsPerTurn = secondsPerTurn
  }

  /// Seconds to read so many bytes, without a turn.
  func seconds(_ bytes: Double) -> Double { bytes / bytesPerSecond }
}

/// What a layer costs on both devices, which work on their parts of it at the same time.
///
/// The GPU takes a turn only in layers of which it has neurons; the CPU takes one in every layer, for the layer's result comes
/// together there.
public struct CostModel: Sendable, Equatable, Codable {
  public let gpu: DeviceSpeed
  public let cpu: DeviceSpeed

  public init(gpu: DeviceSpeed, cpu: DeviceSpeed) {
    self.gpu = gpu
    self.cpu = cpu
  }

  /// Seconds of the GPU's part: bytes expected to be read of the neurons that it has, if it has any.
  func gpuSeconds(_ bytes: Double, neurons: Int) -> Double {
    neurons == 0 ? 0 : gpu.secondsPerTurn + gpu.seconds(bytes)
  }

  /// Seconds of the CPU's part.
  func cpuSeconds(_ bytes: Double) -> Double { cpu.secondsPerTurn + cpu.seconds(bytes) }
}
