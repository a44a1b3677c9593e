import PowerInferGPU
import PowerInferModel
import Testing

@testable import PowerInfer

/// Which models run on a GPU, and which GPU that is.
@Suite(.enabled(if: GPUBench.device != nil, GPUBench.skipped)) struct GPUSelectionTests {
  private func options(_ choice: GPUChoice) -> EngineOptions {
    var options = EngineOptions(contextSize: 64, threads: 2, batchSize: 8)
    options.gpu = choice
    return options
  }

  private func description() throws -> GPUDescription { try #require(GPUBench.device).description }

  /// The device as a card, which `automatic` takes.
  private func card() throws -> GPUDescription {
    var card = try description()
    card.kind = .discrete
    return card
  }

  private static func sentence(_ tensor: String) -> String {
    "This model cannot run on a GPU: \(tensor), for which there are no kernels."
  }
  private static let bf16 = sentence("token_embd is in BF16")

  @Test(arguments: [
    ("tiny-llama3-bf16", bf16), ("tiny-legacy-quants", sentence("blk.0.attn_v is in Q5_1")),
    ("tiny-k-quants", sentence("blk.0.attn_v is in Q5_K")),
    (
      "tiny-biased-f16",
      "This model cannot run on a GPU: there are no kernels for the biases of gates, such as blk.0.ffn_gate.bias."
    ),
  ])
  func refusesFormatsWithoutKernels(name: String, sentence: String) throws {
    let model = try ExecutorBench.open(name)
    let device = try GPUBench.open()
    let before = device.usage
    let error = #expect(throws: GPUModelError.self) { try GPUExecutor(model: model, device: device) }
    #expect(error?.description == sentence)
    let other = #expect(throws: GPUModelError.self) {
      try Engine(model: model, options: options(.index(description().index)))
    }
    #expect(other == error)
    #expect(device.usage == before)
  }

  @Test func refusesWhatOnlyTheProcessorDoes() throws {
    let model = try ExecutorBench.open("tiny-relu-f16.powerinfer")
    let device = try #require(GPUBench.device)
    var options = EngineOptions()
    options.sparsity.resident = [.all, .ranges([0..<3])]
    let error = #expect(throws: GPUModelError.self) {
      try GPUExecutor(model: model, device: device, options: options)
    }
    #expect(
      error?.description == "A GPU computes all neurons of a layer or none, but a part of them was asked for.")
    options = EngineOptions(threads: 0)
    #expect(throws: EngineError.invalidOption("number of threads", value: 0, expected: "1 to 512")) {
      try GPUExecutor(model: model, device: device, options: options)
    }
    #expect(throws: EngineError.invalidOption("batch size", value: 0, expected: "1 to 4096")) {
      try GPUExecutor(model: model, device: device, options: EngineOptions(batchSize: 0))
    }
  }

  @Test func takesTheDeviceThatIsNamed() throws {
    let model = try ExecutorBench.open("tiny-relu-f16")
    let (name, index) = (try description().name, try description().index)
    for choice in [GPUChoice.index(index), .name(name), .name(String(name.uppercased().prefix(8)))] {
      let engine = try Engine(model: model, options: options(choice))
      #expect(engine.gpuName == name && engine.gpuRemark == nil)
      #expect(engine.statistics.reason == "the whole model is on \(name)")
      #expect(try engine.makeSequence().rows([1, 2, 3], phase: .prompt).count == 3)
    }
  }

  @Test func unknownDevicesAreErrors() throws {
    let model = try ExecutorBench.open("tiny-relu-f16")
    let all = try GPU.descriptions()
    let missing = #expect(throws: GPUError.self) { try Engine(model: model, options: options(.index(99))) }
    #expect(missing == .noSuchDevice(index: 99, count: all.count))
    #expect(missing?.description.hasPrefix("There is no GPU 99: ") == true)
    let unnamed = #expect(throws: GPUError.self) { try Engine(model: model, options: options(.name("no such card"))) }
    #expect(unnamed == .noDeviceNamed("no such card", known: all.map(\.name)))
    #expect(unnamed?.description.hasPrefix("No GPU is called \"no such card\"; there are: ") == true)
  }

  @Test func automaticTakesACardThatFits() throws {
    let model = try ExecutorBench.open("tiny-relu-f16")
    let card = try card()
    let choice = try GPUSelection(model: model, options: options(.automatic), devices: { [card] })
    #expect(choice.executor is GPUExecutor && choice.name == card.name && choice.remark == nil)
    // Too small, or no card at all: nothing to remark.
    var small = card
    small.memory.free = 1 << 20
    for devices in [[small], [try description()].filter { $0.kind == .software }, []] {
      let none = try GPUSelection(
        model: model, options: options(.automatic), devices: { devices },
        open: { _, _ in
          Issue.record("opened")
          throw GPUError.noDevice
        })
      #expect(none.executor == nil && none.name == nil && none.remark == nil)
    }
  }

  @Test func automaticGoesOnByProcessor() throws {
    let (card, bf16) = (try card(), try ExecutorBench.open("tiny-llama3-bf16"))
    let refused = try GPUSelection(model: bf16, options: options(.automatic), devices: { [card] })
    #expect(refused.executor == nil && refused.name == nil)
    #expect(refused.remark == "\(Self.bf16) It runs on the processor.")
    // Nobody minds the format where there is no device.
    #expect(try GPUSelection(model: bf16, options: options(.automatic), devices: { [] }).remark == nil)

    let model = try ExecutorBench.open("tiny-relu-f16")
    let short = GPUError.outOfMemory(label: "output", byteCount: 7, taken: 8)
    let full = try GPUSelection(
      model: model, options: options(.automatic), devices: { [card] }, open: { _, _ in throw short })
    #expect(full.executor == nil && full.remark == "\(short) It runs on the processor.")
    for error in [GPUError.noLoader(tried: []), .noDevice] {
      let choice = try GPUSelection(model: model, options: options(.automatic), devices: { throw error })
      #expect(choice.executor == nil && choice.remark == nil)
      #expect(throws: error) {
        try GPUSelection(model: model, options: options(.index(0)), devices: { throw error })
      }
    }
    let engine = try Engine(model: bf16, options: options(.automatic))
    #expect(engine.gpuName == nil)
    #expect(try engine.makeSequence().rows([1, 2, 3], phase: .prompt).count == 3)
  }

  @Test func noneIsLookedForWhereNoneIsWanted() throws {
    let choice = try GPUSelection(
      model: ExecutorBench.open("tiny-relu-f16"), options: options(.none),
      devices: {
        Issue.record("looked for")
        return []
      })
    #expect(choice.executor == nil && choice.remark == nil)
  }
}
