import ArgumentParser
import Foundation
import GGUF
import Inference
import Model
import Platform
import Sparsity
import Toolkit

/// `powerinfer place`: which neurons a GPU would compute.
struct Place: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Divide a model between a GPU and the processor.",
    discussion: """
      Counts what every token needs into a budget of video memory first: scratch space, attention, predictors, norms, the \
      output matrix, the cache of the context. What is left goes to the neurons that fire most often, of each layer so many \
      that both devices, which compute their parts of a layer at the same time, finish soonest.

      How often neurons fire is what powerinfer profile has counted; without a profile every neuron counts as computed for \
      every token. Times come from the speeds given: their defaults are a PC with fast memory (67 GB/s) and a large \
      graphics card (1000 GB/s), and 20 µs for the card's turn in a layer. Expectations are of a token at the beginning of \
      a context; nothing is run.

      With --output it writes the list of neurons on the GPU as PowerInfer reads it from MODEL.gguf.generated.gpuidx. \
      Neurons are placed 256 at a time. Sizes: 8GiB, 8G (the same), 8GB (powers of 1000), 500MiB, or bytes.

      Examples:
        powerinfer place model.gguf --vram-budget 8GiB
        powerinfer place model.gguf --vram-budget 8GiB --neuron-profile profile.gguf --json
        powerinfer place model.gguf --vram-budget 8GiB -o model.gguf.generated.gpuidx
      """)

  @Argument(help: "The model, instead of --model.", completion: .file(extensions: ["gguf"]))
  var modelFile: String?

  @OptionGroup var choice: ModelChoice

  @Option(parsing: .unconditional, help: ArgumentHelp("Video memory that may be used.", valueName: "size"))
  var vramBudget: String

  @Option(
    help: ArgumentHelp(
      "How often neurons fire, as powerinfer profile writes it, or a folder of PowerInfer's activation_N.pt. (default: "
        + "MODEL.profile.gguf, if it is there, or the model file)", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var neuronProfile: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Billions of bytes that the GPU reads of its memory in a second.", valueName: "GB/s"))
  var gpuBandwidth = 1000.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The same of the processor and main memory; powerinfer bench --membw measures it.", valueName: "GB/s"))
  var cpuBandwidth = 67.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Microseconds that a layer takes the GPU besides: to start, to hand over its part.", valueName: "µs"))
  var turnCost = 20.0

  @Option(
    name: [.customShort("c"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens that the context holds; 0 for as many as the model was trained for. (default: the same, 8192 at most)",
      valueName: "n"))
  var ctxSize: Int?

  @Option(
    name: [.customShort("b"), .long], parsing: .unconditional,
    help: ArgumentHelp("Tokens of a prompt read at once, for which there is scratch space.", valueName: "n"))
  var batchSize = SessionOptions.defaultBatchSize

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Scratch space. (default: what a batch needs)", valueName: "size"))
  var scratch: String?

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Write the list of neurons for PowerInfer.", valueName: "file"),
    completion: .file(extensions: ["gpuidx"]))
  var output: String?

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(name: [.customShort("q"), .long], help: "Print the result and errors, nothing else.")
  var quiet = false

  func validate() throws {
    if modelFile != nil, choice.model != nil {
      throw ValidationError("Give the model once: as an argument or with --model.")
    }
  }

  func run() throws {
    let budget = try ByteSize(vramBudget, option: "vram-budget").bytes
    let scratch = try scratch.map { try ByteSize($0, option: "scratch").bytes }
    let cost = try cost()
    try OptionError.require(ctxSize, in: 0...SessionOptions.contextSizeRange.upperBound, "ctx-size")
    try OptionError.require(batchSize, in: SessionOptions.batchSizeRange, "batch-size")

    let path = try ModelLocator(environment: Environment()).locate(modelFile ?? choice.model)
    let model = try LanguageModel(opening: path)
    let profile = try profile(of: model)
    if let output { try check(output, model: model) }
    let trained = model.configuration.contextLength
    let contextSize = ctxSize.map { $0 == 0 ? trained : $0 } ?? min(trained, Self.defaultContextSize)
    let placement = try ModelPlacement(
      parts: PlacedPart.parts(of: model, contextSize: contextSize, batchSize: batchSize, scratch: scratch),
      loads: NeuronLoad.loads(of: model, profile: profile), budget: budget, cost: cost)
    if let output {
      let index = try GPUIndex(
        buckets: placement.neurons.layers.map(\.neurons), shape: FeedForwardShape(model.configuration),
        vramCapacity: placement.neurons.byteCount)
      try index.write(output)
    }
    let report = PlacementReport(
      model: URL(filePath: path).lastPathComponent, profile: profile?.text, contextSize: contextSize,
      neuronsPerLayer: model.configuration.feedForwardSize, cost: cost, placement, index: output)
    try StandardOutput.write(json ? JSON.text(report) + "\n" : report.text)
    guard !quiet, !json else { return }
    if profile == nil {
      StandardOutput.note(
        "Note: the model has no profile, so that every neuron counts as computed for every token; powerinfer profile "
          + "counts how often they fire.\n")
    }
    if let part = placement.parts.first(where: { !$0.isOnGPU }) {
      StandardOutput.note(
        "Note: what is left of the budget has no room for \(part.kind.rawValue) (\(Units.bytes(part.byteCount))), so that "
          + "it and all parts below stay in main memory; a shorter context (--ctx-size) needs less.\n")
    }
    if let output { StandardOutput.note("The GPU index was saved in \(output).\n") }
  }

  private static let defaultContextSize = 8192

  private func profile(of model: LanguageModel) throws -> ActivationProfile? {
    if let neuronProfile, isFolder(neuronProfile) {
      return try ActivationFolder.profile(neuronProfile, shape: FeedForwardShape(model.configuration))
    }
    return try ActivationProfile.find(for: model, sidecar: neuronProfile)
  }

  private func cost() throws -> CostModel {
    func positive(_ value: Double, _ option: String) throws(OptionError) -> Double {
      guard value > 0, value.isFinite else {
        throw .outOfRange(option: option, expected: "a number above 0", found: "\(value)")
      }
      return value * 1e9
    }
    guard turnCost >= 0, turnCost.isFinite else {
      throw OptionError.outOfRange(option: "turn-cost", expected: "a number of 0 or more", found: "\(turnCost)")
    }
    return CostModel(
      gpu: try DeviceSpeed(
        bytesPerSecond: positive(gpuBandwidth, "gpu-bandwidth"), secondsPerTurn: turnCost / 1e6),
      cpu: try DeviceSpeed(bytesPerSecond: positive(cpuBandwidth, "cpu-bandwidth")))
  }

  /// Makes sure that no file that is being read is written over.
  private func check(_ output: String, model: LanguageModel) throws {
    guard let target = FileIdentity(output) else { return }
    let sources = model.file.paths + [neuronProfile ?? ActivationProfile.sidecarPath(for: model)].compactMap { $0 }
    if sources.contains(where: { FileIdentity($0) == target }) { throw InputError.beingRead(output) }
  }
}
