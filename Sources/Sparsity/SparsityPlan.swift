public import PowerInferKernels
public import PowerInferModel
import PowerInferPlatform

/// How a layer's neurons are chosen, and what that takes.
public struct LayerPlan: Sendable {
  /// Where the list comes from; where there are several, the fastest of them as measured while decoding. They give the
  /// same results.
  public let sources: [ActivationSource]
  /// What predicts the neurons, where predictions are wanted.
  public let predictor: NeuronPredictor?
  /// The down projection with a row per neuron; `nil` where there is none and nothing needs it.
  public let neurons: Matrix?  // [d, f]
  /// The neurons that are computed here.
  public let resident: ResidentNeurons
  /// What leading bits are asked of, where they are.
  public let leading: LeadingWeights?
  // Keeps the memory of `neurons`, where it is not the file's.
  let turned: NeuronRows?
}

/// Which neurons every layer of a model computes while it decodes.
public final class SparsityPlan: Sendable {
  /// What was asked for.
  public let mode: SparsityMode
  public let layers: [LayerPlan]
  /// Bytes of weights that are kept in another form than the file's.
  public var copiedBytes: Int {
    layers.reduce(0) {
      $0 + ($1.turned?.byteCount ?? 0) + ($1.predictor?.copiedBytes ?? 0) + ($1.leading?.byteCount ?? 0)
    }
  }
  /// Whether prompts leave out neurons as decoding does.
  public let masksPrompts: Bool
  /// Why the sources are what they are, as part of a sentence; `nil` where a source was asked for by name.
  public let reason: String?

  /// - Parameters:
  ///   - model: an open model.
  ///   - options: how neurons are chosen.
  ///   - team: what converts matrices.
  ///   - predictedLayers: the first layers, whose predictors are asked here; `nil` for all.
  /// - Throws: ``SparsityError`` where the model has not what the mode needs, or the machine not the memory;
  ///   ``NeuronRecordError`` for a profile or thresholds that are damaged or belong to another model.
  public init(
    model: LanguageModel, options: SparsityOptions, team: ThreadTeam, predictedLayers: Int? = nil
  ) throws {
    let recipe = try SparsityRecipe(model: model, options: options)
    try recipe.checkMemory()
    mode = options.mode
    masksPrompts = options.masksPrompts
    reason = recipe.reason
    layers = try recipe.sources.indices.map { index in
      try recipe.layer(index, team: team, predicts: predictedLayers.map { index < $0 } ?? true)
    }
  }
}
