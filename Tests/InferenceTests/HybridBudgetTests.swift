import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInfer
@testable import PowerInferGPU

/// How a model is divided for a budget, and that the budget is kept.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped), .timeLimit(.minutes(10))) struct HybridBudgetTests {
  /// Large enough that a budget has something to divide: 4 layers of 384 neurons, 3.4 MiB of floats in them.
  private static func model(
    _ folder: TemporaryFolder, _ change: (inout TinyModel) -> Void = { _ in }
  ) throws -> (LanguageModel, path: String) {
    var tiny = TinyModel(magic: .powerInfer, isTied: false, layers: 4)
    (tiny.hiddenSize, tiny.feedForwardSize, tiny.heads, tiny.keyValueHeads) = (192, 384, 4, 2)
    change(&tiny)
    let path = try tiny.write(to: folder.file("model.gguf"))
    return (try LanguageModel(opening: path), path)
  }

  private func options(_ mode: SparsityMode = .gate) -> EngineOptions {
    var options = ExecutorBench.options(contextSize: 64, batchSize: 8, SparsityOptions(mode: mode))
    options.gpu = .automatic
    return options
  }

  private func make(
    _ model: LanguageModel, _ options: EngineOptions, budget: Int, profile: ActivationProfile? = nil
  ) throws -> HybridExecutor {
    var options = options
    options.sparsity.profile = profile
    let device = try GPUBench.open(
      GPUOptions(deviceBudget: budget, blockBytes: HybridExecutor.blockBytes(budget: budget)))
    let planner = try HybridPlanner(model: model, options: options, speeds: .nominal)
    return try HybridExecutor.make(planner, on: device, team: ThreadTeam(workers: 2))
  }

  /// From less than one layer needs to more than the model: never more than the budget, nearly all of it where it is not enough, and
  /// always the processor's results.
  @Test(arguments: [SparsityMode.gate, .dense, .predictor])
  func everyBudget(mode: SparsityMode) throws {
    let folder = try TemporaryFolder()
    let (model, _) = try Self.model(folder)
    var options = options(mode)
    options.sparsity.predictorFormat = .file
    let text = ExecutorBench.tokens(14, model, seed: 5)
    func rows(_ engine: Engine) throws -> [[Float]] {
      let sequence = engine.makeSequence()
      return try sequence.rows(Array(text[..<8]), phase: .prompt) + sequence.decode(Array(text[8...]))
    }
    let expected = try rows(
      Engine(
        executor: CPUExecutor(
          model: model, team: ThreadTeam(workers: 2), contextSize: 64, options: options), options: options))
    var shares: [Double] = []
    var refused = 0
    for step in 1...12 {
      let budget = step * 700_000
      do {
        let executor = try make(model, options, budget: budget)
        let usage = executor.gpu.device.usage
        #expect(usage.deviceBytes <= budget && usage.deviceBudget == budget)
        // What is left over: a step of neurons, a block, and what rounding takes.
        let placement = executor.placement
        if placement.neuronShare < 1 {
          let neuron = try HybridPlanner(model: model, options: options, speeds: .nominal).neuronBytes(layer: 3)
          let step = 32 * (neuron.first + neuron.rest)
          let fixed = try HybridPlanner(model: model, options: options, speeds: .nominal).fixedBytes(layer: 0)
          #expect(
            budget - usage.deviceBytes < 2 * (placement.processorLayers > 0 ? fixed : step) + budget / 8, "\(budget)")
        }
        shares.append(placement.neuronShare)
        for (row, other) in zip(try rows(Engine(executor: executor, options: options)), expected) {
          #expect(ExecutorBench.difference(row, other) < 0.02)
        }
        #expect(executor.gpu.device.usage.deviceBytes <= budget)
      } catch let error as HybridError {
        guard case .budgetTooSmall(budget, let needed) = error else { throw error }
        #expect(needed > budget && shares.isEmpty)
        refused += 1
      }
    }
    // Where a layer more has its attention on the device, it may have fewer neurons there.
    #expect(refused > 0 && shares.last == 1 && Set(shares).count > 3, "\(shares)")
  }

  /// A few hundred kilobytes are enough for tiny models, and what is too little is refused.
  @Test func tinyBudgetsAreTried() throws {
    let model = try ExecutorBench.open("tiny-bamboo-q4_0.powerinfer")
    let shares = try [300_000, 420_000].map { budget in
      let executor = try make(model, options(), budget: budget)
      #expect(executor.gpu.device.usage.deviceBytes <= budget)
      return executor.placement.neuronShare
    }
    #expect(shares[0] > 0 && shares[0] < shares[1])
    #expect(throws: HybridError.self) { try make(model, options(), budget: 50_000) }
  }

  /// What is tried until it fits are sizes: of weights nothing is uploaded twice, however tight the budget.
  @Test(arguments: [SparsityMode.gate, .dense]) func weightsAreUploadedOnce(mode: SparsityMode) throws {
    let folder = try TemporaryFolder()
    let (model, _) = try Self.model(folder)
    let options = options(mode)
    for budget in stride(from: 2_000_000, through: 6_000_000, by: 333_333) {
      let device = UploadCounter(
        try GPUBench.open(GPUOptions(deviceBudget: budget, blockBytes: HybridExecutor.blockBytes(budget: budget))))
      let planner = try HybridPlanner(model: model, options: options, speeds: .nominal)
      do {
        let executor = try HybridExecutor.make(planner, on: device, team: ThreadTeam(workers: 2))
        #expect(device.count.withLock { $0 } <= executor.gpu.device.usage.bufferBytes, "\(budget)")
        #expect(device.count.withLock { $0 } >= executor.gpu.weightBytes / 2)
      } catch let error as HybridError {
        guard case .budgetTooSmall = error else { throw error }
        #expect(device.count.withLock { $0 } == 0)
      }
    }
  }

  /// With what a profile says fires most on the device.
  @Test func theHottestGoToTheDevice() throws {
    let folder = try TemporaryFolder()
    let (model, _) = try Self.model(folder)
    let frequencies = (0..<4).map { layer in
      (0..<384).map { ($0 + layer) % 5 == 0 ? Float(0.9) : 0.1 }
    }
    let profile = try ActivationProfile(frequencies: frequencies, contributions: frequencies, tokens: 9, text: "")
    let whole = try make(model, options(), budget: 100 << 20)
    #expect(whole.placement.neuronShare == 1 && whole.placement.sharedLayers == 0 && whole.placement.hasOutput)
    let used = whole.gpu.device.usage.deviceBytes
    let executor = try make(model, options(), budget: used - 2_500_000, profile: profile)
    let placement = executor.placement
    #expect(placement.processorLayers == 0 && (0.1..<0.8).contains(placement.neuronShare), "\(placement.neuronShare)")
    for (layer, hot) in placement.hot.enumerated() where hot.count <= 64 && !hot.isEmpty {
      #expect(hot.allSatisfy { frequencies[layer][Int($0)] == 0.9 })
    }
  }

  /// Layers as llama.cpp counts them: the last ones, and one more for the output.
  @Test(arguments: 0...6) func wholeLayers(count: Int) throws {
    let folder = try TemporaryFolder()
    let (model, _) = try Self.model(folder)
    var options = options(.dense)
    options.hybrid.layers = count
    let device = try #require(GPUBench.device).description
    options.gpu = .index(device.index)
    let choice = try GPUSelection(model: model, options: options, team: ThreadTeam(workers: 2))
    guard count > 0 else {
      #expect(choice.executor == nil && choice.remark == nil)
      return
    }
    let executor = try #require(choice.executor as? HybridExecutor)
    #expect(executor.placement.processorLayers == max(0, 4 - count))
    #expect(executor.placement.hasOutput == (count > 4) && executor.placement.sharedLayers == 0)
    let text = ExecutorBench.tokens(12, model, seed: 8)
    options.gpu = .none
    let expected = try Engine(model: model, options: options).makeSequence().rows(text, phase: .prompt)
    let rows = try Engine(executor: executor, options: options).makeSequence().rows(text, phase: .prompt)
    for (row, other) in zip(rows, expected) { #expect(ExecutorBench.difference(row, other) < 0.02) }
    #expect(executor.gpu.shared.passes == 2)
  }

  /// PowerInfer's file beside the model is followed, or refused in a sentence.
  @Test func followsAGPUIndex() throws {
    let folder = try TemporaryFolder()
    let (model, path) = try Self.model(folder)
    let shape = FeedForwardShape(model.configuration)
    let buckets: [[UInt32]] = [[3, 4, 200], [], (0..<384).map { $0 }, [383]]
    let file = GPUIndex.path(forModelAt: path)
    try GPUIndex(buckets: buckets, shape: shape, vramCapacity: 0).write(file)
    var options = options()
    options.gpu = .index(try #require(GPUBench.device).description.index)
    options.hybrid.budget = .bytes(64 << 20)
    func select() throws -> HybridExecutor? {
      try GPUSelection(model: model, options: options, team: ThreadTeam(workers: 2)).executor as? HybridExecutor
    }
    let executor = try #require(try select())
    #expect(executor.placement.hot == buckets && executor.placement.sharedLayers == 3)
    options.hybrid.neurons = .byFrequency
    #expect(try select()?.placement.neuronShare == 1)
    options.hybrid.neurons = .none
    #expect(try select()?.placement.neuronShare == 0)
    options.hybrid.neurons = .automatic

    // More than there is room for.
    options.hybrid.neurons = .none
    let undivided = try #require(try select())
    let base = undivided.gpu.device.usage.deviceBytes
    options.hybrid.neurons = .automatic
    let every = [[UInt32]](repeating: buckets[2], count: 4)
    try GPUIndex(buckets: every, shape: shape, vramCapacity: 0).write(file)
    options.hybrid.budget = .bytes(base + 1_000_000)
    let large = #expect(throws: HybridError.self) { try select() }
    guard case .indexTooLarge(let bytes, let room) = large else {
      Issue.record("\(String(describing: large))")
      return
    }
    #expect(bytes > room)
    #expect(
      large?.description == "The neurons of the GPU index need \(bytes) bytes, but the budget leaves \(room); "
        + "--reset-gpu-index places others.")

    // Of another model.
    options.hybrid.budget = .bytes(64 << 20)
    try GPUIndex(
      buckets: [[1]], shape: FeedForwardShape(layers: 1, neurons: 384), vramCapacity: 0
    ).write(file)
    let wrong = #expect(throws: HybridError.self) { try select() }
    #expect(wrong?.description.contains("but the model has 4 layers") == true)
    options.gpu = .automatic
    var card = try #require(GPUBench.device).description
    card.kind = .discrete
    let choice = try GPUSelection(
      model: model, options: options, team: ThreadTeam(workers: 2), devices: { [card] })
    #expect(choice.executor == nil && choice.remark?.hasSuffix("It runs on the processor.") == true)
  }

  @Test func budgetsOfAMemory() {
    // A page of one is a page of the other.
    #expect(CacheLayout.pagePositions == Kernels.attentionTile)
    let memory = GPUDescription.Memory(total: 10 << 30, free: 8 << 30)
    #expect(GPUBudget.bytes(5).bytes(of: memory) == 5)
    #expect(GPUBudget.bytes(9 << 30).bytes(of: memory) == 8 << 30)
    #expect(GPUBudget.share(0.5).bytes(of: memory) == 5 << 30)
    #expect(GPUBudget.share(1).bytes(of: memory) == 8 << 30)
    let automatic = GPUBudget.automatic.bytes(of: memory)
    #expect(automatic < 8 << 30 && automatic > 7 << 30)
    #expect(GPUBudget.automatic.bytes(of: GPUDescription.Memory(total: 10 << 30, free: 1 << 20)) == 0)
  }

  /// A placement that cannot be is refused before anything of it is uploaded.
  @Test func refusesWrongPlacements() throws {
    let model = try ExecutorBench.open("tiny-silu-q8_0")
    let options = ExecutorBench.options()
    let f = model.configuration.feedForwardSize
    let count = model.configuration.layerCount
    func refusal(_ layers: Int = 0, _ hot: [[UInt32]]) -> HybridError? {
      #expect(throws: HybridError.self) {
        try HybridExecutor(
          model: model, device: #require(GPUBench.device), team: ThreadTeam(workers: 1), options: options,
          processorLayers: layers, hasOutput: true, place: { _ in hot })
      }
    }
    let none = [[UInt32]](repeating: [], count: count)
    #expect(refusal(count, none) == .processorLayers(count, of: count))
    #expect(refusal(-1, none) == .processorLayers(-1, of: count))
    #expect(refusal(0, []) == .layers(0, expected: count))
    #expect(refusal(0, [[UInt32(f)]] + none.dropFirst()) == .neurons(layer: 0, below: f))
    #expect(refusal(0, [[3, 2]] + none.dropFirst()) == .neurons(layer: 0, below: f))
    #expect(refusal(0, [[1, 2]] + none.dropFirst()) == .notTheFirst(layer: 0, step: 32))
  }
}

