import Foundation
import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import Testing

@testable import PowerInfer
@testable import PowerInferGPU

/// How a GPU and the processor take turns: at the same time, with so many bytes, and what follows where one of them fails.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped), .timeLimit(.minutes(10))) struct HybridTurnTests {
  private static let name = "tiny-relu-f16.powerinfer"

  private func options(_ mode: SparsityMode = .gate, _ name: String = Self.name) throws -> EngineOptions {
    ExecutorBench.options(
      contextSize: 128, batchSize: 16, try GPUSparsityTests.sparsity(mode, ExecutorBench.open(name)))
  }

  private func talk(_ engine: Engine) throws -> [[Float]] {
    let text = ExecutorBench.tokens(30, engine.model, seed: 3)
    let sequence = engine.makeSequence()
    return try sequence.rows(Array(text[..<12]), phase: .prompt) + sequence.decode(Array(text[12..<18]))
  }

  /// Each side waits in the middle of its part of a layer until the other has come there. Whoever ran one after the other would
  /// wait until the limit.
  @Test(arguments: [SparsityMode.dense, .gate, .bits, .predictor, .threshold])
  func bothWorkAtTheSameTime(mode: SparsityMode) throws {
    // Floats have no leading bits.
    let name = mode == .bits ? "tiny-relu-q4_0.powerinfer" : Self.name
    let (model, options) = (try ExecutorBench.open(name), try options(mode, name))
    let expected = try talk(HybridBench.engine(model, options, .half))
    var limits = GPUExecutor.Limits()
    limits.meetsInside = true
    let device = try GPUBench.open(GPUOptions(waitLimit: .seconds(60)))
    let engine = try HybridBench.engine(model, options, .half, on: device, limits: limits)
    #expect(try talk(engine) == expected)
  }

  /// The same recording by a processor that waits for the end of the device's part before it begins its own.
  @Test func oneAfterTheOtherRunsIntoTheLimit() throws {
    let model = try ExecutorBench.open(Self.name)
    var limits = GPUExecutor.Limits()
    limits.meetsInside = true
    let device = try GPUBench.open(GPUOptions(waitLimit: .seconds(3)))
    let executor = try HybridBench.executor(model, options(), .half, on: device, limits: limits)
    // What the device gives after its part of the first layer, the processor now wants before.
    executor.share.interlude = {
      let blocked = try device.start(
        device.record("behind the pass") { try $0.fill(device.makeBuffer(byteCount: 4, role: .device, label: "x").all) }
      )
      try blocked.finish()
    }
    let engine = try Engine(executor: executor, options: options())
    let error = #expect(throws: GPUError.self) { try talk(engine) }
    guard case .timedOut = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// What goes over the bus for a decoded token is what `docs/hybrid.md` says.
  @Test(arguments: [SparsityMode.dense, .gate, .predictor], [(0, true), (1, false)])
  func bytesPerToken(mode: SparsityMode, how: (layers: Int, hasOutput: Bool)) throws {
    let model = try ExecutorBench.open(Self.name)
    let executor = try HybridBench.executor(
      model, options(mode), .half, processorLayers: how.layers, hasOutput: how.hasOutput)
    let engine = try Engine(executor: executor, options: options(mode))
    let sequence = engine.makeSequence()
    try sequence.append([1, 2, 3], phase: .prompt)
    engine.resetMeasurements()
    _ = try sequence.decode([4, 5, 6, 7])
    let found = try #require(engine.statistics.hybrid)
    // By hand: a row of 64 floats each way per shared layer, one more at the beginning, one at the end where logits are the
    // processor's; 36 of 72 neurons predicted.
    let (d, cold) = (model.configuration.hiddenSize, model.configuration.feedForwardSize / 2)
    #expect(d.isMultiple(of: 32))
    let shared = model.configuration.layerCount - how.layers
    let down = shared * (4 * d + (mode == .predictor ? 4 * cold : 0)) + (how.hasOutput ? 0 : 4 * d)
    let up = shared * 4 * d + 4 * d
    #expect(found.tokens == 4 && found.passes == 4)
    #expect(found.bytesToProcessor == 4 * down && found.bytesToDevice == 4 * up)
    let formula = executor.placement.bytesPerToken(hiddenSize: d, isPredicted: mode == .predictor)
    #expect(formula.toProcessor == down && formula.toDevice == up)
    // And no more waits than hand-overs: one each way per shared layer.
    #expect(executor.placement.sharedLayers == shared)
    let recordings = executor.gpu.recordings.values
    #expect(recordings.contains { $0.signals == shared && $0.awaits == shared })
    #expect(recordings.allSatisfy { $0.signals <= shared && $0.awaits == $0.signals })
  }

  @Test func tellsWhatHappened() throws {
    let model = try ExecutorBench.open(Self.name)
    var options = try options()
    options.isProfiled = true
    let engine = try HybridBench.engine(model, options, .half)
    _ = try talk(engine)
    let statistics = engine.statistics
    let hybrid = try #require(statistics.hybrid)
    #expect(hybrid.layers.count == 2 && hybrid.layers.allSatisfy { $0.processor > 0 && $0.device > 0 })
    #expect(hybrid.deviceBytes > 0 && hybrid.deviceBytes <= hybrid.deviceBudget)
    let hit = try #require(hybrid.hitShare)
    #expect(hit > 0.2 && hit < 0.8)
    // As many neurons fire as on the processor.
    let alone = try Engine(model: model, options: self.options())
    _ = try talk(alone)
    for (found, expected) in zip(statistics.layers, alone.statistics.layers) {
      #expect(found.tokens == expected.tokens && abs(found.fired - expected.fired) <= 2)
    }
    let timeline = hybrid.timeline
    #expect(timeline.processor.map(\.layer) == [0, 1])
    #expect(Set(timeline.device.map(\.layer)) == [0, 1])
    #expect(timeline.overlap <= timeline.processor.reduce(0) { $0 + $1.end - $1.begin })
    for lane in [timeline.device, timeline.processor] {
      #expect(zip(lane, lane.dropFirst()).allSatisfy { $0.end <= $1.begin + 1 })
      #expect(lane.allSatisfy { $0.begin <= $0.end })
    }
    let svg = timeline.svg
    #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
    #expect(svg.components(separatedBy: "<rect ").count - 1 == timeline.device.count + timeline.processor.count)
  }

  // MARK: Faults

  private func lost(_ call: String) throws -> GPUError {
    .deviceLost(device: "GPU \(try #require(GPUBench.device).description.index)", call: call)
  }

  /// Wherever the device fails, in the middle of a layer too, all logits from then on are the processor's, bit for bit, and nothing is
  /// left at the driver.
  @Test(arguments: ["vkQueueSubmit2", "vkWaitSemaphores", "vkSignalSemaphore"])
  func theProcessorGoesOn(call: String) throws {
    let model = try ExecutorBench.open(Self.name)
    let expected = try talk(Engine(model: model, options: options()))
    let faults = DeviceFaults()
    func engine() throws -> (Engine, VulkanCalls) {
      let device = try GPUBench.open(faults: faults)
      return (try HybridBench.engine(model, options(), .half, on: device, fallsBack: true), device.context.calls)
    }
    let (calls, whole, objects) = try {
      let (healthy, objects) = try engine()
      faults.count(call)
      let rows = try talk(healthy)
      return (faults.calls, rows, objects)
    }()
    faults.stop()
    #expect(objects.objects.isEmpty)
    // A submission a token; two waits and two signals in each of the others.
    #expect(calls >= (call == "vkQueueSubmit2" ? 7 : 14))
    for n in 0..<calls {
      let objects = try {
        let (engine, objects) = try engine()
        faults.fail(call, at: n)
        let rows = try talk(engine)
        #expect(engine.gpuName == nil)
        #expect(engine.gpuRemark == "\(try lost(call)) The processor goes on.")
        let common = zip(rows, whole).prefix { $0 == $1 }.count
        #expect(rows.count == expected.count && rows[common...].elementsEqual(expected[common...]), "call \(n)")
        faults.stop()
        return objects
      }()
      #expect(objects.objects.isEmpty, "call \(n)")
    }
  }

  /// The device waits as long as the processor needs.
  @Test func theProcessorIsHeldUp() throws {
    let model = try ExecutorBench.open(Self.name)
    let expected = try talk(HybridBench.engine(model, options(), .half))
    let executor = try HybridBench.executor(model, options(), .half)
    nonisolated(unsafe) var isHeld = false
    executor.share.interlude = {
      if !isHeld { Thread.sleep(forTimeInterval: 1) }
      isHeld = true
    }
    #expect(try talk(Engine(executor: executor, options: options())) == expected)
    #expect(isHeld)
  }

  /// A device that never comes to its hand-over is given up at the limit.
  @Test func theDeviceNeverAnswers() throws {
    let model = try ExecutorBench.open(Self.name)
    let expected = try talk(Engine(model: model, options: options()))
    let device = try GPUBench.open(GPUOptions(waitLimit: .seconds(3)))
    let engine = try HybridBench.engine(model, options(), .half, on: device, fallsBack: true)
    let buffer = try device.makeBuffer(byteCount: 4, role: .device, label: "x")
    let blocker = try device.start(
      device.record("never") { recorder in
        _ = recorder.waitForHost()
        try recorder.fill(buffer.all)
      })
    #expect(try talk(engine) == expected)
    #expect(engine.gpuRemark?.contains("did not finish") == true && engine.gpuName == nil)
    blocker.abandon()
  }

  /// Every allocation fails in turn while an executor is made: nothing is held.
  @Test func memoryRunsOutWhileItIsMade() throws {
    let model = try ExecutorBench.open(Self.name)
    let faults = DeviceFaults()
    let device = try GPUBench.open(GPUOptions(blockBytes: 1), faults: faults)
    func usage() -> [Int] { [device.usage.deviceBytes, device.usage.buffers, device.usage.allocations] }
    func make() throws { _ = try HybridBench.executor(model, options(.predictor), .half, on: device) }
    try make()
    let before = usage()
    faults.count("vkAllocateMemory")
    try make()
    let calls = faults.calls
    #expect(calls > 50 && usage() == before)
    for n in stride(from: 0, to: calls, by: 3) {
      faults.fail("vkAllocateMemory", at: n, code: DeviceFaults.outOfMemory)
      let error = #expect(throws: GPUError.self) { try make() }
      #expect(error?.isShortOfMemory == true && usage() == before, "allocation \(n)")
    }
  }
}

/// Whole passes of a shared model under the validation layers, which also look for steps that do not wait for each other.
@Suite(.enabled(if: GPUBench.validates, "skipped: no Vulkan device, or no validation layers"))
struct HybridValidationTests {
  @Test(
    arguments: ["tiny-relu-q4_0.powerinfer", "tiny-falcon-40b-f16.powerinfer", "tiny-silu-q8_0"],
    [SparsityMode.dense, .predictor])
  func layersHaveNothingToSay(name: String, mode: SparsityMode) throws {
    let model = try ExecutorBench.open(name)
    guard let sparsity = try ResidentNeuronsTests.options(model, mode) else { return }
    let (calls, messages) = try {
      let device = try GPUBench.open(GPUOptions(validates: true))
      let options = ExecutorBench.options(contextSize: 128, batchSize: 40, sparsity)
      let engine = try HybridBench.engine(model, options, .half, hasOutput: false, on: device)
      _ = try HybridExecutorTests.talk(engine)
      #expect(device.complaints == [])
      return (device.context.calls, device.context.instance.messages)
    }()
    #expect(calls.objects.isEmpty)
    #expect(messages.all == [])
  }
}
