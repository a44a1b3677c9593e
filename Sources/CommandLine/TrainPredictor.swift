import ArgumentParser
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferToolkit

/// `powerinfer train-predictor`: what tells, before a layer is computed, which of its neurons will fire.
struct TrainPredictor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train the predictors of a model, and write the model with them.",
    discussion: """
      Runs a text through the model with all neurons computed, trains for every layer a small network that tells from the \
      layer's input which neurons will fire, and writes the model again with these (--sparsity predictor). The last chunks \
      of the text are held out: nothing is learnt from them, and all figures are about them.

      What is wanted is that a share of the neurons is computed (--computed), or that a share is found of the square of \
      what neurons add (--kept) or of the neurons that fire (--recall); layers share it out so that a neuron more is worth \
      the same in each. Ranks grow as long as that is worth the bytes, and shrink again where nothing is lost; with --kept \
      or --recall, --computed is the share of a layer's neurons up to which they grow.

      Predictors that the model has are trained on, unless --from-scratch. After a first pass all layers are trained again \
      on what they read when those before leave out neurons (--passes).

      Work in progress is kept in OUTPUT.training, or --work-dir. After an interruption of any kind the same command goes \
      on with it; when all is done it is removed.

      Examples:
        powerinfer train-predictor model.gguf -f text.txt -o trained.gguf
        powerinfer train-predictor model.gguf -f text.txt -o trained.gguf --computed 0.25 --type q4_0
        powerinfer train-predictor model.gguf -f text.txt -o trained.gguf --rank 128 --epochs 4
      """)

  @OptionGroup var survey: SurveyOptions

  @Option(
    name: [.customShort("o"), .long], help: ArgumentHelp("The model to write.", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var output: String

  @Option(help: ArgumentHelp("How predictors are stored: q8_0, q5_0, q4_0 or f16.", valueName: "type"))
  var type = TrainingRecipe().format.rawValue

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Share to keep of the square of what neurons add.", valueName: "share"))
  var kept: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Share to find of the neurons that fire.", valueName: "share"))
  var recall: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Share of the neurons to compute. (default: 0.25)", valueName: "share"))
  var computed: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The rank of every layer, a multiple of 32. (default: each layer's own)", valueName: "n"))
  var rank: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("The largest rank to try.", valueName: "n"))
  var maxRank = TrainingRecipe().largestRank

  @Option(parsing: .unconditional, help: ArgumentHelp("How often to go through the text.", valueName: "n"))
  var epochs = TrainingRecipe().epochs

  @Option(parsing: .unconditional, help: ArgumentHelp("How often to train all layers.", valueName: "n"))
  var passes = TrainingRecipe().passes

  @Flag(help: "Begin with random weights, even where the model has predictors.")
  var fromScratch = false

  @Option(parsing: .unconditional, help: ArgumentHelp("Share of the text's chunks to hold out.", valueName: "share"))
  var heldOut = TrainingRecipe().heldOutShare

  @Option(parsing: .unconditional, help: ArgumentHelp("Of everything random.", valueName: "n"))
  var seed = TrainingRecipe().seed

  @Option(
    help: ArgumentHelp(
      "Count as firing what reaches these thresholds, saved by powerinfer calibrate.", valueName: "file"),
    completion: .file(extensions: ["gguf"]))
  var gateThresholds: String?

  @Option(
    help: ArgumentHelp("Where to keep the work. (default: OUTPUT.training)", valueName: "folder"),
    completion: .directory)
  var workDir: String?

  @Flag(help: "Throw away work in progress that was begun with other options.")
  var restart = false

  @Flag(help: "Leave the work where it is when all is done.")
  var keepWork = false

  func validate() throws {
    if kept != nil, recall != nil { throw ValidationError("Give either --kept or --recall, not both.") }
    do throws(TrainingError) {
      try recipe().check()
    } catch {
      throw ValidationError(error.description)
    }
  }

  func run() throws {
    let recipe = try recipe()
    let settings = try survey.settings()
    let path = try survey.locate()
    let model = try LanguageModel(opening: path, residency: .automatic)
    let thresholds = try gateThresholds.map { try GateThresholds(sidecar: $0, for: model) }
    try survey.check(output: output, model: model)
    let training = try PredictorTraining(
      model: model, text: survey.text(for: model), named: survey.text.name, recipe: recipe, options: settings,
      thresholds: thresholds)
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }

    let bars = TrainingBars(isQuiet: survey.quiet)
    defer { bars.finish() }
    let report = try training.run(
      output: output, folder: workDir ?? output + ".training", restarts: restart, keepsWork: keepWork,
      progress: bars.update, isCancelled: { cancellation.isRaised })
    bars.finish()
    try StandardOutput.write(survey.json ? JSON.text(report) + "\n" : TrainingTable(report).text)
    if !survey.quiet, !survey.json { StandardOutput.note("The model with its predictors is \(output).\n") }
  }

  private func recipe() throws(TrainingError) -> TrainingRecipe {
    var recipe = TrainingRecipe()
    guard let type = PredictorType(rawValue: type.lowercased()) else { throw .format(type) }
    recipe.format = type
    if let kept { recipe.goal = .kept(kept) }
    if let recall { recipe.goal = .recall(recall) }
    if let computed {
      if kept == nil, recall == nil { recipe.goal = .computed(computed) } else { recipe.computedLimit = computed }
    }
    recipe.passes = passes
    recipe.startsFromModel = !fromScratch
    recipe.rank = rank
    recipe.largestRank = maxRank
    recipe.epochs = epochs
    recipe.heldOutShare = heldOut
    recipe.seed = seed
    return recipe
  }
}
