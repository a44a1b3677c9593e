import CPowerInferVulkan
import Synchronization

/// Recordings in flight, as one submission.
// Unchecked: the driver's handles do not change after `init`; what changes is behind the lock.
final class VulkanRun: GPURun, @unchecked Sendable {
  /// A wait for the host.
  private struct Wait {
    let semaphore: VkSemaphore
    /// Opens it.
    let value: UInt64
    /// The first batch that does not begin before.
    let batch: Int
  }

  private let context: VulkanContext
  private let recordings: [VulkanRecording]
  private let label: String
  // The device's clock before the first batch.
  private let base: UInt64
  private let batches: Int
  // For each hand-over to the host the batch after which it happens.
  private let signals: [Int]
  private let waits: [Wait]
  private let state = Mutex(State())

  private struct State {
    // How many waits the host has opened.
    var opened = 0
    var isOver = false
  }

  /// - Parameter recordings: at least one, all of one device.
  init(_ recordings: [VulkanRecording], _ context: VulkanContext) throws(GPUError) {
    self.context = context
    self.recordings = recordings
    label = recordings.map(\.label).joined(separator: ", ")
    try context.calls.checkUsable()

    var plan = Plan()
    var begun: [VulkanRecording] = []
    do throws(GPUError) {
      for recording in recordings {
        plan.add(recording, hostBase: try recording.begin())
        begun.append(recording)
      }
      base = try context.queue.submit(plan.batches)
    } catch {
      for recording in begun { recording.cancel() }
      throw error
    }
    (batches, signals, waits) = (plan.batches.count, plan.signals, plan.waits)
  }

  deinit { abandon() }

  func wait(for signal: Int, limit: Duration?) throws(GPUError) {
    guard signals.indices.contains(signal) else {
      throw .handOver(recording: label, number: signal, count: signals.count)
    }
    try context.queue.wait(for: base + UInt64(signals[signal]) + 1, limit: limit, label: label)
  }

  func proceed(past wait: Int) throws(GPUError) {
    guard waits.indices.contains(wait) else {
      throw .handOver(recording: label, number: wait, count: waits.count)
    }
    try context.calls.checkUsable()
    _ = try state.withLock { (state) throws(GPUError) in
      try context.calls.check("vkSignalSemaphore") { open(wait + 1, &state) }
    }
  }

  func finish(limit: Duration?) throws(GPUError) {
    guard !state.withLock({ $0.isOver }) else { return }
    try context.queue.wait(for: base + UInt64(batches), limit: limit, label: label)
    end(finished: true)
  }

  func abandon() {
    guard !state.withLock({ $0.isOver }) else { return }
    // Past the checks: what counts is whether the device comes to the end.
    _ = state.withLock { open(waits.count, &$0) }
    if context.queue.reached(base + UInt64(batches)) { end(finished: false) }
  }

  private func end(finished: Bool) {
    let isFirst = state.withLock { state in
      defer { state.isOver = true }
      return !state.isOver
    }
    if isFirst { for recording in recordings { recording.end(finished: finished) } }
  }

  /// Opens the first `count` waits by raising the host's semaphores, which must never fall.
  private func open(_ count: Int, _ state: inout State) -> VkResult {
    guard !state.isOver else { return VkResult(VK_SUCCESS) }
    while state.opened < count {
      // One signal opens all waits of a recording up to its value.
      var next = state.opened
      while !context.instance.validates, next + 1 < count, waits[next + 1].semaphore == waits[next].semaphore {
        next += 1
      }
      // The layers (seen in 1.3.239) take a host's signal for one that is still to come, unless each wait has a signal of
      // its own and the device has passed it before the next.
      if context.instance.validates { _ = context.queue.reached(base + UInt64(waits[next].batch)) }
      var info = VkSemaphoreSignalInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO)
      info.semaphore = waits[next].semaphore
      info.value = waits[next].value
      let code = context.functions.signalSemaphore(context.device, &info)
      guard Int(code) == VK_SUCCESS else { return code }
      state.opened = next + 1
    }
    return VkResult(VK_SUCCESS)
  }

  /// Recordings, cut into batches where host and device hand over.
  private struct Plan {
    var batches: [VulkanQueue.Batch] = []
    var signals: [Int] = []
    var waits: [Wait] = []
    private var endsWithSignal = false

    mutating func add(_ recording: VulkanRecording, hostBase: UInt64) {
      let firstWait = waits.count
      var batchOfSegment: [Int] = []
      for (index, segment) in recording.segments.enumerated() {
        if let last = segment.wait, let semaphore = recording.hostSemaphore {
          // Waits in a row are one.
          while waits.count - firstWait <= last {
            let value = hostBase + UInt64(waits.count - firstWait) + 1
            waits.append(Wait(semaphore: semaphore, value: value, batch: batches.count))
          }
          batches.append(.init(commands: [], wait: (semaphore, hostBase + UInt64(last) + 1)))
        } else if batches.isEmpty || endsWithSignal {
          batches.append(.init(commands: [], wait: nil))
        }
        batches[batches.count - 1].commands.append(recording.commandBuffers[index])
        batchOfSegment.append(batches.count - 1)
        endsWithSignal = recording.signalSegments.contains(index)
      }
      signals += recording.signalSegments.map { batchOfSegment[$0] }
    }
  }
}
