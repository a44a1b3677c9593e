import CPowerInferVulkan
import Synchronization

/// Command buffers that were filled once: one for each stretch of steps between hand-overs.
// Unchecked: the driver's objects do not change after `init`; whether a run is in flight is behind the lock.
final class VulkanRecording: GPURecording, @unchecked Sendable {
  /// A stretch of steps that runs without the host.
  struct Segment {
    var commands: ArraySlice<GPUCommand>
    /// Number of the wait for the host that must be over before it begins.
    var wait: Int?
  }

  let context: VulkanContext
  let label: String
  let signals: Int
  let awaits: Int
  /// For each hand-over to the host the segment after which it happens.
  let signalSegments: [Int]
  let segments: [Segment]
  let commandBuffers: [VkCommandBuffer]
  /// Raised by the host, once for each of its hand-overs; nil where there is none.
  let hostSemaphore: VkSemaphore?

  // The kernels and buffers that the command buffers refer to.
  private let commands: [GPUCommand]
  private let objects: VulkanRecordingObjects
  private let stages: [String]
  private let state = Mutex(State())

  private struct State {
    var isRunning = false
    // Value of the host's semaphore before the next run.
    var hostBase: UInt64 = 0
    var hasFinished = false
  }

  /// - Parameters:
  ///   - context: the device.
  ///   - label: for messages.
  ///   - commands: steps and barriers, as ``GPURecorder`` has put them down.
  init(_ context: VulkanContext, _ label: String, _ commands: [GPUCommand]) throws(GPUError) {
    try context.calls.checkUsable()
    self.context = context
    self.label = label
    self.commands = commands
    (segments, signalSegments) = VulkanRecording.segments(commands)
    signals = signalSegments.count
    awaits = commands.reduce(0) { count, command in if case .waitForHost = command { count + 1 } else { count } }
    stages = commands.compactMap { if case .stage(let label) = $0 { label } else { nil } }
    let isTimed = !stages.isEmpty && context.physical.timestampBits > 0
    objects = VulkanRecordingObjects(context)
    try objects.make(
      commands, segments: segments.count, timestamps: isTimed ? stages.count + 1 : 0, awaits: awaits > 0)
    hostSemaphore = objects.hostSemaphore
    commandBuffers = objects.commandBuffers
    var encoder = VulkanEncoder(context, objects)
    for (index, segment) in segments.enumerated() {
      context.name(commandBuffers[index], VK_OBJECT_TYPE_COMMAND_BUFFER, "\(label), part \(index)")
      try encoder.encode(
        segment.commands, into: commandBuffers[index], isFirst: index == 0, isLast: index == segments.count - 1)
    }
  }

  /// Notes that a run begins; gives the host's semaphore's value before it.
  func begin() throws(GPUError) -> UInt64 {
    try state.withLock { (state) throws(GPUError) in
      guard !state.isRunning else { throw .busy(recording: label) }
      state.isRunning = true
      state.hasFinished = false
      defer { state.hostBase += UInt64(awaits) }
      return state.hostBase
    }
  }

  /// Notes that a run that began was not submitted: nothing has happened.
  func cancel() {
    state.withLock { state in
      state.isRunning = false
      state.hostBase -= UInt64(awaits)
    }
  }

  /// Notes that a run has ended.
  func end(finished: Bool) {
    state.withLock { state in
      state.isRunning = false
      state.hasFinished = finished
    }
  }

  var timings: [GPUTiming] {
    get throws(GPUError) {
      guard let pool = objects.queryPool, state.withLock({ $0.hasFinished }) else { return [] }
      var ticks = [UInt64](repeating: 0, count: stages.count + 1)
      let byteCount = ticks.count * 8
      try context.calls.check("vkGetQueryPoolResults") {
        context.functions.getQueryPoolResults(
          context.device, pool, 0, UInt32(stages.count + 1), byteCount, &ticks, 8, UInt32(VK_QUERY_RESULT_64_BIT))
      }
      let bits = context.physical.timestampBits
      let mask = bits >= 64 ? UInt64.max : (1 << UInt64(bits)) - 1
      let nanoseconds = context.description.nanosecondsPerTick ?? 0
      return stages.enumerated().map { index, label in
        GPUTiming(label: label, nanoseconds: Double((ticks[index + 1] &- ticks[index]) & mask) * nanoseconds)
      }
    }
  }

  /// Cuts steps at the hand-overs.
  static func segments(_ commands: [GPUCommand]) -> (segments: [Segment], signals: [Int]) {
    var (segments, signals): ([Segment], [Int]) = ([], [])
    var (start, wait, waits): (Int, Int?, Int) = (0, nil, 0)
    func close(at end: Int) {
      segments.append(Segment(commands: commands[start..<end], wait: wait))
      wait = nil
    }
    for (index, command) in commands.enumerated() {
      switch command {
      case .signalHost:
        // Two in a row happen together; one at the very beginning has a stretch of nothing before it.
        if start < index || wait != nil || segments.isEmpty { close(at: index) }
        signals.append(segments.count - 1)
        start = index + 1
      case .waitForHost:
        if start < index { close(at: index) }
        // Of two in a row the later one counts.
        wait = waits
        waits += 1
        start = index + 1
      default:
        break
      }
    }
    if start < commands.count || wait != nil || segments.isEmpty { close(at: commands.count) }
    return (segments, signals)
  }
}
