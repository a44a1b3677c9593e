import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferToolkit

/// What the commands have in common that run a text through a model to see what its neurons do.
struct SurveyOptions: ParsableArguments {
  @Argument(help: "The model, instead of --model.", completion: .file(extensions: ["gguf"]))
  var modelFile: String?

  @OptionGroup var choice: ModelChoice

  @OptionGroup var text: TextFiles

  @OptionGroup var cut: TextCutFlags

  @OptionGroup var threadOption: ThreadOption

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(name: [.customShort("q"), .long], help: "Print the result and errors, nothing else.")
  var quiet = false

  func validate() throws {
    if modelFile != nil, choice.model != nil {
      throw ValidationError("Give the model once: as an argument or with --model.")
    }
  }

  /// Threads and batch size, with the environment's where no flag says them.
  ///
  /// - Throws: `EnvironmentError`, `OptionError`.
  func settings() throws -> EngineOptions { try cut.settings(threadOption) }

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

  /// The texts, cut for a model.
  ///
  /// - Throws: `FileError`, `InputError`, `EvaluationError`.
  func text(for model: LanguageModel) throws -> ScoredText { try cut.texts(text.file).read(for: model).text }

  /// Reads the text, with a bar that shows how far it is.
  ///
  /// - Parameters:
  ///   - model: an open model.
  ///   - path: its path.
  ///   - settings: of the engine.
  ///   - thresholds: from which magnitude on a neuron counts as firing.
  ///   - cancellation: raised to stop.
  func survey(
    _ model: LanguageModel, at path: String, with settings: EngineOptions, thresholds: GateThresholds? = nil,
    cancellation: CancellationFlag
  ) throws -> Outcome {
    let text = try text(for: model)
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
