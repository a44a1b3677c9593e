import ArgumentParser
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferToolkit

/// `powerinfer calibrate`: from which magnitude of its gate on a neuron is worth computing.
struct Calibrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find the thresholds below which neurons are left out.",
    discussion: """
      Runs a text through the model and picks for every layer the magnitude of the activated gate (of the activation, \
      in models without gates) below which the share --target of all neurons lies. --sparsity threshold then leaves \
      these out. "Kept" is the share of what the layer's neurons add, by the length of each one's vector, that the \
      others give.

      The thresholds are saved beside the model as NAME.thresholds.gguf, where they are found again, or where --output \
      says. They fit this file only: another quantisation of the model needs its own. With --output-model they become \
      a part of the model file instead, and stay in it when it is quantised.

      Examples:
        powerinfer calibrate model.gguf -f text.txt --target 0.4
        powerinfer calibrate model.gguf -f text.txt --target 0.5 -o half.gguf --chunks 40
        powerinfer calibrate model.gguf -f text.txt --output-model calibrated.gguf
      """)

  @OptionGroup var survey: SurveyOptions

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Share of the neurons to leave out, 0 or more and less than 1.", valueName: "share"))
  var target: Float = 0.4

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Where to save the thresholds. (default: beside the model)", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var output: String?

  @Option(
    help: ArgumentHelp("Write the model again, to this file, with the thresholds in it.", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var outputModel: String?

  func validate() throws {
    guard target >= 0, target < 1 else {
      throw ValidationError("The option --target must be 0 or more and less than 1, but it is \(target).")
    }
    if let output, output == outputModel {
      throw ValidationError("Give --output and --output-model files of their own.")
    }
  }

  func run() throws {
    let settings = try survey.settings()
    let path = try survey.locate()
    let model = try LanguageModel(opening: path, residency: .automatic)
    let sidecar = output ?? (outputModel == nil ? GateThresholds.sidecarPath(for: model) : nil)
    for output in [sidecar, outputModel] { try output.map { try survey.check(output: $0, model: model) } }
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }

    let outcome = try survey.survey(model, at: path, with: settings, cancellation: cancellation)
    let calibration = try Calibration(outcome.statistics, target: target)
    try sidecar.map { try calibration.thresholds.writeSidecar($0, for: model) }
    if let outputModel {
      let bar = ProgressBar.onTerminal("Writing")
      defer { bar.finish() }
      try ModelCopy.write(
        model.file, to: outputModel, progress: { bar.update($0 / 1_000_000, of: $1 / 1_000_000) },
        isCancelled: { cancellation.isRaised }, change: { calibration.thresholds.write(to: &$0) })
    }

    let report = CalibrationReport(outcome.origin, calibration, sidecar: sidecar, outputModel: outputModel)
    try StandardOutput.write(survey.json ? JSON.text(report) + "\n" : report.text)
    guard !survey.quiet, !survey.json else { return }
    if target > 0, calibration.silent >= Double(target) {
      StandardOutput.note(
        "Note: \(Units.percent(calibration.silent)) of the neurons are silent by themselves, more than the target; "
          + "--sparsity gate leaves those out without a loss.\n")
    }
    for output in [sidecar, outputModel].compactMap({ $0 }) {
      StandardOutput.note("The thresholds were saved in \(output).\n")
    }
  }
}
