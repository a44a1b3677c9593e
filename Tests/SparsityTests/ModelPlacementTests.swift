import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInferSparsity

@Suite struct ModelPlacementTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func model(_ tiny: TinyModel) throws -> LanguageModel {
    try LanguageModel(opening: tiny.write(to: folder.file("tiny.gguf")))
  }

  private func sentence(_ body: () throws -> Void) -> String {
    do {
      try body()
      return ""
    } catch {
      return "\(error)"
    }
  }

  /// 64 wide, 96 neurons: three rows of 64, or their share of 64 rows of 96.
  @Test func aNeuronIsItsRowsInTheirOwnFormats() throws {
    func bytes(_ tiny: TinyModel) throws -> [Int] { try NeuronLoad.loads(of: model(tiny)).map(\.bytesPerNeuron) }
    #expect(try bytes(TinyModel(magic: .powerInfer, weightType: .f16)) == [384, 384])
    #expect(try bytes(TinyModel(weightType: .q4_0)) == [108, 108])
    var mixed = TinyModel(magic: .powerInfer, weightType: .q8_0)
    mixed.changeLayouts = { layouts in
      layouts.map {
        $0.name == "blk.1.ffn_up.weight" ? TensorLayout(name: $0.name, type: .f32, shape: $0.shape) : $0
      }
    }
    #expect(try bytes(mixed) == [3 * 68, 2 * 68 + 256])
    // No gate, but a bias.
    var opt = TinyModel(magic: .powerInfer, weightType: .f32)
    opt.architecture = "opt"
    #expect(try bytes(opt) == [516, 516])
  }

  @Test func frequenciesAreTheProfilesOrOne() throws {
    let model = try model(TinyModel())
    #expect(try NeuronLoad.loads(of: model).allSatisfy { $0.frequencies == [Float](repeating: 1, count: 96) })
    let frequencies = (0..<2).map { layer in (0..<96).map { Float($0 + layer) / 97 } }
    let profile = try ActivationProfile(
      frequencies: frequencies, contributions: frequencies, tokens: 1, text: "")
    #expect(try NeuronLoad.loads(of: model, profile: profile).map(\.frequencies) == frequencies)
    let other = try ActivationProfile(frequencies: [[1]], contributions: [[1]], tokens: 1, text: "")
    #expect(
      sentence { _ = try NeuronLoad.loads(of: model, profile: other) }
        == "The activation profile is of 1 layers of 1 neurons, but the model has 2 of 96.")
  }

  @Test func partsGetMemoryInTurnAndNeuronsWhatIsLeft() throws {
    let cost = CostModel(gpu: try DeviceSpeed(bytesPerSecond: 100), cpu: try DeviceSpeed(bytesPerSecond: 10))
    let parts = [
      PlacedPart(.scratch, byteCount: 10, bytesPerToken: 0), PlacedPart(.attention, byteCount: 20, bytesPerToken: 20),
      PlacedPart(.cache, byteCount: 5, bytesPerToken: 0),
    ]
    let load = NeuronLoad(bytesPerNeuron: 10, frequencies: [0.5, 1])
    func place(_ budget: Int) throws -> ModelPlacement {
      try ModelPlacement(parts: parts, loads: [load], budget: budget, cost: cost, step: 1)
    }
    let enough = try place(45)
    #expect(enough.parts.allSatisfy(\.isOnGPU) && enough.byteCount == 45 && enough.budget == 45)
    #expect(enough.neurons.layers[0].neurons == [1])
    #expect(abs(enough.secondsPerToken - (0.2 + 0.5)) < 1e-12 && abs(enough.tokensPerSecond - 1 / 0.7) < 1e-9)
    // The cache would fit, but not what comes before it.
    let little = try place(29)
    #expect(little.parts.map(\.isOnGPU) == [true, false, false] && little.byteCount == 10)
    #expect(abs(little.secondsPerToken - (2 + 1.5)) < 1e-12)
    #expect(sentence { _ = try place(-1) } == "The budget is -1 bytes, expected 0 or more.")
  }

  @Test func mainMemoryHoldsTheFileAndWhatIsNotOnTheGPU() throws {
    let cost = CostModel(gpu: try DeviceSpeed(bytesPerSecond: 100), cpu: try DeviceSpeed(bytesPerSecond: 10))
    func bytes(scratch: Int, budget: Int) throws -> Int {
      let parts = [
        PlacedPart(.scratch, byteCount: scratch, bytesPerToken: 0),
        PlacedPart(.attention, byteCount: 20, bytesPerToken: 20),
        PlacedPart(.cache, byteCount: 5, bytesPerToken: 0),
      ]
      return try ModelPlacement(parts: parts, loads: [], budget: budget, cost: cost).mainMemoryBytes(fileBytes: 1000)
    }
    #expect(try bytes(scratch: 10, budget: 0) == 1015)
    #expect(try bytes(scratch: 10, budget: 30) == 1005)
    #expect(try bytes(scratch: 10, budget: .max) == 1000)
    for scratch in [Int.max - 1005, .max - 1004, .max] { #expect(try bytes(scratch: scratch, budget: 0) == .max) }
    #expect(try bytes(scratch: .max, budget: .max) == 1005)
  }

  @Test func contextsAndBatchesThatCannotBeAreRefused() throws {
    let model = try model(TinyModel())
    func complaint(context: Int, batch: Int) -> String {
      sentence { _ = try PlacedPart.parts(of: model, contextSize: context, batchSize: batch) }
    }
    #expect(complaint(context: 1, batch: 1) == "")
    #expect(complaint(context: 0, batch: 1) == "The context is 0 tokens, expected at least 1.")
    #expect(complaint(context: 1, batch: 0) == "The batch is 0 tokens, expected at least 1.")
    let tooMany = "What \(Int.max) tokens take in memory is more than can be counted."
    #expect(complaint(context: .max, batch: 1) == tooMany && complaint(context: 1, batch: .max) == tooMany)
  }
}
