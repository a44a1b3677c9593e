import CPowerInferVulkan
import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferGPU

/// What goes wrong at the driver: an error, then nothing left behind, and never a wait without end.
@Suite(.enabled(if: TestDevice.isPresent, TestDevice.skipped))
struct DeviceFaultTests {
  /// Everything a device is used for, with few bytes.
  private func work(_ device: VulkanDevice) throws {
    let source = try device.makeBuffer(byteCount: 4096, role: .device, label: "source")
    let target = try device.makeBuffer(byteCount: 4096, role: .hostRead, label: "target")
    let parameters = try device.makeBuffer(byteCount: 64, role: .hostWritten, label: "parameters")
    let groups = try device.makeBuffer(byteCount: 12, role: .device, label: "groups")
    try parameters.store(UInt32(1024))
    try device.upload((0..<1024).map { UInt32($0) }, to: source)
    let (transform, counts) = (try device.kernel(.transform), try device.kernel(.counts))
    let recording = try device.record("work", options: GPURecordingOptions(timesStages: true)) { recorder in
      recorder.stage("counts")
      try recorder.dispatch(counts, [parameters.all, groups.all], grid: GPUGrid(1))
      _ = recorder.signalHost()
      _ = recorder.waitForHost()
      recorder.stage("transform")
      try recorder.dispatchIndirect(
        transform, [source.all, target.all],
        constants: ShaderDescription.TransformConstants(count: 1024, factor: 2, addend: 1), counts: groups.all)
    }
    for _ in 0..<2 {
      let run = try device.start(recording)
      try run.wait(for: 0)
      try run.proceed(past: 0)
      try run.finish()
      _ = try recording.timings
    }
    #expect(try target.load(UInt32.self, count: 1024) == (0..<1024).map { $0 * 2 + 1 })
    #expect(try device.download(UInt32.self, from: source, count: 1024) == (0..<1024).map { UInt32($0) })
    device.saveKernels()
  }

  private let options = GPUOptions(blockBytes: 1, stagingBytes: 1000, forcesStaging: true)

  /// Every call in turn runs out of memory; whatever was made before is gone afterwards.
  @Test func memoryRunsOutAtEveryCall() throws {
    let folder = try TemporaryFolder()
    var options = options
    options.cacheFolder = folder.path
    let faults = Faults()
    try withDevice(options, faults: faults) {
      faults.stop()
      try work($0)
    }
    let total = faults.total
    #expect(total > 60)
    var failed: Set<String> = []
    for n in 0..<total {
      try? FileManager.default.removeItem(atPath: folder.path)
      let faults = Faults()
      // Only some failures are the caller's business: a cache that cannot be saved is not.
      var error: GPUError?
      try withDevice(options, faults: faults) { device in
        faults.fail(nil, at: n, code: VK_ERROR_OUT_OF_DEVICE_MEMORY)
        do { try work(device) } catch let caught as GPUError { error = caught }
        let name = try #require(faults.failed)
        failed.insert(name)
        faults.stop()
        // The device goes on as if nothing had been.
        try work(device)
        if name != "vkGetPipelineCacheData" { #expect(error != nil, "\(name)") }
        switch error {
        case .outOfMemory(_, let byteCount, let taken):
          #expect(name == "vkAllocateMemory")
          #expect(byteCount > 0 && taken >= 0)
        case .call(name, VkResult(VK_ERROR_OUT_OF_DEVICE_MEMORY), "VK_ERROR_OUT_OF_DEVICE_MEMORY")?: break
        case nil: break
        default: Issue.record("\(name) gave \(String(describing: error))")
        }
      }
    }
    #expect(
      failed.isSuperset(of: [
        "vkAllocateMemory", "vkMapMemory", "vkCreateBuffer", "vkBindBufferMemory", "vkCreateShaderModule",
        "vkCreateComputePipelines", "vkCreateDescriptorSetLayout", "vkCreatePipelineLayout", "vkCreateDescriptorPool",
        "vkAllocateDescriptorSets", "vkCreateCommandPool", "vkAllocateCommandBuffers", "vkBeginCommandBuffer",
        "vkEndCommandBuffer", "vkCreateQueryPool", "vkCreateSemaphore", "vkQueueSubmit2", "vkWaitSemaphores",
        "vkSignalSemaphore", "vkGetQueryPoolResults", "vkGetPipelineCacheData",
      ]))
  }

