import ArgumentParser
import PowerInfer
import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// `powerinfer plan`: what a model would take, and how fast it could be.
struct Plan: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what of a model goes where, and the speed to expect, before it is loaded.",
    discussion: """
      Reads a model's headers and its profile, not its weights. Says what goes into which memory, whether main memory has \
      room for it, and how many tokens a second the memories allow: of all that a token reads, at the speed at which this \
      machine reads it, which takes a moment to measure unless --cpu-bandwidth says it. No token can come faster than that.

      Where it is known how often neurons fire, the plan compares what a token reads with each --sparsity, and says what \
      predictors take; gate and bits do without them.

      Without --vram-budget everything is the processor's. With it the plan says what a run with that budget puts on the GPU \
      and the speed to expect of both together, and beside it how PowerInfer would divide the budget: the tables of powerinfer \
      place, which also writes the list of neurons on the GPU. docs/hybrid.md has the model of time.

      Examples:
        powerinfer plan
        powerinfer plan model.gguf --vram-budget 8GiB --gpu-bandwidth 1008
        powerinfer plan model.gguf --ctx-size 32768 --cache-type-k q8_0 --json
      """)

  @OptionGroup var options: PlacementOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Video memory that may be used. (default: 0)", valueName: "size"))
  var vramBudget: String?

  @Option(
    name: [.customLong("n-gpu-layers"), .customLong("gpu-layers"), .customLong("ngl", withSingleDash: true)],
    parsing: .unconditional,
    help: ArgumentHelp(
      "Layers that are wholly on the GPU, the last ones. (default: as the budget allows)", valueName: "n|all|auto"))
  var nGpuLayers: LayerCount?

  @Option(help: ArgumentHelp("How the run chooses neurons. (default: auto)", valueName: "source"))
  var sparsity: SparsityMode = .auto

  @OptionGroup var threadOption: ThreadOption

  func run() throws {
    let budget = try vramBudget.map(options.bytes(ofBudget:)) ?? 0
    let threads = try threadOption.resolve(Environment()) ?? Processors.recommended
    let subject = try options.open()
    let cost = try options.cost(measured: Self.readBandwidth(threads: threads))
    let placement = try options.place(subject, budget: budget, cost: cost)
    var report = PlanReport(
      PlacementReport(subject, cost: cost, placement), subject.model, placement,
      processorAlone: try options.place(subject, budget: 0, cost: cost).tokensPerSecond,
      allNeurons: try options.place(subject, budget: 0, cost: cost, isSparse: false).tokensPerSecond,
      isMeasured: options.cpuBandwidth == nil)
    if let profile = subject.profile {
      report.sources = try FeedForwardReads.all(of: subject.model, profile: profile).map(PlanReport.Source.init)
    }
    if budget > 0 { try forecast(subject, budget: budget, cost: cost, threads: threads, into: &report) }
    try StandardOutput.write(options.json ? JSON.text(report) + "\n" : report.text)
    options.note(subject, placement)
  }

  /// What a run would do; or why there would be none on a GPU.
  private func forecast(
    _ subject: PlacementOptions.Subject, budget: Int, cost: CostModel, threads: Int, into report: inout PlanReport
  ) throws {
    let formats = try options.cache.resolve(Environment())
    var settings = EngineOptions(
      contextSize: subject.contextSize, batchSize: options.batchSize, keyFormat: formats.keys,
      valueFormat: formats.values)
    settings.sparsity.mode = sparsity
    settings.sparsity.profile = subject.profile
    settings.hybrid.layers = nGpuLayers?.layers
    settings.gpuOptions.cacheFolder = GPUFlag.kernelCache
    do {
      let forecast = try HybridForecast(
        model: subject.model, options: settings, budget: budget,
        speeds: MachineSpeeds(
          processor: cost.cpu.bytesPerSecond, gpu: cost.gpu.bytesPerSecond, turn: cost.gpu.secondsPerTurn,
          threads: threads))
      report.forecast = PlanReport.Forecast(forecast, sparsity)
    } catch let error as GPUModelError {
      StandardOutput.note("Note: \(error)\n")
    }
  }

  /// Bytes that so many threads read in a second.
  private static func readBandwidth(threads: Int) throws -> Double {
    try MemoryBandwidth.measure(.read, on: ThreadTeam(workers: threads)).median
  }
}