/// Counts the bytes that are uploaded to the device behind it.
private final class UploadCounter: GPUDevice {
  let count = Mutex(0)
  private let device: any GPUDevice

  init(_ device: any GPUDevice) { self.device = device }

  var description: GPUDescription { device.description }
  var usage: GPUMemoryUsage { device.usage }
  var complaints: [String] { device.complaints }

  func makeBuffer(byteCount: Int, role: GPUBufferRole, label: String) throws(GPUError) -> any GPUBuffer {
    try device.makeBuffer(byteCount: byteCount, role: role, label: label)
  }
  func kernel(_ shader: ShaderDescription, specialization: [UInt32]) throws(GPUError) -> any GPUKernel {
    try device.kernel(shader, specialization: specialization)
  }
  func saveKernels() { device.saveKernels() }
  func upload(
    to target: GPUBufferSlice, inMultiplesOf multiple: Int,
    _ fill: (_ piece: UnsafeMutableRawBufferPointer, _ offset: Int) throws -> Void
  ) throws {
    count.withLock { $0 += target.byteCount }
    try device.upload(to: target, inMultiplesOf: multiple, fill)
  }
  func download(_ source: GPUBufferSlice) throws(GPUError) -> [UInt8] { try device.download(source) }
  func record(
    _ label: String, options: GPURecordingOptions, _ body: (inout GPURecorder) throws -> Void
  ) throws -> any GPURecording { try device.record(label, options: options, body) }
  func start(_ recordings: [any GPURecording]) throws(GPUError) -> any GPURun { try device.start(recordings) }
}
