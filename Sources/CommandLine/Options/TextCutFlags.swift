import ArgumentParser
import PowerInfer
import PowerInferToolkit

/// How calibration texts are cut and read.
struct TextCutFlags: ParsableArguments {
  @Option(
    name: [.customShort("c"), .long], parsing: .unconditional,
    help: ArgumentHelp("Tokens of a chunk of text; 0 for as many as the model was trained for.", valueName: "n"))
  var ctxSize = Perplexity.defaultContextSize

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Read at most so many chunks of text. (default: all)", valueName: "n"))
  var chunks: Int?

  @Flag(help: "Read control tokens spelt in the texts, such as <|im_start|>, as such.")
  var parseSpecial = false

  @Option(
    name: [.customShort("b"), .long], parsing: .unconditional,
    help: ArgumentHelp("Tokens of a chunk read at once. (environment: POWERINFER_BATCH_SIZE)", valueName: "n"))
  var batchSize: Int?

  func validate() throws {
    if let chunks, chunks < 1 {
      throw ValidationError("The option --chunks must be 1 or more, but it is \(chunks).")
    }
    if ctxSize != 0, !ScoredText.contextSizeRange.contains(ctxSize) {
      let range = ScoredText.contextSizeRange
      throw ValidationError(
        "The option --ctx-size must be 0 or from \(range.lowerBound) to \(range.upperBound), but it is \(ctxSize).")
    }
  }

  func texts(_ files: [String]) -> CalibrationTexts {
    CalibrationTexts(files: files, contextSize: ctxSize, chunkLimit: chunks, parsesSpecial: parseSpecial)
  }

  /// Threads and batch size, with the environment's where no flag says them.
  ///
  /// - Throws: `EnvironmentError`, `OptionError`.
  func settings(_ threadOption: ThreadOption) throws -> EngineOptions {
    let environment = Environment()
    var settings = EngineOptions(threads: try threadOption.resolve(environment))
    if let batchSize = try ModelOptions.resolve(batchSize: batchSize, environment) { settings.batchSize = batchSize }
    return settings
  }
}
