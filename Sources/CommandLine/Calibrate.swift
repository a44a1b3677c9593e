import ArgumentParser
import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferToolkit

/// `powerinfer calibrate`: from which magnitude of its gate on a neuron is worth computing, or how far leading bits are to be trusted.
struct Calibrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the thresholds below which neurons are left out, or the margins of leading bits.",
    discussion: """
      Runs a text through the model and picks for every layer the magnitude of the activated gate (of the activation, \
      in models without gates) below which the share --target of all neurons lies. --sparsity threshold then leaves \
      these out. "Kept" is the share of what the layer's neurons add, by the length of each one's vector, that the \
      others give.

      The thresholds are saved beside the model as NAME.thresholds.gguf, where they are found again, or where --output \
      says. They fit this file only: another quantisation of the model needs its own. With --output-model they become \
      a part of the model file instead, and stay in it when it is quantised.

      With --loss it finds margins for --sparsity bits instead: how many standard deviations the leading bits of each layer's \
      gates may be wrong, so that perplexity rises by no more than this share and every layer misses the same share of what \
      its neurons add, squared. The text is read about ten times. Its last quarter is kept for saying what the margins cost \
      where nothing was calibrated. They are saved as NAME.margins.gguf.

      Examples:
        powerinfer calibrate model.gguf -f text.txt --target 0.4
        powerinfer calibrate model.gguf -f text.txt --target 0.5 -o half.gguf --chunks 40
        powerinfer calibrate model.gguf -f text.txt --output-model calibrated.gguf
        powerinfer calibrate relu.gguf -f text.txt --loss 0.1%
      """)

  @OptionGroup var survey: SurveyOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Share of the neurons to leave out, 0 or more and less than 1. (default: 0.4)", valueName: "share"))
  var target: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Find margins of leading bits instead, with which perplexity rises by no more than this share, such as 0.1% or 0.001.",
      valueName: "share"))
  var loss: Share?

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Where to save what was found. (default: beside the model)", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var output: String?

  @Option(
    help: ArgumentHelp("Write the model again, to this file, with what was found in it.", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var outputModel: String?

  func validate() throws {
    if let target, !(target >= 0 && target < 1) {
      throw ValidationError("The option --target must be 0 or more and less than 1, but it is \(target).")
    }
    if let loss, !(loss.value > 0 && loss.value < 1) {
      throw ValidationError("The option --loss must be above 0 and less than 1, but it is \(loss.value).")
    }
    if target != nil, loss != nil {
      throw ValidationError("Give either --target, for thresholds, or --loss, for margins of leading bits.")
    }
    if let output, output == outputModel {
      throw ValidationError("Give --output and --output-model files of their own.")
    }
  }

  func run() throws {
    let settings = try survey.settings()
    let path = try survey.locate()
    let model = try LanguageModel(opening: path, residency: .automatic)
    let kind = loss == nil ? NeuronRecordKind.thresholds : .margins
    let sidecar = output ?? (outputModel == nil ? model.file.paths.first.map(kind.sidecarPath(forModelAt:)) : nil)
    for output in [sidecar, outputModel] { try output.map { try survey.check(output: $0, model: model) } }
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }
    if let loss {
      try findMargins(Float(loss.value), model, path, settings, sidecar: sidecar, cancellation)
    } else {
      try findThresholds(target ?? 0.4, model, path, settings, sidecar: sidecar, cancellation)
    }
    guard !survey.quiet, !survey.json else { return }
    for output in [sidecar, outputModel].compactMap({ $0 }) {
      StandardOutput.note("The \(kind.rawValue) were saved in \(output).\n")
    }
  }

  private func findThresholds(
    _ target: Float, _ model: LanguageModel, _ path: String, _ settings: EngineOptions, sidecar: String?,
    _ cancellation: CancellationFlag
  ) throws {
    let outcome = try survey.survey(model, at: path, with: settings, cancellation: cancellation)
    let calibration = try Calibration(outcome.statistics, target: target)
    try save(calibration.thresholds, of: model, sidecar: sidecar, cancellation)
    let report = CalibrationReport(outcome.origin, calibration, sidecar: sidecar, outputModel: outputModel)
    try StandardOutput.write(survey.json ? JSON.text(report) + "\n" : report.text)
    guard !survey.quiet, !survey.json else { return }
    if target > 0, calibration.silent >= Double(target) {
      StandardOutput.note(
        "Note: \(Units.percent(calibration.silent)) of the neurons are silent by themselves, more than the target; "
          + "--sparsity gate leaves those out without a loss.\n")
    }
  }

  private func findMargins(
    _ loss: Float, _ model: LanguageModel, _ path: String, _ settings: EngineOptions, sidecar: String?,
    _ cancellation: CancellationFlag
  ) throws {
    let text = try survey.text(for: model)
    let search = try MarginSearch(model: model, text: text, named: survey.text.name, options: settings, loss: loss)
    let start = Generator.monotonicSeconds()
    let calibration = try searching(search, cancellation)
    try save(calibration.margins, of: model, sidecar: sidecar, cancellation)
    let origin = SurveyOrigin(
      model: URL(filePath: path).lastPathComponent, text: survey.text.name, contextSize: text.contextSize,
      tokens: calibration.margins.tokens, threads: search.threads, seconds: Generator.monotonicSeconds() - start)
    let report = MarginReport(origin, calibration, sidecar: sidecar, outputModel: outputModel)
    try StandardOutput.write(survey.json ? JSON.text(report) + "\n" : report.text)
  }

  /// Runs a search, with a bar that shows how far it is.
  private func searching(_ search: MarginSearch, _ cancellation: CancellationFlag) throws -> MarginCalibration {
    let bar = ProgressBar.onTerminal("Reading")
    defer { bar.finish() }
    return try search.run(progress: bar.update, isCancelled: { cancellation.isRaised })
  }

  private func save(
    _ record: some NeuronRecord, of model: LanguageModel, sidecar: String?, _ cancellation: CancellationFlag
  ) throws {
    try sidecar.map { try record.writeSidecar($0, for: model) }
    guard let outputModel else { return }
    let bar = ProgressBar.onTerminal("Writing")
    defer { bar.finish() }
    try ModelCopy.write(
      model.file, to: outputModel, progress: { bar.update($0 / 1_000_000, of: $1 / 1_000_000) },
      isCancelled: { cancellation.isRaised }, change: { record.write(to: &$0) })
  }
}
