import Foundation
public import PowerInfer
import PowerInferGGUF
import PowerInferKernels
public import PowerInferModel
import PowerInferPlatform
public import PowerInferSparsity

/// Trains the predictors of a model (PowerInfer §5.1) on what its own neurons do for a text, and writes the model with them.
///
/// The text is run through the model with all neurons computed, and what predictors would read is kept in a folder. Then each
/// layer is trained by itself, on one thread, several at a time. The result is the same bytes for any number of threads, on one
/// kind of processor, and however often the work was interrupted.
public struct PredictorTraining {
  public let model: LanguageModel
  public let text: ScoredText
  public let recipe: TrainingRecipe
  private let textName: String
  private let options: EngineOptions
  private let thresholds: GateThresholds?
  private let learntChunks: Int

  /// Chunks that a text must have.
  public static let leastChunks = 4

  /// How often a layer's training is saved.
  var savingInterval = 15.0

  /// What is being done, and how much of it.
  public enum Step: Sendable, Equatable {
    /// In a pass, counted from 0.
    case reading(Int), training(Int)
    case checking, writing
  }

  /// - Parameters:
  ///   - model: a PowerInfer file.
  ///   - text: what to learn from, cut for this model, and at its end what to measure with.
  ///   - textName: what the text is called in the results.
  ///   - recipe: what is wanted, and how it is learnt.
  ///   - options: threads and batch size; all else is set here.
  ///   - thresholds: from which |act(gate)| on a neuron counts as firing; nil counts what gives anything but 0.
  /// - Throws: ``TrainingError`` for a recipe out of range, a text too short, or a model that cannot have predictors.
  public init(
    model: LanguageModel, text: ScoredText, named textName: String, recipe: TrainingRecipe = TrainingRecipe(),
    options: EngineOptions = EngineOptions(), thresholds: GateThresholds? = nil
  ) throws {
    try recipe.check()
    try Self.check(model, hasThresholds: thresholds != nil)
    try thresholds?.check(FeedForwardShape(model.configuration))
    guard text.chunkCount >= Self.leastChunks else {
      throw TrainingError.textTooShort(chunks: text.chunkCount, needed: Self.leastChunks)
    }
    self.model = model
    self.text = text
    self.textName = textName
    self.recipe = recipe
    self.options = options
    self.thresholds = thresholds
    let heldOut = Int((Double(text.chunkCount) * recipe.heldOutShare).rounded())
    learntChunks = text.chunkCount - min(max(heldOut, 1), text.chunkCount - 1)
  }

  private static func check(_ model: LanguageModel, hasThresholds: Bool) throws {
    let configuration = model.configuration
    for (layer, weights) in model.weights.layers.enumerated() {
      guard case .neurons = weights.down else {
        throw TrainingError.downByOutput(tensor: "blk.\(layer).ffn_down_t.weight")
      }
    }
    guard configuration.activation == .relu || hasThresholds else {
      throw TrainingError.neverSilent(activation: configuration.activation.rawValue)
    }
    if model.file.magic != .powerInfer {
      let sparse = try ModelConfiguration(metadata: model.file.metadata, magic: .powerInfer)
      guard sparse.activation == configuration.activation else {
        throw TrainingError.otherActivation(activation: configuration.activation.rawValue)
      }
    }
  }

  /// Tokens that are learnt from.
  public var learntTokens: Int { learntChunks * text.contextSize }
  /// Tokens that are measured with.
  public var heldOutTokens: Int { text.tokens.count - learntTokens }

