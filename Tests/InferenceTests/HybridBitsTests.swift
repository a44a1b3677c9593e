import PowerInferGGUF
import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInfer

/// Neurons chosen by leading bits where a GPU and the processor share a model: the processor asks those of its own neurons, the GPU
/// whole gates of the others.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped), .timeLimit(.minutes(10))) struct HybridBitsTests {
  /// Gates, two that must fire, and none; in blocks, which have leading bits, and as floats, which do not.
  static let models = [
    "tiny-relu-q4_0.powerinfer", "tiny-bamboo-q4_0.powerinfer", "tiny-falcon-40b-q4_0.powerinfer",
    "tiny-opt-q4_0.powerinfer", "tiny-relu-f16.powerinfer",
  ]

  private func options(_ mode: SparsityMode, _ model: LanguageModel, margins: [Float]? = nil) throws -> EngineOptions {
    var sparsity = SparsityOptions(mode: mode)
    sparsity.bitsMargins = try margins.map { try LeadingBitMargins(margins: $0, loss: 0.01, tokens: 1, text: "") }
    sparsity.gateThresholds = try GateThresholds(
      thresholds: Array(repeating: 0.2, count: model.configuration.layerCount), target: 0.5, tokens: 1, text: "")
    return ExecutorBench.options(sparsity)
  }

  private func worst(_ rows: [[Float]], _ others: [[Float]]) -> Float {
    rows.count == others.count ? zip(rows, others).map { ExecutorBench.difference($0, $1) }.max() ?? 0 : .infinity
  }

  /// With a margin that no neuron fails, the processor's neurons are those of whole gates, bit for bit: wherever a layer is divided, in
  /// prompts, answers and several sequences. SiLU's are those that reach their thresholds.
  @Test(arguments: models + ["tiny-silu-q8_0"]) func aWideMarginAsksWholeGates(name: String) throws {
    let model = try ExecutorBench.open(name)
    let last = model.configuration.layerCount - 1
    let exact: SparsityMode = model.configuration.activation == .relu ? .gate : .threshold
    let wide = try options(.bits, model, margins: Array(repeating: 1e30, count: last + 1))
    for (hot, layers) in [(HybridBench.Hot.few, 0), (.most, 0), (.half, last)] {
      let expected = try HybridExecutorTests.talk(
        HybridBench.engine(model, options(exact, model), hot, processorLayers: layers))
      let engine = try HybridBench.engine(model, wide, hot, processorLayers: layers)
      #expect(try HybridExecutorTests.talk(engine) == expected, "\(name), \(hot), \(layers) layers")
    }
  }

  /// A layer whose neurons are all the processor's has its margin, one whose neurons are all the GPU's has none: as on the processor
  /// alone with a margin for each.
  @Test(arguments: models.prefix(4)) func aLayerOnTheGPUMissesNothing(name: String) throws {
    let model = try ExecutorBench.open(name)
    let f = model.configuration.feedForwardSize
    let layers = 0..<model.configuration.layerCount
    let narrow = try options(.bits, model, margins: layers.map { _ in 0 })
    let all = (0..<UInt32(f)).map { $0 }
    let whole: [(Int) -> Bool] = [{ $0 % 2 == 0 }, { $0 % 2 == 1 }]
    for isWhole in whole {
      let margins = layers.map { isWhole($0) ? Float(1e30) : 0 }
      let expected = try HybridExecutorTests.talk(
        Engine(model: model, options: options(.bits, model, margins: margins)))
      let executor = try Self.executor(model, narrow, layers.map { isWhole($0) ? all : [] })
      let rows = try HybridExecutorTests.talk(Engine(executor: executor, options: narrow))
      #expect(worst(rows, expected) < HybridExecutorTests.limit(name), "\(name), \(margins)")
    }
  }

  /// Divided layers with the same neurons chosen as on the processor: on the GPU are such as the margin never misses for these tokens, and
  /// the others are missed as often as there.
  @Test(arguments: models.prefix(4)) func theSameNeuronsAreMissed(name: String) throws {
    let model = try ExecutorBench.open(name)
    let (f, layers) = (model.configuration.feedForwardSize, model.configuration.layerCount)
    let narrow = try options(.bits, model, margins: Array(repeating: 0, count: layers))
    let recorder = MissRecorder(layers: layers, neurons: f)
    var observed = narrow
    observed.observer = recorder
    _ = try HybridExecutorTests.talk(Engine(model: model, options: observed))
    let missed = recorder.missed.withLock { $0 }
    let hot = missed.map { layer in (0..<f).filter { !layer[$0] && $0 % 3 != 1 }.map { UInt32($0) } }
    #expect(hot.allSatisfy { !$0.isEmpty && $0.count < f * 2 / 3 })

    let alone = try Engine(model: model, options: narrow)
    let expected = try HybridExecutorTests.talk(alone)
    let engine = try Engine(executor: Self.executor(model, narrow, hot), options: narrow)
    let rows = try HybridExecutorTests.talk(engine)
    let limit = HybridExecutorTests.limit(name)
    #expect(worst(rows, expected) < limit, "\(name): \(worst(rows, expected))")
    let gates = try HybridExecutorTests.talk(Engine(model: model, options: options(.gate, model)))
    #expect(worst(rows, gates) > limit)

    // What is computed: on the GPU what fires, here what may. Of Bamboo's two gates the GPU asks one.
    let asksAll = model.configuration.architecture.gating != .gatedBoth
    for (found, whole) in zip(engine.statistics.layers, alone.statistics.layers) {
      #expect(found.source == .bits(margin: 0, threshold: nil) && found.tokens == whole.tokens)
      if asksAll { #expect(found.computed <= whole.computed + 2 && abs(found.fired - whole.fired) <= 2) }
    }
    #expect(engine.statistics.mode == .bits && engine.statistics.hybrid?.hitShare != nil)
  }

  /// From less than a layer needs to more than the model: the budget is kept, and results are the processor's.
  @Test func everyBudget() throws {
    let folder = try TemporaryFolder()
    var tiny = TinyModel(magic: .powerInfer, weightType: .q4_0, isTied: false, layers: 4)
    (tiny.hiddenSize, tiny.feedForwardSize, tiny.heads, tiny.keyValueHeads) = (192, 1536, 4, 2)
    let model = try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
    var wide = try options(.bits, model, margins: Array(repeating: 1e30, count: 4))
    (wide.contextSize, wide.batchSize) = (64, 8)
    let text = ExecutorBench.tokens(12, model, seed: 5)
    func rows(_ engine: Engine) throws -> [[Float]] {
      let sequence = engine.makeSequence()
      return try sequence.rows(Array(text[..<8]), phase: .prompt) + sequence.decode(Array(text[8...]))
    }
    let expected = try rows(Engine(model: model, options: wide))
    var shares: [Double] = []
    for budget in stride(from: 300_000, through: 3_900_000, by: 400_000) {
      let device = try GPUBench.open(
        GPUOptions(deviceBudget: budget, blockBytes: HybridExecutor.blockBytes(budget: budget)))
      let planner = try HybridPlanner(model: model, options: wide, speeds: .nominal)
      do {
        let executor = try HybridExecutor.make(planner, on: device, team: ThreadTeam(workers: 2))
        shares.append(executor.placement.neuronShare)
        #expect(try worst(rows(Engine(executor: executor, options: wide)), expected) < GoldenLogitsTests.batchLimit)
        #expect(device.usage.deviceBytes <= budget)
      } catch let error as HybridError {
        guard case .budgetTooSmall = error else { throw error }
        #expect(shares.isEmpty)
      }
    }
    #expect(shares.last == 1 && Set(shares).count > 3, "\(shares)")
  }

  /// Of the gates only the processor's are taken apart.
  @Test func theGPUsGatesTakeNoMemoryHere() throws {
    // Both of Bamboo's gates are asked.
    let model = try ExecutorBench.open("tiny-bamboo-q4_0.powerinfer")
    let f = model.configuration.feedForwardSize
    let bits = try options(.bits, model)
    let all = (0..<UInt32(f)).map { $0 }
    func copies(_ hot: [[UInt32]]) throws -> Int { try Self.executor(model, bits, hot).share.executor.memory.copies }
    let rows = model.weights.layers[0].up.rowBytes + (model.weights.layers[0].gate?.rowBytes ?? 0)
    #expect(try copies([[], []]) == 2 * f * rows)
    #expect(try copies([Array(all[3..<40]), all]) == (f - 37) * rows)
    #expect(try copies([all, all]) == 0)
  }

  /// Nothing but the input goes to the processor, as with whole gates.
  @Test func noPredictionsCrossTheBus() throws {
    let model = try ExecutorBench.open("tiny-relu-q4_0.powerinfer")
    let c = model.configuration
    let engine = try HybridBench.engine(model, options(.bits, model), .half)
    _ = try engine.makeSequence().decode([4, 5, 6, 7])
    let found = try #require(engine.statistics.hybrid)
    #expect(c.hiddenSize.isMultiple(of: 32))
    #expect(found.bytesToProcessor == 4 * c.layerCount * 4 * c.hiddenSize)
    #expect(found.bytesToDevice == 4 * (c.layerCount + 1) * 4 * c.hiddenSize)
  }

  /// The whole model on a GPU, which is told.
  @Test func aWholeModelAsksWholeGates() throws {
    let model = try ExecutorBench.open("tiny-relu-q4_0.powerinfer")
    let engine = try GPUBench.engine(model, options(.bits, model))
    let gate = try GPUBench.engine(model, options(.gate, model))
    #expect(try HybridExecutorTests.talk(engine) == HybridExecutorTests.talk(gate))
    let report = engine.sparsityReport
    let device = try #require(GPUBench.device).description.name
    #expect(report.mode == .bits && report.layers.allSatisfy { $0.source == .gate })
    #expect(report.choice == "The whole model is on \(device), which asks whole gates.")
  }

  private static func executor(
    _ model: LanguageModel, _ options: EngineOptions, _ hot: [[UInt32]]
  ) throws -> HybridExecutor {
    try HybridExecutor(
      model: model, device: #require(GPUBench.device), team: ThreadTeam(workers: 2), options: options,
      processorLayers: 0, hasOutput: true, place: { _ in hot })
  }
}

/// Remembers which neurons fire and are missed by leading bits, for any token.
private final class MissRecorder: NeuronObserver {
  let missed: Mutex<[[Bool]]>  // [layers][neurons]

  init(layers: Int, neurons: Int) {
    missed = Mutex(Array(repeating: Array(repeating: false, count: neurons), count: layers))
  }

  func observe(_ view: NeuronView) {
    guard let prediction = view.prediction else { return }
    missed.withLock { missed in
      for token in 0..<view.tokens {
        for neuron in view.neurons {
          let at = token * view.stride + neuron
          if prediction[at] < 0, view.hidden[at] != 0 { missed[view.layer][neuron] = true }
        }
      }
    }
  }
}
