public import ArgumentParser
import PowerInferModel
import PowerInferSparsity

/// Which neurons to compute.
struct SparsityFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Which neurons are computed: those that fire (gate: lossless, for ReLU), those that may fire by the leading bits of their gates "
        + "(bits), those that the file's predictors expect to fire (predictor), those above calibrated thresholds (threshold), all (dense), or what is measured to be fastest "
        + "without a loss (auto). (default: auto; environment: POWERINFER_SPARSITY)",
      valueName: "source"))
  var sparsity: SparsityMode?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "What a prediction must reach for a neuron to be computed. (default: the file's; environment: "
        + "POWERINFER_SPARSE_THRESHOLD, LLAMA_SPARSE_PRED_THRESHOLD)", valueName: "x"))
  var sparseThreshold: Float?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "By how many standard deviations the leading bits of a gate may be wrong before a neuron that fires is missed. (default: "
        + "those of --bit-margins, else \(SparsityOptions.defaultBitsMargin); environment: POWERINFER_BITS_MARGIN)",
      valueName: "k"))
  var bitsMargin: Float?

  @Option(
    help: ArgumentHelp(
      "The margins that `powerinfer calibrate --loss` found. (default: MODEL.margins.gguf, or the model file; environment: "
        + "POWERINFER_BIT_MARGINS)",
      valueName: "file"))
  var bitMargins: String?

  @Option(
    help: ArgumentHelp(
      "How predictors are kept in memory: as in the file, q8_0, q4_0, or auto (8 bits where the file has floats). (default: auto; environment: "
        + "POWERINFER_PREDICTOR_TYPE)",
      valueName: "type"))
  var predictorType: PredictorFormat?

  @Option(
    help: ArgumentHelp(
      "How often neurons fire, as `powerinfer profile` writes it: predictors are not asked about hot ones. (default: MODEL.profile.gguf, "
        + "if it is there, or the model file; environment: POWERINFER_NEURON_PROFILE)", valueName: "file"))
  var neuronProfile: String?

  @Option(
    help: ArgumentHelp(
      "The thresholds that `powerinfer calibrate` found. (default: MODEL.thresholds.gguf, or the model file; environment: "
        + "POWERINFER_GATE_THRESHOLDS)",
      valueName: "file"))
  var gateThresholds: String?

  /// What is asked for, its files not opened yet.
  struct Resolved: Equatable {
    var options = SparsityOptions()
    var profilePath: String?
    var thresholdsPath: String?
    var marginsPath: String?

    /// Opens the files.
    ///
    /// - Throws: `FileError`, `GGUFError`, `NeuronRecordError`.
    func options(for model: LanguageModel) throws -> SparsityOptions {
      var options = options
      options.profile = try profilePath.map { try ActivationProfile(sidecar: $0, for: model) }
      options.gateThresholds = try thresholdsPath.map { try GateThresholds(sidecar: $0, for: model) }
      options.bitsMargins = try marginsPath.map { try LeadingBitMargins(sidecar: $0, for: model) }
      return options
    }
  }

  /// - Throws: `EnvironmentError`.
  func resolve(_ environment: Environment) throws -> Resolved {
    var options = SparsityOptions(mode: try environment.value(sparsity, or: "SPARSITY") ?? .auto)
    options.predictorFormat = try environment.value(predictorType, or: "PREDICTOR_TYPE") ?? .automatic
    options.bitsMargin = try environment.value(bitsMargin, or: "BITS_MARGIN")
    options.predictorThreshold =
      try environment.value(sparseThreshold, or: "SPARSE_THRESHOLD")
      ?? environment.value(of: "LLAMA_SPARSE_PRED_THRESHOLD")
    return Resolved(
      options: options, profilePath: try environment.value(neuronProfile, or: "NEURON_PROFILE"),
      thresholdsPath: try environment.value(gateThresholds, or: "GATE_THRESHOLDS"),
      marginsPath: try environment.value(bitMargins, or: "BIT_MARGINS"))
  }
}

extension SparsityMode: ExpressibleByArgument {}
extension SparsityMode: SettingValue {
  static var expectation: String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
}
extension PredictorFormat: ExpressibleByArgument {}
extension PredictorFormat: SettingValue {
  static var expectation: String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
}