  /// Trains, or goes on with what an interrupted run left, and writes the model.
  ///
  /// - Parameters:
  ///   - output: where the model with its predictors will be.
  ///   - path: of the folder where the work is kept until it is done; made, and removed at the end.
  ///   - restarts: whether work that was begun with other options is thrown away.
  ///   - keepsWork: whether the folder stays.
  ///   - progress: told now and then how much of a step is done; by any thread, one at a time.
  ///   - isCancelled: asked now and then, by any thread.
  /// - Throws: ``TrainingError``, `FileError`, `GGUFError`.
  public func run(
    output: String, folder path: String, restarts: Bool = false, keepsWork: Bool = false,
    progress: @escaping (Step, _ done: Int, _ of: Int) -> Void = { _, _, _ in },
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> TrainingReport {
    let start = Generator.monotonicSeconds()
    let team = ThreadTeam(workers: options.threads ?? Processors.recommended)
    let folder = try WorkFolder(
      path,
      origin: TrainingOrigin(
        model: model, text: text, thresholds: thresholds?.thresholds, batchSize: options.batchSize, recipe: recipe),
      restarts: restarts)
    try checkResources(folder, threads: team.count)
    var earlier: [TrainedLayer]?
    for pass in 0..<recipe.passes {
      earlier = try run(pass: pass, after: earlier, folder, team, progress, isCancelled)
    }
    let layers = earlier ?? []
    let writer = PredictorWriter(model: model, layers: layers)
    try writer.writeCandidate(in: folder, isCancelled: isCancelled)
    let check = try PredictorCheck(
      opening: folder.candidate, text: text.suffix(chunks: text.chunkCount - learntChunks), options: options
    ).run(progress: { progress(.checking, $0, $1) }, isCancelled: isCancelled)
    if isCancelled() { throw TrainingError.cancelled(folder: path) }
    folder.remove(folder.candidate)
    let quality = check.quality(learntTokens: learntTokens, heldOutTokens: heldOutTokens, text: textName)
    try writer.write(output, from: folder, progress: { progress(.writing, $0, $1) }, isCancelled: isCancelled) {
      metadata in
      PredictorWriter.setThreshold(&metadata)
      quality.write(to: &metadata)
      History.append(historyLine, to: &metadata)
    }
    let report = TrainingReport(
      layers: layers, check: check, learntTokens: learntTokens, heldOutTokens: heldOutTokens, text: textName,
      threads: team.count, seconds: Generator.monotonicSeconds() - start)
    if !keepsWork { folder.removeAll() }
    return report
  }

  /// One pass: reading, and then training all layers.
  private func run(
    pass: Int, after earlier: [TrainedLayer]?, _ folder: WorkFolder, _ team: ThreadTeam,
    _ progress: @escaping (Step, Int, Int) -> Void, _ isCancelled: @escaping @Sendable () -> Bool
  ) throws -> [TrainedLayer] {
    let crew = LayerCrew(
      model: model, recipe: recipe, folder: folder, team: team, pass: pass, tokens: text.tokens.count,
      learnt: learntTokens, parts: TraceRun.partCount(text), savingInterval: savingInterval)
    var traces = TraceRun(
      model: model, pass: pass, text: text, options: options, thresholds: thresholds?.thresholds, folder: folder,
      team: team)
    if crew.isDone {
      // It may have been killed just before it did this.
      traces.removeAll()
      return try crew.results()
    }
    if let earlier, !traces.missingParts.isEmpty {
      try PredictorWriter(model: model, layers: earlier).writeCandidate(in: folder, isCancelled: isCancelled)
      traces = try TraceRun(
        model: LanguageModel(opening: folder.candidate), pass: pass, text: text, options: options,
        thresholds: thresholds?.thresholds, folder: folder, team: team)
    }
    try traces.run(progress: { progress(.reading(pass), $0, $1) }, isCancelled: isCancelled)
    let layers = try crew.run(
      after: earlier, progress: { progress(.training(pass), $0, $1) }, isCancelled: isCancelled)
    traces.removeAll()
    return layers
  }

  private var historyLine: String {
    let goal: String =
      switch recipe.goal {
      case .computed(let share): "computed \(share)"
      case .kept(let share): "kept \(share)"
      case .recall(let share): "recall \(share)"
      }
    let limit = recipe.computedLimit.map { ", at most \($0) of a layer" } ?? ""
    let rank = recipe.rank.map { "rank \($0)" } ?? "rank up to \(recipe.largestRank)"
    return
      "train-predictor \(recipe.format.rawValue.uppercased()), \(goal)\(limit), \(rank), \(recipe.passes) passes, seed \(recipe.seed), text "
      + "\(textName) sha256 \(TrainingOrigin.digest(text).prefix(16))"
  }

  /// - Throws: ``TrainingError/notEnoughDisk(folder:needed:free:)``.
  static func checkDisk(_ folder: String, needed: Int, free: Int?) throws(TrainingError) {
    if let free, needed > free { throw .notEnoughDisk(folder: folder, needed: needed, free: free) }
  }

  /// Refuses what would fail in the middle.
  private func checkResources(_ folder: WorkFolder, threads: Int) throws {
    let shape = TraceShape(model.configuration)
    let rank = recipe.rank ?? recipe.largestRank
    let matrices = (shape.inputs + shape.neurons) * rank * MemoryLayout<Float>.stride
    let needed =
      TraceRun.byteBound(shape, tokens: text.tokens.count) + model.byteCount + 8 * min(threads, shape.layers) * matrices
    try Self.checkDisk(folder.path, needed: needed - folder.usedBytes, free: folder.freeBytes)
    let bytes =
      min(threads, shape.layers)
      * TrainingScratch.byteCount(
        batch: recipe.batch, inputs: shape.inputs, neurons: shape.neurons, rank: rank)
    guard Memory.canAllocate(bytes) else { throw TrainingError.notEnoughMemory(bytes: bytes) }
  }
}