  /// The same while the device is being opened.
  @Test func memoryRunsOutWhileOpening() throws {
    var n = 0
    var failed: [String] = []
    while true {
      let faults = Faults()
      faults.fail(nil, at: n, code: VK_ERROR_OUT_OF_HOST_MEMORY)
      var calls: VulkanCalls?
      var opened = false
      do {
        _ = try VulkanDevice(
          try #require(TestDevice.description).index, options: GPUOptions(validates: TestDevice.validates),
          calls: {
            let made = VulkanCalls(device: $0, intercept: faults.intercept)
            calls = made
            return made
          })
        opened = true
      } catch let error as GPUError {
        let name = try #require(faults.failed)
        failed.append(name)
        #expect(error == .call(name, code: -1, name: "VK_ERROR_OUT_OF_HOST_MEMORY"))
        #expect(
          error.description
            == "The GPU's driver failed: \(name) returned -1 (VK_ERROR_OUT_OF_HOST_MEMORY).")
      }
      #expect(try #require(calls).objects.isEmpty)
      if opened { break }
      n += 1
    }
    for name in ["vkCreateInstance", "vkEnumeratePhysicalDevices", "vkCreateDevice", "vkCreateSemaphore"] {
      #expect(failed.contains(name))
    }
  }

  /// Once lost, always lost, in the same words.
  @Test(arguments: ["vkQueueSubmit2", "vkWaitSemaphores", "vkSignalSemaphore"], [0, 1, 2])
  func losesTheDevice(call: String, n: Int) throws {
    let faults = Faults()
    try withDevice(options, faults: faults) { device in
      faults.fail(call, at: n, code: VK_ERROR_DEVICE_LOST)
      let lost = GPUError.deviceLost(device: "GPU \(device.description.index)", call: call)
      // The third signal is the host's in the second round; there is no third.
      if call == "vkSignalSemaphore", n == 2 { return }
      #expect(throws: lost) { try work(device) }
      #expect(throws: lost) { try work(device) }
      #expect(throws: lost) { try device.makeBuffer(byteCount: 64, role: .device, label: "more") }
      #expect(throws: lost) { try device.kernel(.counts) }
      #expect(throws: lost) { try device.record("more") { _ = $0.signalHost() } }
      #expect(
        lost.description
          == "GPU \(device.description.index) was lost during \(call); it can be used again only after it is opened anew."
      )
    }
  }

  /// A device that was lost while something was under way.
  @Test func losesTheDeviceInMidRun() throws {
    let faults = Faults()
    try withDevice(options, faults: faults) { device in
      let buffer = try device.makeBuffer(byteCount: 64, role: .hostRead, label: "buffer")
      let recording = try device.record("run") { recorder in
        _ = recorder.waitForHost()
        try recorder.fill(buffer.all, with: 1)
        _ = recorder.signalHost()
        _ = recorder.waitForHost()
      }
      let run = try device.start(recording)
      try run.proceed(past: 0)
      faults.fail("vkWaitSemaphores", code: VK_ERROR_DEVICE_LOST)
      let lost = GPUError.deviceLost(device: "GPU \(device.description.index)", call: "vkWaitSemaphores")
      #expect(throws: lost) { try run.wait(for: 0) }
      #expect(throws: lost) { try run.proceed(past: 1) }
      #expect(throws: lost) { try run.finish() }
      #expect(throws: lost) { try device.start(recording) }
    }
  }

  /// The host never lets the device go on, so that a wait really runs out.
  @Test func givesUpWaiting() throws {
    let options = GPUOptions(waiting: .spinning(.milliseconds(1)))
    try withDevice(options) { device in
      let buffer = try device.makeBuffer(byteCount: 64, role: .hostRead, label: "buffer")
      let recording = try device.record("answer") { recorder in
        _ = recorder.waitForHost()
        try recorder.fill(buffer.all, with: 1)
      }
      let late = GPUError.timedOut(label: "answer", limit: .milliseconds(100))
      #expect(late.description == "The GPU did not finish \"answer\" within 0.1 s and was given up.")
      #expect(throws: late) { try device.run(recording, limit: .milliseconds(100)) }
      #expect(throws: late) { try device.run(recording) }
      #expect(throws: late) { try device.download(buffer.all) }
      #expect(throws: late) { try device.makeBuffer(byteCount: 64, role: .device, label: "more") }
      // `run` has abandoned the recording: the device came to its end, and everything can be given back.
    }
  }

  /// The device works on and never answers: everything it may be using stays, and nobody waits for ever.
  @Test func leavesWhatIsInUse() throws {
    let calls = try {
      let device = try TestDevice.open(GPUOptions(waitLimit: .milliseconds(100)))
      let context = device.context
      // A batch that waits for a semaphore that nobody raises, behind the room's back.
      let recorder = try device.record("stuck") { _ = $0.waitForHost() }
      let recording = try #require(recorder as? VulkanRecording)
      let semaphore = try #require(recording.hostSemaphore)
      let value = try context.queue.submit([.init(commands: [recording.commandBuffers[0]], wait: (semaphore, 1))])
      #expect(throws: GPUError.timedOut(label: "stuck", limit: .milliseconds(50))) {
        try context.queue.wait(for: value + 1, limit: .milliseconds(50), label: "stuck")
      }
      #expect(context.queue.isStuck)
      return context.calls
    }()
    // Nothing was pulled away under the device's hands.
    #expect(calls.objects["vkCreateDevice"] == 1)
    #expect(calls.objects["vkCreateInstance"] == 1)
    #expect(calls.objects["vkCreateCommandPool"] == 1)
  }

  /// A loader without any driver has a code of its own for that.
  @Test func findsNoDriver() throws {
    let faults = Faults()
    for (call, code) in [
      ("vkCreateInstance", VK_ERROR_INCOMPATIBLE_DRIVER),
      ("vkEnumeratePhysicalDevices", VK_ERROR_INITIALIZATION_FAILED),
    ] {
      faults.fail(call, code: code)
      #expect(throws: GPUError.noDevice) {
        try VulkanDevice(0, options: GPUOptions(), calls: { VulkanCalls(device: $0, intercept: faults.intercept) })
      }
      #expect(faults.failed == call)
    }
    #expect(GPUError.noDevice.description == "No GPU can be used: no driver offers one.")
  }

  @Test func findsNoSuchDevice() throws {
    let count = try GPU.descriptions().count
    #expect(throws: GPUError.noSuchDevice(index: 99, count: count)) { try GPU.open(99) }
    #expect(throws: GPUError.noSuchDevice(index: -1, count: count)) { try GPU.open(-1) }
    #expect(GPUError.noSuchDevice(index: 2, count: 1).description == "There is no GPU 2: there is only GPU 0.")
    #expect(GPUError.noSuchDevice(index: 7, count: 3).description == "There is no GPU 7: the last one is GPU 2.")
  }
}

