import ArgumentParser
import PowerInfer
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

      Without --vram-budget everything is the processor's. With it the budget is divided as powerinfer place divides it; \
      that command also writes the list of neurons on the GPU.

      Examples:
        powerinfer plan
        powerinfer plan model.gguf --vram-budget 8GiB --gpu-bandwidth 1008
        powerinfer plan model.gguf --ctx-size 32768 --cache-type-k q8_0 --json
      """)

  @OptionGroup var options: PlacementOptions

  @Option(parsing: .unconditional, help: ArgumentHelp("Video memory that may be used. (default: 0)", valueName: "size"))
  var vramBudget: String?

  @OptionGroup var threadOption: ThreadOption

  func run() throws {
    let budget = try vramBudget.map { try ByteSize($0, option: "vram-budget").bytes } ?? 0
    let threads = try threadOption.resolve(Environment()) ?? Processors.recommended
    let subject = try options.open()
    let cost = try options.cost(measured: Self.readBandwidth(threads: threads))
    let placement = try options.place(subject, budget: budget, cost: cost)
    let report = PlanReport(
      PlacementReport(subject, cost: cost, placement), subject.model, placement,
      processorAlone: try options.place(subject, budget: 0, cost: cost).tokensPerSecond,
      allNeurons: try options.place(subject, budget: 0, cost: cost, isSparse: false).tokensPerSecond,
      isMeasured: options.cpuBandwidth == nil)
    try StandardOutput.write(options.json ? JSON.text(report) + "\n" : report.text)
    options.note(subject, placement)
    guard !options.quiet, !options.json else { return }
    if budget > 0 {
      StandardOutput.note(
        "Note: this version computes on the processor alone; what it would give to a GPU is for planning, and for "
          + "PowerInfer, which reads the list of powerinfer place.\n")
    }
  }

  /// Bytes that so many threads read in a second.
  private static func readBandwidth(threads: Int) throws -> Double {
    try MemoryBandwidth.measure(.read, on: ThreadTeam(workers: threads)).median
  }
}
