import ArgumentParser
import Foundation
import PowerInfer
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform

/// `powerinfer bench`: tokens per second, in the columns of llama-bench.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast a model reads prompts and decodes.",
    discussion: """
      The columns are those of llama-bench: pp512 reads a prompt of 512 tokens, tg128 decodes 128 tokens one by one, \
      each from an empty context or after as many tokens as --n-depth says, without tokenizer and sampling; mean and \
      standard deviation over the repetitions, after one run to warm up. For decoding there is the rate at which it reads memory (GB/s, 10^9 bytes per second of \
      weights, keys and values) and how much that is of what this machine's memory gives to as many threads, measured \
      right before; "≤" marks the rates of models that skip silent neurons, whose weights are counted but not read. For \
      prompts there are the floating-point operations of products with weights. The memory alone is measured by --membw.

      -npl measures several sequences at a time, in the columns of llama-batched-bench: each of B sequences reads a prompt \
      of PP tokens, then all decode TG tokens together, one of each to a pass over the weights.

      --tune shows the speed of each way of reading the model's weights (one row or four at a time, prefetched by how many bytes) and \
      which one is used. A machine measures this when a model too large for its cache is first used there, and \
      remembers it (POWERINFER_TUNE=off: never measure; again: always). No result depends on it.

      --compare sets quality beside speed: a table with a row for each activation source that the model has. All decode \
      tokens of the text one by one, --n-gen of them after half a context, in turns, so that noise hits all alike; then each \
      reads chunks of the text, leaving out the neurons that decoding leaves out. "active" is the share of neurons that \
      fire, "computed" of those the source lists, "recall" how many of the first are among the second, "kept" how much of \
      what all neurons contribute (|h| times the norm of the neuron's down projection) comes from those listed.

      Examples:
        powerinfer bench
        powerinfer bench -m model.gguf -p 512 -n 128 -r 5 -t 1,2,4
        powerinfer bench -m model.gguf -p 0 -n 64 --json
        powerinfer bench -m model.gguf --profile     (time per stage)
        powerinfer bench --membw -o csv              (the memory, without a model)
        powerinfer bench --tune -m model.gguf        (ways of reading its weights)
        powerinfer bench --compare -f text.txt       (activation sources)
        powerinfer bench -npp 64 -ntg 32 -npl 1,2,4,8,16   (sequences together)
      """)

  @Option(
    name: [.customShort("p"), .customLong("n-prompt")], parsing: .unconditional,
    help: ArgumentHelp("Tokens of the prompt, one or several numbers; 0 skips the test.", valueName: "n,…"))
  var promptTokens = NumberList([512])

  @Option(
    name: [.customShort("n"), .customLong("n-gen")], parsing: .unconditional,
    help: ArgumentHelp("Tokens to decode, one or several numbers; 0 skips the test.", valueName: "n,…"))
  var decodeTokens = NumberList([128])

  @Option(
    name: [.customShort("r"), .long], parsing: .unconditional,
    help: ArgumentHelp("Runs of each test.", valueName: "n"))
  var repetitions = 5

  @Option(
    name: [.customShort("t"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Threads, one or several numbers. (default: the physical cores; environment: POWERINFER_THREADS)",
      valueName: "n,…"))
  var threads: NumberList?

  @OptionGroup var choice: ModelChoice

  @Option(
    name: [.customShort("b"), .long], parsing: .unconditional,
    help: ArgumentHelp("Tokens of a prompt read at once. (environment: POWERINFER_BATCH_SIZE)", valueName: "n"))
  var batchSize: Int?

  @OptionGroup var cacheOptions: CacheOptions
  @OptionGroup var sparsityFlags: SparsityFlags
  @OptionGroup var loadingFlags: LoadingFlags

  @Option(
    name: [.customShort("d"), .customLong("n-depth")], parsing: .unconditional,
    help: ArgumentHelp("Tokens in the context before a test begins, one or several numbers.", valueName: "n,…"))
  var depths = NumberList([0])

  @Option(name: [.customShort("o"), .long], help: "How to print the results.")
  var output = ResultFormat.markdown

  @Flag(help: "Print JSON, as --output json does.")
  var json = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What the memory gives, in 10^9 bytes per second. (default: measured, a fraction of a second)", valueName: "GB/s")
  )
  var bandwidth: Double?

  @Flag(help: "Show the time per stage of a pass, too (md or json).")
  var profile = false

  @Flag(help: "Measure only the memory: read, copy and STREAM's triad, for 1, 2, … threads or those of --threads.")
  var membw = false

  @Flag(help: "Measure only ways of reading the model's weights.")
  var tune = false

  @OptionGroup var determinismFlag: DeterminismFlag
  @OptionGroup var gpuFlag: GPUFlag
  @OptionGroup(title: "Several sequences") var batchedFlags: BatchedBenchFlags

  @OptionGroup(title: "Quality beside speed") var comparisonFlags: ComparisonFlags
  @OptionGroup(title: "Quality beside speed") var textOptions: BenchTextOptions

  private var format: ResultFormat { json ? .json : output }

  func validate() throws {
    if let bandwidth, !(bandwidth > 0 && bandwidth.isFinite) {
      throw ValidationError("The option --bandwidth must be a number above 0, but it is \(bandwidth).")
    }
    if profile, format == .csv {
      throw ValidationError("The option --profile shows tables of their own; print them with --output md or json.")
    }
    try validateComparison()
    if batchedFlags.isAsked, membw || comparisonFlags.compare {
      throw ValidationError("Give only one of -npl, --compare and --membw.")
    }
    if profile, membw { throw ValidationError("Give either --profile or --membw, not both.") }
    if tune, membw || profile || comparisonFlags.compare || batchedFlags.isAsked {
      throw ValidationError("Give only one of --tune, --membw, --profile, --compare and -npl.")
    }
    if repetitions < 1 {
      throw ValidationError("The option --repetitions must be 1 or more, but it is \(repetitions).")
    }
    if tests.isEmpty { throw ValidationError("There is nothing to measure: --n-prompt and --n-gen are both 0.") }
  }

  private func validateComparison() throws {
    try comparisonFlags.check(sparsityFlags, gpuFlag)
    guard comparisonFlags.compare else { return try textOptions.refuse() }
    try textOptions.check()
    if profile || membw { throw ValidationError("Give only one of --compare, --profile and --membw.") }
    for (name, count) in [("threads", threads?.numbers.count ?? 1), ("n-gen", decodeTokens.numbers.count)]
    where count != 1 {
      throw ValidationError("With --compare the option --\(name) must be one number, but there are \(count).")
    }
    if decodeTokens.numbers == [0] { throw ValidationError("With --compare the option --n-gen must be 1 or more.") }
    if comparisonFlags.perLayer, format == .csv {
      throw ValidationError("The option --per-layer shows tables of their own; print them with --output md or json.")
    }
  }

  private var tests: [SpeedTest] {
    depths.numbers.flatMap { depth in
      promptTokens.numbers.filter { $0 > 0 }.map { SpeedTest(.prompt, tokens: $0, depth: depth) }
        + decodeTokens.numbers.filter { $0 > 0 }.map { SpeedTest(.decode, tokens: $0, depth: depth) }
    }
  }

  func run() throws {
    let environment = Environment()
    var counts = threads.map(\.numbers)
    if counts == nil, let count = try environment.value(Int?.none, or: "THREADS") { counts = [count] }
    for count in counts ?? [] { try ThreadOption.check(count) }
    if membw {
      return try MemoryBench(format: format).run(
        threads: counts ?? MemoryBench.threadCounts(cores: Processors.recommended))
    }
    let batchSize = try ModelOptions.resolve(batchSize: batchSize, environment)
    let cache = try cacheOptions.resolve(environment)
    let sparsity = try sparsityFlags.resolve(environment)
    let path = try choice.locate(environment)
    if tune {
      return try TuneBench(format: format).run(
        LanguageModel(opening: path, residency: loadingFlags.residency), threads: counts ?? [Processors.recommended])
    }
    if comparisonFlags.compare {
      let settings = EngineOptions(
        threads: counts?.first, batchSize: batchSize ?? EngineOptions.defaultBatchSize, keyFormat: cache.keys,
        valueFormat: cache.values)
      return try compare(path, settings, sparsity)
    }
    let longest = (batchedFlags.isAsked ? batchedFlags.tests.map(\.contextSize) : tests.map(\.contextSize)).max() ?? 1
    let isDeterministic = try determinismFlag.resolve(environment)
    let gpu = try gpuFlag.resolve(environment)
    let hybrid = try gpuFlag.resolveHybrid(environment)

    let isBatched = batchedFlags.isAsked
    let sequences = max(EngineOptions.defaultCacheSequences, batchedFlags.tests.map(\.sequences).max() ?? 1)
    var table = isBatched ? nil : BenchTable(format)
    var batched = BatchedBench(format: format, repetitions: repetitions)
    for count in counts ?? [Processors.recommended] {
      let loaded = try LoadedModel(
        ModelOptions.Resolved(
          path: path, threads: count, contextSize: .tokens(longest), batchSize: batchSize, cache: cache,
          sparsity: sparsity, residency: loadingFlags.residency, isProfiled: profile, isDeterministic: isDeterministic,
          gpu: gpu, hybrid: hybrid, cacheSequences: sequences))
      if isBatched {
        try batched.run(batchedFlags.tests, on: loaded)
        continue
      }
      let bandwidth = try bandwidth(of: loaded.engine)
      for test in tests { try table?.add(row(test, loaded, cache: cache, bandwidth: bandwidth)) }
      if profile { HybridText.note(loaded.engine) }
    }
    if isBatched { try batched.finish() } else { try table?.finish() }
  }

  private func compare(_ path: String, _ settings: EngineOptions, _ sparsity: SparsityFlags.Resolved) throws {
    let source = try textOptions.read()
    let model = try LanguageModel(opening: path, residency: loadingFlags.residency)
    var settings = settings
    settings.sparsity = try sparsity.options(for: model)
    let text = try ScoredText(
      source, tokenizer: model.tokenizer, contextSize: textOptions.contextSize(of: model),
      chunkLimit: textOptions.chunkLimit)
    try Comparison(format: format, isPerLayer: comparisonFlags.perLayer).run(
      SourceComparison(
        model: model, text: text, options: settings, decoding: decodeTokens.numbers[0], turns: repetitions),
      model: URL(filePath: path).lastPathComponent, threads: settings.threads ?? Processors.recommended)
  }

  /// Bytes per second; nil where no test needs it.
  private func bandwidth(of engine: Engine) throws -> Double? {
    if let bandwidth { return bandwidth * 1e9 }
    guard tests.contains(where: { $0.kind == .decode }) else { return nil }
    return try engine.measureGPUBandwidth() ?? engine.measureBandwidth().best
  }

  private func row(
    _ test: SpeedTest, _ loaded: LoadedModel, cache: CacheOptions.Resolved, bandwidth: Double?
  ) throws -> BenchRow {
    let engine = loaded.engine
    let time = Date().formatted(.iso8601)
    let progress = ProgressBar.onTerminal(test.name)
    let speeds = try test.run(
      on: loaded.sequence, vocabularySize: loaded.vocabularySize, repetitions: repetitions,
      onRun: { done, all in
        // The run to warm up is no part of the profile either.
        if done == 1 { engine.resetMeasurements() }
        progress.update(done, of: all)
      })
    progress.finish()
    var row = BenchRow(
      test: test, model: loaded.summary, file: loaded.path, modelBytes: loaded.byteCount,
      modelParameters: loaded.parameterCount, threads: engine.threads, batchSize: engine.batchSize, cache: cache,
      time: time,
      samples: speeds)
    row.gpu = engine.gpuName
    switch test.kind {
    case .prompt: row.operations = engine.operations(prompt: test.tokens)
    case .decode:
      row.bytesPerToken = engine.bytesPerToken(decoding: test.tokens, from: max(test.depth, 0))
      row.bytesAreBound = engine.bytesAreBound
      row.sparsity = engine.sparsityReport
      row.bandwidth = bandwidth
    }
    // A prompt of one token is computed as decoding is.
    row.profile = engine.profileReports.first
    return row
  }
}

/// Numbers separated by commas.
struct NumberList: ExpressibleByArgument, Equatable {
  var numbers: [Int]

  init(_ numbers: [Int]) { self.numbers = numbers }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0) }.filter { $0 >= 0 }
    guard numbers.count == parts.count else { return nil }
    self.numbers = numbers
  }

  var defaultValueDescription: String { numbers.map(String.init).joined(separator: ",") }
}
