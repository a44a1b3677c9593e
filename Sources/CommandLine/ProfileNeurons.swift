import ArgumentParser
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferToolkit

/// `powerinfer profile`: how often neurons fire.
struct ProfileNeurons: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile",
    abstract: "Count how often every neuron of a model fires.",
    discussion: """
      Runs a text through the model and counts for every neuron the tokens for which it gives anything but zero, and \
      what it adds. Models whose activation is never zero (SiLU, GELU) need --gate-thresholds, which powerinfer calibrate \
      finds; what reaches them counts.

      "Active" is the share of neurons that fire for a token. "Makes 80 %" is the share of neurons that make 80 % of all \
      activations: the smaller, the more it is always the same ones that fire. --plot draws the share of all activations that \
      a growing share of neurons makes, hottest first, a curve a layer.

      The profile is saved beside the model as NAME.profile.gguf, where it is found again, or where --output says. It \
      fits this file only: another quantisation of the model needs its own. With --torch-dir it is also written as \
      PowerInfer's own programs read it: DIR/activation_N.pt, the counts of layer N.

      Examples:
        powerinfer profile model.gguf -f text.txt
        powerinfer profile model.gguf -f text.txt chats.txt --plot skew.svg
        powerinfer profile model.gguf -f text.txt --chunks 40 -o profile.gguf --json
        powerinfer profile model.gguf -f text.txt --gate-thresholds model.thresholds.gguf
        powerinfer profile model.gguf -f text.txt --torch-dir activation
      """)

  @OptionGroup var survey: SurveyOptions

  @Option(
    help: ArgumentHelp("Count what reaches these thresholds, saved by powerinfer calibrate.", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var gateThresholds: String?

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("Where to save the profile. (default: beside the model)", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var output: String?

  @Option(
    help: ArgumentHelp("Draw how unevenly neurons fire, as SVG.", valueName: "file"),
    completion: .file(extensions: ["svg"]))
  var plot: String?

  @Option(
    help: ArgumentHelp("Also write activation_N.pt for every layer, as PowerInfer reads them.", valueName: "folder"),
    completion: .directory)
  var torchDir: String?

  func run() throws {
    let settings = try survey.settings()
    let path = try survey.locate()
    let model = try LanguageModel(opening: path, residency: .automatic)
    let thresholds = try gateThresholds.map { try GateThresholds(sidecar: $0, for: model) }
    let sidecar = output ?? ActivationProfile.sidecarPath(forModelAt: model.file.paths.first ?? path)
    try survey.check(output: sidecar, model: model)
    if let plot { try survey.check(output: plot, model: model) }
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }

    let outcome = try survey.survey(model, at: path, with: settings, thresholds: thresholds, cancellation: cancellation)
    let profile = outcome.statistics.profile
    try profile.writeSidecar(sidecar, for: model)
    if let plot { try draw(profile, of: outcome.origin, to: plot) }
    if let torchDir { try ActivationFolder.write(profile, to: torchDir) }

    let report = NeuronProfileReport(outcome.origin, ProfileSummary(profile), sidecar: sidecar, plot: plot)
    try StandardOutput.write(survey.json ? JSON.text(report) + "\n" : report.text)
    guard !survey.quiet, !survey.json else { return }
    if thresholds == nil, model.configuration.activation != .relu {
      StandardOutput.note(
        "Note: the model's activation, \(model.configuration.activation.rawValue), is hardly ever 0, so that all neurons "
          + "count as firing; --gate-thresholds counts those that a calibration keeps.\n")
    }
    StandardOutput.note("The profile was saved in \(sidecar).\n")
    if let plot { StandardOutput.note("The plot was saved in \(plot).\n") }
    if let torchDir { StandardOutput.note("The counts were saved in \(torchDir).\n") }
  }

  private func draw(_ profile: ActivationProfile, of origin: SurveyOrigin, to path: String) throws {
    let file = try AtomicFile(path)
    try file.write(SkewPlot(profile, title: "\(origin.model), \(origin.tokens) tokens of \(origin.text)").svg)
    try file.commit()
  }
}
