import Testing

@testable import PowerInferGPU

/// That the validation layers see what they are to see: otherwise their silence in the other tests would mean nothing.
@Suite(.enabled(if: TestDevice.validates, "skipped: no validation layers"))
struct DeviceValidationTests {
  /// Two steps that depend on each other, with the barrier between them or without.
  private func complaints(
    withBarrier: Bool, _ body: (inout GPURecorder, any GPUKernel, any GPUBuffer, any GPUBuffer) throws -> Void
  )
    throws -> [String]
  {
    let device = try TestDevice.open()
    let first = try device.makeBuffer(byteCount: 1024, role: .device, label: "first")
    let second = try device.makeBuffer(byteCount: 1024, role: .device, label: "second")
    let kernel = try device.kernel(.transform)
    var recorder = GPURecorder(
      limits: device.description.limits, options: GPURecordingOptions(), device: ObjectIdentifier(device),
      owner: { _ in ObjectIdentifier(device) })
    try body(&recorder, kernel, first, second)
    let commands = recorder.commands.filter {
      if case .barrier = $0 { withBarrier } else { true }
    }
    #expect(commands.count == (withBarrier ? 3 : 2))
    try device.run(VulkanRecording(device.context, "test", commands))
    return device.complaints
  }

  @Test(arguments: [true, false])
  func seesReadAfterWrite(withBarrier: Bool) throws {
    let complaints = try complaints(withBarrier: withBarrier) { recorder, kernel, first, second in
      try recorder.fill(first.all)
      try recorder.transform(kernel, first.all, second.all)
    }
    #expect(complaints.contains { $0.contains("READ-AFTER-WRITE") || $0.contains("READ_AFTER_WRITE") } == !withBarrier)
    #expect(complaints.isEmpty == withBarrier)
  }

  @Test(arguments: [true, false])
  func seesWriteAfterWrite(withBarrier: Bool) throws {
    let complaints = try complaints(withBarrier: withBarrier) { recorder, kernel, first, second in
      try recorder.transform(kernel, first.all, second.all)
      try recorder.fill(second.all)
    }
    #expect(
      complaints.contains { $0.contains("WRITE-AFTER-WRITE") || $0.contains("WRITE_AFTER_WRITE") } == !withBarrier)
    #expect(complaints.isEmpty == withBarrier)
  }

  @Test(arguments: [true, false])
  func seesWriteAfterRead(withBarrier: Bool) throws {
    let complaints = try complaints(withBarrier: withBarrier) { recorder, kernel, first, second in
      try recorder.transform(kernel, first.all, second.all)
      try recorder.fill(first.all)
    }
    #expect(complaints.contains { $0.contains("WRITE-AFTER-READ") || $0.contains("WRITE_AFTER_READ") } == !withBarrier)
    #expect(complaints.isEmpty == withBarrier)
  }

  /// Something left behind is told of when the device goes.
  @Test func seesLeaks() throws {
    let messages = try {
      let device = try TestDevice.open()
      let context = device.context
      _ = try VulkanQueue.semaphore(context.device, context.functions, context.calls)
      return context.instance.messages
    }()
    #expect(messages.all.count == 1)
    #expect(messages.all.first?.contains("VkSemaphore") == true)
  }
}
