/// Work that was recorded, to be run any number of times. It keeps its kernels and buffers alive.
public protocol GPURecording: AnyObject, Sendable {
  var label: String { get }
  /// How many times it hands over to the host, and the host to it; see ``GPURecorder/signalHost()``.
  var signals: Int { get }
  var awaits: Int { get }
  /// Stages of the last finished run in order; empty unless timing was asked for.
  var timings: [GPUTiming] { get throws(GPUError) }
}

/// How work is recorded.
public struct GPURecordingOptions: Sendable, Equatable {
  /// Whether stages are timed. Costs a little on the device, and steps of different stages no longer overlap.
  public var timesStages: Bool

  public init(timesStages: Bool = false) { self.timesStages = timesStages }
}

/// How long one stage of a run took.
public struct GPUTiming: Sendable, Equatable {
  public var label: String
  public var nanoseconds: Double
}

/// A recording that was started.
///
/// A recording with hand-overs is one submission to the device however many there are: device and host then wait for each other
/// without another one. A run that is dropped before it finished is abandoned.
public protocol GPURun: AnyObject, Sendable {
  /// Waits until the device has come to a hand-over to the host. What it wrote to ``GPUBufferRole/hostRead`` buffers by then
  /// can be read.
  ///
  /// - Parameters:
  ///   - signal: number that ``GPURecorder/signalHost()`` gave.
  ///   - limit: how long to wait at most; nil takes the device's own limit.
  /// - Throws: ``GPUError/timedOut(label:limit:)``, ``GPUError/deviceLost(device:call:)``.
  func wait(for signal: Int, limit: Duration?) throws(GPUError)

  /// Lets the device go on past a wait for the host, and all before it. What the host wrote until now is seen.
  ///
  /// - Parameter wait: number that ``GPURecorder/waitForHost()`` gave.
  func proceed(past wait: Int) throws(GPUError)

  /// Waits until all is done.
  func finish(limit: Duration?) throws(GPUError)

  /// Lets the device run to the end without the host, and waits until it has, within the device's limit. Results are void.
  func abandon()
}

extension GPURun {
  public func wait(for signal: Int) throws(GPUError) { try wait(for: signal, limit: nil) }
  public func finish() throws(GPUError) { try finish(limit: nil) }
}
