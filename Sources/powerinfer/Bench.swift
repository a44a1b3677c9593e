import ArgumentParser
import Inference

/// `powerinfer bench`: tokens per second, in the columns of llama-bench.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast a model reads prompts and decodes.",
    discussion: """
      The columns are those of llama-bench: pp512 reads a prompt of 512 tokens, tg128 decodes 128 tokens one by one, \
      each from an empty context or after as many tokens as --n-depth says, without tokenizer and sampling; mean and standard deviation over the repetitions, \
      after one run to warm up.

      Examples:
        powerinfer bench
        powerinfer bench -m model.gguf -p 512 -n 128 -r 5 -t 1,2,4
        powerinfer bench -m model.gguf -p 0 -n 64 --json
      """)

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case markdown = "md"
    case json
  }

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

  @Option(
    name: [.customShort("d"), .customLong("n-depth")], parsing: .unconditional,
    help: ArgumentHelp("Tokens in the context before a test begins, one or several numbers.", valueName: "n,…"))
  var depths = NumberList([0])

  @Option(name: [.customShort("o"), .long], help: "How to print the results.")
  var output = Output.markdown

  @Flag(help: "Print JSON, as --output json does.")
  var json = false

  func validate() throws {
    if repetitions < 1 {
      throw ValidationError("The option --repetitions must be 1 or more, but it is \(repetitions).")
    }
    if tests.isEmpty { throw ValidationError("There is nothing to measure: --n-prompt and --n-gen are both 0.") }
  }

  private var tests: [SpeedTest] {
    depths.numbers.flatMap { depth in
      promptTokens.numbers.filter { $0 > 0 }.map { SpeedTest(.prompt, tokens: $0, depth: depth) }
        + decodeTokens.numbers.filter { $0 > 0 }.map { SpeedTest(.decode, tokens: $0, depth: depth) }
    }
  }

  func run() throws {
    let environment = Environment()
    let output = json ? Output.json : output
    let batchSize = try ModelOptions.resolve(batchSize: batchSize, environment)
    let cache = try cacheOptions.resolve(environment)
    let threadCounts: [Int?] =
      if let threads { threads.numbers } else { [try environment.value(Int?.none, or: "THREADS")] }
    for count in threadCounts { try ThreadOption.check(count) }
    let path = try choice.locate(environment)
    let longest = tests.map(\.contextSize).max() ?? 1

    var table = BenchTable(rows: [])
    for count in threadCounts {
      let engine = try Engine(
        ModelOptions.Resolved(
          path: path, threads: count, contextSize: .tokens(longest), batchSize: batchSize, cache: cache))
      if count == threadCounts.first, output == .markdown { try StandardOutput.write(BenchTable.heading) }
      for test in tests {
        let progress = ProgressBar.onTerminal(test.name)
        let speeds = try test.run(
          on: engine.session, vocabularySize: engine.vocabularySize, repetitions: repetitions,
          onRun: progress.update)
        progress.finish()
        let row = BenchTable.Row(
          model: engine.summary, file: engine.name, modelBytes: engine.byteCount,
          modelParameters: engine.parameterCount, backend: "CPU", threads: engine.session.threads,
          test: test.name, tokensPerSecond: Spread(speeds), samples: speeds)
        table.rows.append(row)
        if output == .markdown { try StandardOutput.write(row.markdown) }
      }
    }
    if output == .json { try StandardOutput.write(JSON.text(table.rows) + "\n") }
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
