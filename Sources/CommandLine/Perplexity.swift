import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGPU
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// `powerinfer perplexity`: how well a model predicts a text, and how far it is from a reference.
struct Perplexity: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how well a model predicts a text.",
    discussion: """
      The text is cut into chunks of --ctx-size tokens, each read from an empty context; the tokens of its second half \
      are scored. That is what llama-perplexity does, so that figures compare, at the same --ctx-size and on the same \
      text only. The result comes on standard output, running values after each chunk on standard error.

      To see what smaller weights cost, save the logits of the original and compare the smaller model with them: \
      Kullback-Leibler divergence tells more, with less text, than two perplexities. Saved logits take 2 bytes for \
      each token of the vocabulary and each scored position; they hold the text's tokens too, so that --file is not \
      needed with --kl-with.

      With --sparsity predictor or threshold all tokens leave out the neurons that decoding leaves out, in batches as ever: \
      the figure is that of an answer, not of a prompt, for which run computes all neurons. --compare does so for every \
      source in turn and shows beside the perplexity how fast each decodes (tokens of the same text, after half a chunk; the \
      median of \(Self.turns) turns of \(Self.decodedTokens) tokens) and how many neurons fire and are computed.

      With --chat the file holds conversations: a line of JSON for each (JSONL), or a JSON list. Each is a list of messages, or an \
      object with that list in "messages". They are read as the model's chat template has them, or that of --chat-template, and \
      only the tokens of the assistant's messages are scored, with the one that ends each.

      Examples:
        powerinfer perplexity -f wiki.test.raw
        powerinfer perplexity model.gguf -f wiki.test.raw -c 2048 --chunks 20 --json
        powerinfer perplexity -m f16.gguf -f wiki.test.raw --save-logits f16.logits
        powerinfer perplexity -m q4_0.gguf --kl-with f16.logits
        powerinfer perplexity -m model.gguf -f wiki.test.raw --sparsity predictor
        powerinfer perplexity -m model.gguf -f wiki.test.raw --chunks 20 --compare --per-layer
        powerinfer perplexity -m model.gguf --chat -f conversations.jsonl
        powerinfer perplexity -m model.gguf --chat -f conversations.jsonl --chat-template llama3 -c 4096
      """)

  @Argument(help: "The model, instead of --model.", completion: .file(extensions: ["gguf"]))
  var modelFile: String?

  @OptionGroup var choice: ModelChoice

  @Option(
    name: [.customShort("f"), .long], help: "The text, a file in UTF-8; - is standard input.", completion: .file())
  var file: String?

  @Flag(help: "The file holds conversations: score the assistant's messages.")
  var chat = false

  @OptionGroup var templateFlags: TemplateFlags

  // No variable behind it: one meant for `run` would silently make figures that compare with no others.
  @Option(
    name: [.customShort("c"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens of a chunk, or of a conversation at most; 0 for as many as the model was trained for. (default: 512, or as the "
        + "saved logits have it; with --chat what the model was trained for, up to \(ChatPerplexity.defaultContextLimit))",
      valueName: "n"))
  var ctxSize: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Score at most so many chunks. (default: all)", valueName: "n"))
  var chunks: Int?

  @Option(
    help: ArgumentHelp("Save all probabilities of the scored positions, for --kl-with.", valueName: "file"),
    completion: .file())
  var saveLogits: String?

  @Option(
    help: ArgumentHelp("Compare with these saved logits of another model.", valueName: "file"), completion: .file())
  var klWith: String?

  @OptionGroup var threadOption: ThreadOption

  @Option(
    name: [.customShort("b"), .long], parsing: .unconditional,
    help: ArgumentHelp("Tokens of a chunk read at once. (environment: POWERINFER_BATCH_SIZE)", valueName: "n"))
  var batchSize: Int?

  @OptionGroup var gpuFlag: GPUFlag
  @OptionGroup var sparsityFlags: SparsityFlags
  @OptionGroup var loadingFlags: LoadingFlags
  @OptionGroup var comparisonFlags: ComparisonFlags

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(name: [.customShort("q"), .long], help: "Print the result and errors, nothing else.")
  var quiet = false

  /// llama.cpp's.
  static let defaultContextSize = 512
  /// What --compare decodes: enough for a median, little beside the text.
  static let decodedTokens = 32
  static let turns = 5

  func validate() throws {
    if modelFile != nil, choice.model != nil {
      throw ValidationError("Give the model once: as an argument or with --model.")
    }
    try comparisonFlags.check(sparsityFlags, gpuFlag)
    if comparisonFlags.compare {
      if file == nil { throw ValidationError("The option --compare needs a text: give one with --file.") }
      if klWith != nil || saveLogits != nil {
        throw ValidationError("Give either --compare or saved logits (--save-logits, --kl-with), not both.")
      }
    }
    try checkChat()
    if file == nil, klWith == nil { throw ValidationError("Give a text with --file, or saved logits with --kl-with.") }
    if saveLogits != nil, klWith != nil { throw ValidationError("Give either --save-logits or --kl-with, not both.") }
    try Self.check(ctxSize: ctxSize, chunks: chunks)
  }

  private func checkChat() throws {
    guard chat else {
      if templateFlags.isGiven { throw ValidationError("The options of the chat template belong to --chat.") }
      return
    }
    let others = [
      ("--compare", comparisonFlags.compare), ("--save-logits", saveLogits != nil), ("--kl-with", klWith != nil),
      ("--chunks", chunks != nil),
    ]
    if let (name, _) = others.first(where: { $0.1 }) {
      throw ValidationError("Give either --chat or \(name), not both.")
    }
    if file == nil { throw ValidationError("The option --chat needs conversations: give a file with --file.") }
  }

  /// - Throws: `ValidationError` where there can be no chunks like these.
  static func check(ctxSize: Int?, chunks: Int?) throws {
    if let chunks, chunks < 1 {
      throw ValidationError("The option --chunks must be 1 or more, but it is \(chunks).")
    }
    if let ctxSize, ctxSize != 0, !ScoredText.contextSizeRange.contains(ctxSize) {
      let range = ScoredText.contextSizeRange
      throw ValidationError(
        "The option --ctx-size must be 0 or from \(range.lowerBound) to \(range.upperBound), but it is \(ctxSize).")
    }
  }

  func run() throws {
    let environment = Environment()
    let threads = try threadOption.resolve(environment)
    let batchSize = try ModelOptions.resolve(batchSize: batchSize, environment)
    let sparsity = try sparsityFlags.resolve(environment)
    let path = try ModelLocator(environment: environment).locate(modelFile ?? choice.model)
    let source = try file.map(chat ? InputFile.text : Self.readText)
    if let saveLogits, let target = FileIdentity(saveLogits),
      [path, file].contains(where: { FileIdentity($0 ?? "") == target })
    {
      throw InputError.beingRead(saveLogits)
    }

    let gpu = comparisonFlags.compare ? GPUChoice.none : try gpuFlag.resolve(environment)
    let (mode, mayBeSplit) = (sparsity.options.mode, comparisonFlags.compare || gpu.findsDevice)
    let model = try LanguageModel(
      opening: path, residency: gpu.residency(loadingFlags.residency),
      reading: { mayBeSplit ? .listed : mode.reading($0) })
    var settings = EngineOptions(threads: threads)
    if let batchSize { settings.batchSize = batchSize }
    settings.sparsity = try sparsity.options(for: model)
    settings.sparsity.masksPrompts = true
    if chat {
      try prepare(&settings, gpu, environment)
      return try ChatPerplexity(isJSON: json, isQuiet: quiet).run(
        source ?? "", model, path: path, options: settings,
        contextLimit: contextSize(of: model) ?? ChatPerplexity.contextLimit(of: model),
        template: templateFlags.resolve(environment), file: file ?? "")
    }
    let reader = try klWith.map { try ReferenceReader($0, tokenizer: model.tokenizer) }
    let text = try scoredText(source, reader, model)
    settings.contextSize = text.contextSize
    if comparisonFlags.compare {
      try Comparison(format: json ? .json : .markdown, isPerLayer: comparisonFlags.perLayer).run(
        SourceComparison(
          model: model, text: text, options: settings, decoding: Self.decodedTokens, turns: Self.turns),
        model: URL(filePath: path).lastPathComponent, threads: threads ?? Processors.recommended)
      return noteLength(of: text, model)
    }
    try prepare(&settings, gpu, environment)
    let engine = try Engine(model: model, options: settings)
    if let remark = engine.gpuRemark { StandardOutput.note("Note: \(remark)\n") }
    noteLength(of: text, model)
    let writer = try saveLogits.map { try ReferenceWriter($0, text: text, tokenizer: model.tokenizer) }
    try measure(
      PerplexityTest(text, engine: engine, saving: writer, against: reader), engine, path: path,
      sparsity: settings.sparsity.mode, finish: { try writer?.finish() })
  }

  private func prepare(_ settings: inout EngineOptions, _ gpu: GPUChoice, _ environment: Environment) throws {
    settings.gpu = gpu
    settings.hybrid = try gpuFlag.resolveHybrid(environment)
    settings.gpuOptions.cacheFolder = GPUFlag.kernelCache
    settings.tuning = try TuningChoice.options()
  }

  /// The context size that was given.
  private func contextSize(of model: LanguageModel) -> Int? {
    ctxSize.map { $0 == 0 ? model.configuration.contextLength : $0 }
  }

  private func noteLength(of text: ScoredText, _ model: LanguageModel) {
    if text.contextSize > model.configuration.contextLength, !quiet {
      StandardOutput.note(
        "Note: chunks of \(text.contextSize) tokens are longer than the \(model.configuration.contextLength) that the "
          + "model was trained for.\n")
    }
  }

  /// Runs a test and shows what it finds.
  ///
  /// - Parameter finish: called once all chunks are done.
  private func measure(
    _ test: PerplexityTest, _ engine: Engine, path: String, sparsity: SparsityMode, finish: () throws -> Void
  ) throws {
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }
    let bar = ProgressBar.onTerminal("Reading")
    defer { bar.finish() }
    var runningPerplexities: [Double] = []
    let start = Generator.monotonicSeconds()
    let result = try test.run(
      onChunk: { progress in
        runningPerplexities.append(progress.score.perplexity.value)
        guard !quiet, !json else { return }
        bar.finish()
        if progress.chunks == 1 { StandardOutput.note(PerplexityTable.heading(test.text, isCompared: klWith != nil)) }
        StandardOutput.note(PerplexityTable.row(progress))
      },
      onTokens: bar.update, isCancelled: { cancellation.isRaised })
    let seconds = Generator.monotonicSeconds() - start
    bar.finish()
    let isComplete = result.chunks == test.text.chunkCount
    if isComplete { try finish() } else if saveLogits != nil, !quiet { StandardOutput.note("No logits were saved.\n") }

    let report = PerplexityReport(
      model: URL(filePath: path).lastPathComponent, text: test.text, threads: engine.threads, sparsity: sparsity,
      result: result, runningPerplexities: runningPerplexities, seconds: seconds)
    if json {
      try StandardOutput.write(JSON.text(report) + "\n")
    } else if result.scored > 0 {
      try StandardOutput.write(report.text)
      if !quiet { StandardOutput.note(Style(isTerminal: Terminal.isTerminal(.error)).dim(report.cost) + "\n") }
    }
    if !isComplete { throw ExitCode(128 + SIGINT) }
  }

  /// - Throws: `FileError`, `InputError`.
  static func readText(_ path: String) throws -> String {
    var text = try InputFile.text(path)
    // As llama.cpp reads it: without the line break at the file's end.
    if text.utf8.last == UInt8(ascii: "\n") { text = String(text.unicodeScalars.dropLast()) }
    if text.isEmpty { throw InputError.emptyText(path) }
    return text
  }

  /// What is to be scored: the text as this model cuts it, or that of the saved logits, which must be the same where
  /// there are both.
  private func scoredText(_ source: String?, _ reader: ReferenceReader?, _ model: LanguageModel) throws -> ScoredText {
    let given = contextSize(of: model)
    if let given { try reader?.check(contextSize: given) }
    if let source {
      let text = try ScoredText(
        source, tokenizer: model.tokenizer, contextSize: given ?? reader?.text.contextSize ?? Self.defaultContextSize,
        chunkLimit: reader == nil ? chunks : nil)
      guard let reader else { return text }
      try reader.check(against: text)
    }
    // There is a text or a reader: `validate` has seen to it.
    guard let saved = reader?.text else { throw ValidationError("There is no text.") }
    return saved.prefix(chunks: chunks ?? saved.chunkCount)
  }
}
