import ArgumentParser
import GGUF
import Foundation
import Inference
import Model
import Platform
import Sparsity
import Toolkit

/// What the commands have in common that run a text through a model to see what its neurons do.
struct SurveyOptions: ParsableArguments {
  @Argument(help: "The model, instead of --model.", completion: .file(extensions: ["gguf"]))
  var modelFile: String?

  @OptionGroup var choice: ModelChoice

  @OptionGroup var text: TextFiles

  @Option(
    name: [.customShort("c"), .long], parsing: .unconditional,
    help: ArgumentHelp("Tokens of a chunk; 0 for as many as the model was trained for.", valueName: "n"))
  var ctxSize = Perplexity.defaultContextSize

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Read at most so many chunks. (default: all)", valueName: "n"))
  var chunks: Int?

  @OptionGroup var threadOption: ThreadOption

  @Option(
    name: [.customShort("b"), .long], parsing: .unconditional,
    help: ArgumentHelp("Tokens of a chunk read at once. (environment: POWERINFER_BATCH_SIZE)", valueName: "n"))
  var batchSize: Int?

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(name: [.customShort("q"), .long], help: "Print the result and errors, nothing else.")
  var quiet = false

  func validate() throws {
    if modelFile != nil, choice.model != nil {
      throw ValidationError("Give the model once: as an argument or with --model.")
    }
    if let chunks, chunks < 1 {
      throw ValidationError("The option --chunks must be 1 or more, but it is \(chunks).")
    }
    if ctxSize != 0, !ScoredText.contextSizeRange.contains(ctxSize) {
      let range = ScoredText.contextSizeRange
      throw ValidationError(
        "The option --ctx-size must be 0 or from \(range.lowerBound) to \(range.upperBound), but it is \(ctxSize).")
    }
  }

  /// Threads and batch size, with the environment's where no flag says them.
  ///
  /// - Throws: `EnvironmentError`, `OptionError`.
  func settings() throws -> SessionOptions {
    let environment = Environment()
    var settings = SessionOptions(threads: try threadOption.resolve(environment))
    if let batchSize = try ModelOptions.resolve(batchSize: batchSize, environment) { settings.batchSize = batchSize }
    return settings
  }

  /// The model's path.
  ///
  /// - Throws: `ModelLocatorError`.
  func locate() throws -> String {
    try ModelLocator(environment: Environment()).locate(modelFile ?? choice.model)
  }

  /// Makes sure that results can be written to a path, before the work and not after it.
  ///
  /// - Throws: `InputError.beingRead`, `FileError`.
  func check(output: String, model: LanguageModel) throws {
    let target = FileIdentity(output)
    if let target, (model.file.paths + text.file).contains(where: { FileIdentity($0) == target }) {
      throw InputError.beingRead(output)
    }
    // Dropped without a commit it leaves nothing behind.
    _ = try AtomicFile(output)
  }

  /// What a survey has found, and what it took.
  struct Outcome {
    var statistics: NeuronStatistics
    var origin: SurveyOrigin
  }

  /// Reads the text, with a bar that shows how far it is.
  ///
  /// - Parameters:
  ///   - model: an open model.
  ///   - path: its path.
  ///   - settings: of the session.
  ///   - thresholds: from which magnitude on a neuron counts as firing.
  ///   - cancellation: raised to stop.
  func survey(
    _ model: LanguageModel, at path: String, with settings: SessionOptions, thresholds: GateThresholds? = nil,
    cancellation: CancellationFlag
  ) throws -> Outcome {
    let text = try ScoredText(
      self.text.read(), tokenizer: model.tokenizer,
      contextSize: ctxSize == 0 ? model.configuration.contextLength : ctxSize, chunkLimit: chunks)
    let survey = try NeuronSurvey(
      model: model, text: text, named: self.text.name, options: settings, thresholds: thresholds)
    let bar = ProgressBar.onTerminal("Reading")
    defer { bar.finish() }
    let start = Generator.monotonicSeconds()
    let statistics = try survey.run(progress: bar.update, isCancelled: { cancellation.isRaised })
    return Outcome(
      statistics: statistics,
      origin: SurveyOrigin(
        model: URL(filePath: path).lastPathComponent, text: self.text.name, contextSize: text.contextSize,
        tokens: statistics.profile.tokens, threads: survey.threads, seconds: Generator.monotonicSeconds() - start))
  }
}