/// Drivers that this room cannot use, made up.
struct DeviceDriverTests {
  @Test func findsNoLoader() throws {
    let missing = GPUError.noLoader(tried: ["libno-such-thing.so", "libnor-this.so"])
    #expect(throws: missing) {
      try VulkanDevice.descriptions(libraries: ["libno-such-thing.so", "libnor-this.so"])
    }
    #expect(
      missing.description
        == "No GPU can be used: none of \"libno-such-thing.so\", \"libnor-this.so\" is installed.")
    #if os(Linux)
      let other = GPUError.brokenLoader(library: "libm.so.6", missing: "vkGetInstanceProcAddr")
      #expect(throws: other) { try VulkanDevice.descriptions(libraries: ["libno-such-thing.so", "libm.so.6"]) }
      #expect(other.description == "No GPU can be used: \"libm.so.6\" lacks the function vkGetInstanceProcAddr.")
    #endif
  }

  @Test func tellsThatADriverIsOld() {
    var basic = VkPhysicalDeviceProperties()
    withUnsafeMutableBytes(of: &basic.deviceName) { $0.copyBytes(from: Array("Old Card".utf8)) }
    basic.deviceType = UInt32(VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU)
    basic.apiVersion = VulkanInstance.apiVersion(1, 2) | 0xfff
    let description = VulkanPhysicalDevice.tooOld(basic, index: 3)
    #expect(description?.name == "Old Card")
    #expect(description?.index == 3)
    #expect(description?.kind == .discrete)
    #expect(description?.unsuited == "its driver has Vulkan 1.2, and 1.3 is needed")
    basic.apiVersion = VulkanInstance.apiVersion(1, 3)
    #expect(VulkanPhysicalDevice.tooOld(basic, index: 3) == nil)
    basic.apiVersion = VulkanInstance.apiVersion(2, 0)
    #expect(VulkanPhysicalDevice.tooOld(basic, index: 3) == nil)
  }

  @Test func readsNamesThatFillTheirPlace() {
    var basic = VkPhysicalDeviceProperties()
    #expect(text(basic.deviceName) == "")
    withUnsafeMutableBytes(of: &basic.deviceName) { $0.copyBytes(from: [UInt8](repeating: 0x41, count: 256)) }
    #expect(text(basic.deviceName) == String(repeating: "A", count: 256))
  }

  @Test func namesCodes() {
    for (code, name) in [
      (-4, "VK_ERROR_DEVICE_LOST"), (-2, "VK_ERROR_OUT_OF_DEVICE_MEMORY"), (2, "VK_TIMEOUT"), (-77, "an unknown code"),
    ] {
      #expect(VulkanCalls.name(of: VkResult(code)) == name)
    }
    let calls = VulkanCalls(device: "Card")
    #expect(throws: GPUError.call("vkThis", code: -77, name: "an unknown code")) { try calls.check("vkThis") { -77 } }
    #expect(!calls.hasFailed)
    #expect(throws: GPUError.deviceLost(device: "Card", call: "vkThat")) { try calls.check("vkThat") { -4 } }
    #expect(calls.hasFailed)
    #expect(throws: GPUError.deviceLost(device: "Card", call: "vkThat")) { try calls.checkUsable() }
  }

  @Test func knowsWhenMemoryIsShort() {
    #expect(GPUError.outOfMemory(label: "x", byteCount: 1, taken: 1).isShortOfMemory)
    #expect(GPUError.overBudget(label: "x", byteCount: 1, taken: 1, budget: 1).isShortOfMemory)
    for code in [-1, -2, -1_000_069_000, -1_000_161_000] as [Int32] {
      #expect(GPUError.call("x", code: code, name: "x").isShortOfMemory)
    }
    #expect(!GPUError.call("x", code: -4, name: "x").isShortOfMemory)
    #expect(!GPUError.noDevice.isShortOfMemory)
    #expect(
      GPUError.outOfMemory(label: "layer 3", byteCount: 10, taken: 20).description
        == "The GPU has no 10 bytes left for \"layer 3\"; 20 are in use here.")
  }
}
