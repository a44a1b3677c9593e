import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferGPU
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferToolkit

/// What the commands have in common that divide a model between two devices.
struct PlacementOptions: ParsableArguments {
  @Argument(help: "The model, instead of --model.", completion: .file(extensions: ["gguf"]))
  var modelFile: String?

  @OptionGroup var choice: ModelChoice

  @Option(
    name: [.customLong("profile"), .customLong("neuron-profile")],
    help: ArgumentHelp(
      "How often neurons fire, as powerinfer profile writes it, or a folder of PowerInfer's activation_N.pt. (default: "
        + "MODEL.profile.gguf, if it is there, or the model file)", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var profile: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Billions of bytes that the GPU reads of its memory in a second.", valueName: "GB/s"))
  var gpuBandwidth = 1000.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The same of the processor and main memory.", valueName: "GB/s"))
  var cpuBandwidth: Double?

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
  var batchSize = EngineOptions.defaultBatchSize

  @OptionGroup var cache: CacheOptions

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Scratch space. (default: what a batch needs)", valueName: "size"))
  var scratch: String?

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(name: [.customShort("q"), .long], help: "Print the result and errors, nothing else.")
  var quiet = false

  func validate() throws {
    if modelFile != nil, choice.model != nil {
      throw ValidationError("Give the model once: as an argument or with --model.")
    }
  }

  static let defaultContextSize = 8192

  /// A model, and what is known of its neurons.
  struct Subject {
    var path: String
    var model: LanguageModel
    var profile: ActivationProfile?
    var contextSize: Int
    var name: String { URL(filePath: path).lastPathComponent }
  }

  /// Opens the model and its profile.
  func open() throws -> Subject {
    try OptionError.require(ctxSize, in: 0...EngineOptions.contextSizeRange.upperBound, "ctx-size")
    try OptionError.require(batchSize, in: EngineOptions.batchSizeRange, "batch-size")
    let path = try ModelLocator(environment: Environment()).locate(modelFile ?? choice.model)
    let model = try LanguageModel(opening: path)
    let profile = try find(for: model)
    let trained = model.configuration.contextLength
    let contextSize = ctxSize.map { $0 == 0 ? trained : $0 } ?? min(trained, Self.defaultContextSize)
    return Subject(path: path, model: model, profile: profile, contextSize: contextSize)
  }

  /// A folder holds the counts of PowerInfer's own programs.
  private func find(for model: LanguageModel) throws -> ActivationProfile? {
    if let profile, isFolder(profile) {
      return try ActivationFolder.profile(profile, shape: FeedForwardShape(model.configuration))
    }
    return try ActivationProfile.find(for: model, sidecar: profile)
  }

  /// Speeds of both devices, those of main memory from `measured` where no option says them.
  func cost(measured: @autoclosure () throws -> Double) throws -> CostModel {
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
      cpu: try DeviceSpeed(bytesPerSecond: cpuBandwidth.map { try positive($0, "cpu-bandwidth") } ?? measured()))
  }

  /// Bytes of a budget; a share is of the best GPU's memory.
  ///
  /// - Throws: `OptionError`, `GPUError` where a share is of nothing.
  func bytes(ofBudget text: String) throws -> Int {
    let budget = try GPUBudget(text, option: "vram-budget")
    if case .bytes(let bytes) = budget { return bytes }
    guard let device = try GPUChoice.automatic.pick(from: GPU.descriptions(), needing: 0) else {
      throw GPUError.noDevice
    }
    return budget.bytes(of: device.memory)
  }

  /// Divides the model.
  ///
  /// - Parameters:
  ///   - subject: what ``open()`` has opened.
  ///   - budget: bytes of video memory.
  ///   - cost: of both devices.
  ///   - isSparse: whether neurons are computed only when they fire, as far as a profile says when.
  ///   - hasPredictors: whether predictors, if there are any, are counted.
  func place(
    _ subject: Subject, budget: Int, cost: CostModel, isSparse: Bool = true, hasPredictors: Bool = true
  ) throws -> ModelPlacement {
    let formats = try cache.resolve(Environment())
    let scratch = try scratch.map { try ByteSize($0, option: "scratch").bytes }
    return try ModelPlacement(
      parts: PlacedPart.parts(
        of: subject.model, contextSize: subject.contextSize, batchSize: batchSize, scratch: scratch,
        keys: formats.keys.storage, values: formats.values.storage
      ).filter { hasPredictors || $0.kind != .predictors },
      loads: NeuronLoad.loads(of: subject.model, profile: isSparse ? subject.profile : nil), budget: budget, cost: cost)
  }

  /// Says on standard error what a person should know of a placement.
  func note(_ subject: Subject, _ placement: ModelPlacement) {
    guard !quiet, !json else { return }
    if subject.profile == nil {
      StandardOutput.note(
        "Note: the model has no profile, so that every neuron counts as computed for every token; powerinfer profile "
          + "counts how often they fire.\n")
    }
    if placement.budget > 0, let part = placement.parts.first(where: { !$0.isOnGPU }) {
      StandardOutput.note(
        "Note: what is left of the budget has no room for \(part.kind.rawValue) (\(Units.bytes(part.byteCount))), so that "
          + "it and all parts below stay in main memory; a shorter context (--ctx-size) needs less.\n")
    }
  }
}
