import CPowerInferVulkan
import Synchronization

/// The device's queue, and the clock by which one knows how far it is: a semaphore whose value rises by one with every batch
/// that is done.
// Unchecked: the driver's handles are used from any thread; submissions are behind the lock.
final class VulkanQueue: @unchecked Sendable {
  /// Command buffers that start together.
  struct Batch {
    var commands: [VkCommandBuffer]
    /// Does not start before the host has raised this semaphore to this value.
    let wait: (semaphore: VkSemaphore, value: UInt64)?
  }

  private let device: VkDevice
  private let functions: DeviceFunctions
  private let calls: VulkanCalls
  private let handle: VkQueue
  private let done: VkSemaphore
  private let limit: Duration
  private let spinning: Duration
  // The value once all that was submitted is done.
  private let submitted = Mutex<UInt64>(0)
  // Whether a wait has run out of time.
  private let hasTimedOut = Mutex(false)

  init(
    device: VkDevice, functions: DeviceFunctions, calls: VulkanCalls, family: UInt32, options: GPUOptions,
    isSoftware: Bool
  ) throws(GPUError) {
    self.device = device
    self.functions = functions
    self.calls = calls
    limit = options.waitLimit ?? (isSoftware ? .seconds(600) : .seconds(60))
    switch options.waiting {
    case .blocking: spinning = .zero
    case .spinning(let duration): spinning = duration
    case .automatic: spinning = isSoftware ? .zero : .microseconds(50)
    }
    var queue: VkQueue?
    functions.getDeviceQueue(device, family, 0, &queue)
    guard let queue else { throw .call("vkGetDeviceQueue", code: 0, name: "no queue") }
    handle = queue
    done = try VulkanQueue.semaphore(device, functions, calls)
  }

  /// Before the device, once nothing is running.
  func destroy() {
    functions.destroySemaphore(device, done, nil)
    calls.destroyed("vkCreateSemaphore")
  }

  /// Submits batches that run one after the other, after all submitted before.
  ///
  /// - Returns: the clock before the first of them: the n-th is done at this plus n.
  func submit(_ batches: [Batch]) throws(GPUError) -> UInt64 {
    try submitted.withLock { (submitted) throws(GPUError) in
      try calls.checkUsable()
      let before = submitted
      try withScratch { (scratch) throws(GPUError) in
        let infos = batches.enumerated().map { index, batch in
          let commands = batch.commands.map { buffer in
            var info = VkCommandBufferSubmitInfo()
            info.sType = UInt32(VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO)
            info.commandBuffer = buffer
            return info
          }
          var info = VkSubmitInfo2()
          info.sType = UInt32(VK_STRUCTURE_TYPE_SUBMIT_INFO_2)
          info.commandBufferInfoCount = UInt32(commands.count)
          info.pCommandBufferInfos = UnsafePointer(scratch.array(commands))
          info.signalSemaphoreInfoCount = 1
          info.pSignalSemaphoreInfos = UnsafePointer(
            scratch.make(VulkanQueue.semaphoreInfo(done, before + UInt64(index) + 1)))
          if let wait = batch.wait {
            info.waitSemaphoreInfoCount = 1
            info.pWaitSemaphoreInfos = UnsafePointer(
              scratch.make(VulkanQueue.semaphoreInfo(wait.semaphore, wait.value)))
          }
          return info
        }
        let first = scratch.array(infos)
        try calls.check("vkQueueSubmit2") { functions.queueSubmit2(handle, UInt32(infos.count), first, nil) }
      }
      submitted += UInt64(batches.count)
      return before
    }
  }

