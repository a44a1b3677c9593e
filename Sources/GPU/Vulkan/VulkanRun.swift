import CPowerInferVulkan
import Synchronization

/// A recording in flight.
// Unchecked: the driver's handles do not change after `init`; what changes is behind the lock.
final class VulkanRun: GPURun, @unchecked Sendable {
  private let recording: VulkanRecording
  // The device's clock before the first segment, and the host's semaphore before the first wait.
  private let base: UInt64
  private let hostBase: UInt64
  private let state = Mutex(State())

  private struct State {
    // The host's hand-overs so far.
    var proceeded = 0
    var isOver = false
  }

  private var context: VulkanContext { recording.context }

  init(_ recording: VulkanRecording) throws(GPUError) {
    self.recording = recording
    try recording.context.calls.checkUsable()
    let hostBase = try recording.begin()
    self.hostBase = hostBase
    let batches = zip(recording.segments, recording.commandBuffers).map { segment, commands in
      VulkanQueue.Batch(
        commands: commands,
        wait: segment.wait.flatMap { wait in
          recording.hostSemaphore.map { ($0, hostBase + UInt64(wait) + 1) }
        })
    }
    do {
      base = try recording.context.queue.submit(batches)
    } catch {
      recording.cancel()
      throw error
    }
  }

  deinit { abandon() }

  func wait(for signal: Int, limit: Duration?) throws(GPUError) {
    guard recording.signalSegments.indices.contains(signal) else {
      throw .handOver(recording: recording.label, number: signal, count: recording.signals)
    }
    try context.queue.wait(
      for: base + UInt64(recording.signalSegments[signal]) + 1, limit: limit, label: recording.label)
  }

  func proceed(past wait: Int) throws(GPUError) {
    guard wait >= 0, wait < recording.awaits else {
      throw .handOver(recording: recording.label, number: wait, count: recording.awaits)
    }
    try context.calls.checkUsable()
    _ = try state.withLock { (state) throws(GPUError) in
      try context.calls.check("vkSignalSemaphore") { signal(wait + 1, &state) }
    }
  }

  func finish(limit: Duration?) throws(GPUError) {
    guard !state.withLock({ $0.isOver }) else { return }
    try context.queue.wait(for: base + UInt64(recording.segments.count), limit: limit, label: recording.label)
    end(finished: true)
  }

  func abandon() {
    guard !state.withLock({ $0.isOver }) else { return }
    // Past the checks: what counts is whether the device comes to the end.
    _ = state.withLock { signal(recording.awaits, &$0) }
    if context.queue.reached(base + UInt64(recording.segments.count)) { end(finished: false) }
  }

  private func end(finished: Bool) {
    let isFirst = state.withLock { state in
      defer { state.isOver = true }
      return !state.isOver
    }
    if isFirst { recording.end(finished: finished) }
  }

  /// Raises the host's semaphore, which must never fall.
  private func signal(_ count: Int, _ state: inout State) -> VkResult {
    guard let semaphore = recording.hostSemaphore, count > state.proceeded, !state.isOver else {
      return VkResult(VK_SUCCESS)
    }
    // The layers (seen in 1.3.239) take a host's signal for one that is still to come, unless each wait has a signal of its
    // own and the device has passed it before the next.
    let steps = context.instance.validates ? Array(state.proceeded + 1...count) : [count]
    for step in steps {
      if context.instance.validates { rest(state.proceeded) }
      var info = VkSemaphoreSignalInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO)
      info.semaphore = semaphore
      info.value = hostBase + UInt64(step)
      let code = context.functions.signalSemaphore(context.device, &info)
      guard Int(code) == VK_SUCCESS else { return code }
      state.proceeded = step
    }
    return VkResult(VK_SUCCESS)
  }

  /// Waits until the device can go no further before the host has raised its semaphore again.
  private func rest(_ proceeded: Int) {
    if let segment = recording.segments.firstIndex(where: { ($0.wait ?? -1) >= proceeded }) {
      _ = context.queue.reached(base + UInt64(segment))
    }
  }
}
