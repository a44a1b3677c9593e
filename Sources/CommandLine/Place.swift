import ArgumentParser
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferToolkit

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
      Neurons are placed 256 at a time. PowerInfer asks predictors; powerinfer's own --sparsity gate and bits do without, \
      and it says how many neurons there is room for then. Sizes: 8 or 8GiB, 8GB (powers of 1000), 500MiB, 512B.

      Examples:
        powerinfer place model.gguf --vram-budget 8GiB
        powerinfer place model.gguf --vram-budget 8GiB --profile profile.gguf --json
        powerinfer place model.gguf --vram-budget 8GiB --profile activation
        powerinfer place model.gguf --vram-budget 8GiB -o model.gguf.generated.gpuidx
      """)

  @OptionGroup var options: PlacementOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Video memory that may be used.", valueName: "size"))
  var vramBudget: String

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Write the list of neurons for PowerInfer.", valueName: "file"),
    completion: .file(extensions: ["gpuidx"]))
  var output: String?

  func run() throws {
    let budget = try options.bytes(ofBudget: vramBudget)
    let cost = try options.cost(measured: Self.fastPC)
    let subject = try options.open()
    if let output { try check(output, model: subject.model) }
    let placement = try options.place(subject, budget: budget, cost: cost)
    if let output {
      let index = try GPUIndex(
        buckets: placement.neurons.layers.map(\.neurons), shape: FeedForwardShape(subject.model.configuration),
        vramCapacity: placement.neurons.byteCount)
      try index.write(output)
    }
    var report = PlacementReport(subject, cost: cost, placement, index: output)
    if subject.model.configuration.activation == .relu, report.parts.contains(where: { $0.isPredictor }) {
      report.neuronsWithoutPredictors =
        try options.place(subject, budget: budget, cost: cost, hasPredictors: false).neurons.neuronCount
    }
    try StandardOutput.write(options.json ? JSON.text(report) + "\n" : report.text)
    options.note(subject, placement)
    if let output, !options.quiet, !options.json { StandardOutput.note("The GPU index was saved in \(output).\n") }
  }

  /// Bytes that main memory gives in a second, unless said otherwise: two channels of DDR5.
  private static let fastPC = 67e9

  /// Makes sure that no file that is being read is written over.
  private func check(_ output: String, model: LanguageModel) throws {
    guard let target = FileIdentity(output) else { return }
    let sources = model.file.paths + [options.profile ?? ActivationProfile.sidecarPath(for: model)].compactMap { $0 }
    if sources.contains(where: { FileIdentity($0) == target }) { throw InputError.beingRead(output) }
  }
}