  /// Waits until the clock shows a value.
  ///
  /// - Parameters:
  ///   - value: to be reached.
  ///   - limit: how long at most; nil takes the device's own.
  ///   - label: of what is waited for.
  func wait(for value: UInt64, limit: Duration?, label: String) throws(GPUError) {
    try calls.checkUsable()
    let limit = limit ?? self.limit
    if try spin(until: value, min(spinning, limit)) { return }
    let code = try calls.check("vkWaitSemaphores", allowed: VK_TIMEOUT) { block(value, limit) }
    guard Int(code) == VK_SUCCESS else {
      hasTimedOut.withLock { $0 = true }
      let error = GPUError.timedOut(label: label, limit: limit)
      calls.fail(error)
      throw error
    }
  }

  /// Waits for all that was submitted.
  func waitForAll(label: String) throws(GPUError) {
    let value = submitted.withLock { $0 }
    if value > 0 { try wait(for: value, limit: nil, label: label) }
  }

  /// Whether the clock has come to a value within the device's limit, even after a failure.
  func reached(_ value: UInt64) -> Bool {
    switch Int(block(value, limit)) {
    // A device that is lost uses nothing any more.
    case VK_SUCCESS, VK_ERROR_DEVICE_LOST: return true
    default:
      hasTimedOut.withLock { $0 = true }
      return false
    }
  }

  /// Waits for all that was submitted, even after a failure. False where it is not done within the device's limit.
  func drain() -> Bool {
    let value = submitted.withLock { $0 }
    return value == 0 || reached(value)
  }

  /// Whether the device may still be working though somebody gave up waiting for it.
  var isStuck: Bool {
    guard hasTimedOut.withLock({ $0 }) else { return false }
    let value = submitted.withLock { $0 }
    return ![VK_SUCCESS, VK_ERROR_DEVICE_LOST].contains(Int(block(value, .zero)))
  }

  /// A semaphore that counts, from 0.
  static func semaphore(_ device: VkDevice, _ functions: DeviceFunctions, _ calls: VulkanCalls) throws(GPUError)
    -> VkSemaphore
  {
    try withScratch { (scratch) throws(GPUError) in
      var type = VkSemaphoreTypeCreateInfo()
      type.sType = UInt32(VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO)
      type.semaphoreType = UInt32(VK_SEMAPHORE_TYPE_TIMELINE)
      var info = VkSemaphoreCreateInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO)
      info.pNext = UnsafeRawPointer(scratch.make(type))
      return try calls.create("vkCreateSemaphore") { functions.createSemaphore(device, &info, nil, $0) }
    }
  }

  private static func semaphoreInfo(_ semaphore: VkSemaphore, _ value: UInt64) -> VkSemaphoreSubmitInfo {
    var info = VkSemaphoreSubmitInfo()
    info.sType = UInt32(VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO)
    info.semaphore = semaphore
    info.value = value
    info.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT
    return info
  }

  private func block(_ value: UInt64, _ limit: Duration) -> VkResult {
    withScratch { scratch in
      var info = VkSemaphoreWaitInfo()
      info.sType = UInt32(VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO)
      info.semaphoreCount = 1
      info.pSemaphores = UnsafePointer(scratch.make(Optional(done)))
      info.pValues = UnsafePointer(scratch.make(value))
      return functions.waitSemaphores(device, &info, limit.wholeNanoseconds)
    }
  }

  /// Asks again and again for a while; whether the value was reached.
  private func spin(until value: UInt64, _ duration: Duration) throws(GPUError) -> Bool {
    guard duration > .zero else { return false }
    let end = ContinuousClock.now + duration
    repeat {
      var current: UInt64 = 0
      try calls.check("vkGetSemaphoreCounterValue") { functions.getSemaphoreCounterValue(device, done, &current) }
      // All ones: the device is gone, as the wait that follows will say.
      if current == .max { return false }
      if current >= value { return true }
    } while ContinuousClock.now < end
    return false
  }
}

extension Duration {
  /// Nanoseconds, cut at the largest number.
  fileprivate var wholeNanoseconds: UInt64 {
    let (seconds, rest) = components
    guard seconds >= 0, rest >= 0 else { return 0 }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max : product &+ UInt64(rest / 1_000_000_000)
  }
}
