import Foundation
import GGUF
import Inference
import Kernels
import Model
import Platform
import Sparsity

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
  private let options: SessionOptions
  private let thresholds: GateThresholds?
  private let learntChunks: Int

  /// Chunks that a text must have.
  public static let leastChunks = 4

  /// How often a layer's training is saved.
  var savingInterval = 15.0

  /// What is being done, and how much of it.
  public enum Step: Sendable, Equatable { case reading, training, checking, writing }

  /// - Parameters:
  ///   - model: a PowerInfer file.
  ///   - text: what to learn from, cut for this model, and at its end what to measure with.
  ///   - textName: what the text is called in the results.
  ///   - options: threads and batch size; all else is set here.
  ///   - thresholds: from which |act(gate)| on a neuron counts as firing; nil counts what gives anything but 0.
  /// - Throws: ``TrainingError`` for a recipe out of range, a text too short, or a model that cannot have predictors.
  public init(
    model: LanguageModel, text: ScoredText, named textName: String, recipe: TrainingRecipe = TrainingRecipe(),
    options: SessionOptions = SessionOptions(), thresholds: GateThresholds? = nil
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
  ///   - folder: where the work is kept until it is done; made, and removed at the end.
  ///   - restarts: whether work that was begun with other options is thrown away.
  ///   - keepsWork: whether the folder stays.
  ///   - progress: told now and then how much of a step is done; by any thread, one at a time.
  ///   - isCancelled: asked now and then, by any thread.
  /// - Throws: ``TrainingError``, `FileError`, `GGUFError`.
  public func run(
    output: String, folder path: String, restarts: Bool = false, keepsWork: Bool = false,
    progress: @escaping (Step, _ done: Int, _ of: Int) -> Void = { _, _, _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> TrainingReport {
    let start = Generator.monotonicSeconds()
    let team = ThreadTeam(workers: options.threads ?? Processors.recommended)
    let folder = try WorkFolder(
      path,
      origin: TrainingOrigin(
        model: model, text: text, thresholds: thresholds?.thresholds, batchSize: options.batchSize, recipe: recipe),
      restarts: restarts)
    try checkResources(folder, threads: team.count)
    let isOver = { isCancelled() }
    try TraceRun(
      model: model, text: text, options: options, thresholds: thresholds?.thresholds, folder: folder, team: team
    ).run(progress: { progress(.reading, $0, $1) }, isCancelled: isOver)
    let layers = try LayerCrew(
      model: model, recipe: recipe, folder: folder, team: team, tokens: text.tokens.count, learnt: learntTokens,
      parts: TraceRun.partCount(text), savingInterval: savingInterval
    ).run(progress: { progress(.training, $0, $1) }, isCancelled: isOver)

    let writer = PredictorWriter(model: model, layers: layers)
    try writer.write(folder.candidate, from: folder, isCancelled: isOver) { metadata in
      metadata.set("powerinfer.sparse_threshold", .float32(0))
    }
    let check = try PredictorCheck(
      opening: folder.candidate, text: text.suffix(chunks: text.chunkCount - learntChunks), options: options
    ).run(progress: { progress(.checking, $0, $1) }, isCancelled: isOver)
    if isCancelled() { throw TrainingError.cancelled(folder: path) }
    folder.remove(folder.candidate)
    let quality = check.quality(learntTokens: learntTokens, heldOutTokens: heldOutTokens, text: textName)
    try writer.write(output, from: folder, progress: { progress(.writing, $0, $1) }, isCancelled: isOver) { metadata in
      metadata.set("powerinfer.sparse_threshold", .float32(0))
      quality.write(to: &metadata)
      History.append(historyLine, to: &metadata)
    }
    let report = TrainingReport(
      layers: layers, check: check, learntTokens: learntTokens, heldOutTokens: heldOutTokens, text: textName,
      threads: team.count, seconds: Generator.monotonicSeconds() - start)
    if !keepsWork { folder.removeAll() }
    return report
  }

  private var historyLine: String {
    let goal: String =
      switch recipe.goal {
      case .kept(let share): "kept \(share)"
      case .recall(let share): "recall \(share)"
      }
    let limit = recipe.computedLimit.map { ", computed \($0)" } ?? ""
    let rank = recipe.rank.map { "rank \($0)" } ?? "rank up to \(recipe.largestRank)"
    return
      "train-predictor \(recipe.format.rawValue.uppercased()), \(goal)\(limit), \(rank), seed \(recipe.seed), text "
      + "\(textName) sha256 \(TrainingOrigin.digest(text).prefix(16))"
  }

  /// Refuses what would fail in the middle.
  private func checkResources(_ folder: WorkFolder, threads: Int) throws {
    let shape = TraceShape(model.configuration)
    let rank = recipe.rank ?? recipe.largestRank
    let matrices = (shape.inputs + shape.neurons) * rank * MemoryLayout<Float>.stride
    let needed =
      TraceRun.byteBound(shape, tokens: text.tokens.count) + model.byteCount + 8 * min(threads, shape.layers) * matrices
    if let free = folder.freeBytes, needed - folder.usedBytes > free {
      throw TrainingError.notEnoughDisk(folder: folder.path, needed: needed - folder.usedBytes, free: free)
    }
    let bytes =
      min(threads, shape.layers)
      * TrainingScratch.byteCount(
        batch: recipe.batch, inputs: shape.inputs, neurons: shape.neurons, rank: rank)
    guard Memory.canAllocate(bytes) else { throw TrainingError.notEnoughMemory(bytes: bytes) }
  }
}

extension TrainingRecipe {
  /// - Throws: ``TrainingError`` for what is out of range.
  public func check() throws(TrainingError) {
    guard goal.share > 0, goal.share < 1 else { throw .goal(goal.share) }
    if let computedLimit, !(computedLimit > 0 && computedLimit <= 1) { throw .computedLimit(computedLimit) }
    for rank in [rank, largestRank].compactMap({ $0 }) {
      guard Self.rankRange.contains(rank), rank % Self.rankStep == 0 else { throw .rank(rank) }
    }
    guard epochs > 0, epochs <= 1000 else { throw .epochs(epochs) }
    guard heldOutShare > 0, heldOutShare <= 0.5 else { throw .heldOut(heldOutShare) }
  }
}
