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
    layers.reduce(0) { $0 + ($1.turned?.byteCount ?? 0) + ($1.predictor?.copiedBytes ?? 0) }
  }
  /// Whether prompts leave out neurons as decoding does.
  public let masksPrompts: Bool
  /// Why the sources are what they are, as part of a sentence; `nil` where a source was asked for by name.
  public let reason: String?

  /// - Throws: ``SparsityError`` where the model has not what the mode needs, or the machine not the memory;
  ///   ``NeuronRecordError`` for a profile or thresholds that are damaged or belong to another model.
  public init(model: LanguageModel, options: SparsityOptions, team: ThreadTeam) throws {
    mode = options.mode
    masksPrompts = options.masksPrompts
    let c = model.configuration
    let layers = model.weights.layers
    if let resident = options.resident {
      guard resident.count == layers.count, resident.allSatisfy({ $0.isValid(of: c.feedForwardSize) }) else {
        throw SparsityError.residentNeurons(layers: resident.count, expected: layers.count, neurons: c.feedForwardSize)
      }
    }
    switch options.mode {
    case .auto:
      (self.layers, reason) = try Self.lossless(layers, c, team: team, resident: options.resident)
      return
    case .dense:
      self.layers = try Self.make(layers, team: team, resident: options.resident) { _ in [.dense] }
    case .gate:
      guard c.activation == .relu else { throw SparsityError.gateIsNeverSilent(activation: c.activation.rawValue) }
      self.layers = try Self.make(layers, team: team, resident: options.resident) { _ in [.gate] }
    case .predictor:
      let threshold = options.predictorThreshold ?? c.sparseThreshold
      guard !threshold.isNaN else { throw SparsityError.thresholdNotANumber }
      if let layer = layers.firstIndex(where: { $0.predictor == nil }) { throw SparsityError.noPredictor(layer: layer) }
      let profile = try options.profile ?? ActivationProfile.find(for: model)
      try profile?.check(FeedForwardShape(c))
      // Of a part of a layer all neurons are asked about.
      let wanted = PredictorWish(
        format: options.predictorFormat, frequencies: options.resident == nil ? profile?.frequencies : nil)
      self.layers = try Self.make(layers, team: team, resident: options.resident, predictors: wanted) { _ in
        [.predictor(threshold: threshold)]
      }
    case .threshold:
      guard let found = try options.gateThresholds ?? GateThresholds.find(for: model) else {
        throw SparsityError.noGateThresholds
      }
      try found.check(FeedForwardShape(c))
      self.layers = try Self.make(layers, team: team, resident: options.resident) { [.threshold(found.thresholds[$0])] }
    }
    reason = nil
  }

  /// What may be chosen without a loss and without memory for copies.
  private static func lossless(
    _ layers: [LayerWeights], _ c: ModelConfiguration, team: ThreadTeam, resident: [ResidentNeurons]?
  ) throws -> ([LayerPlan], String) {
    func dense(_ reason: String) throws -> ([LayerPlan], String) {
      (try make(layers, team: team, resident: resident) { _ in [.dense] }, reason)
    }
    guard c.activation == .relu else { return try dense("\(c.activation.name) is never exactly zero") }
    guard c.architecture.gating != .ungated else {
      return try dense("there is no gate that would tell which of them are silent")
    }
    guard layers.contains(where: { if case .neurons = $0.down { true } else { false } }) else {
      return try dense("the down projection has no row per neuron (ffn_down_t)")
    }
    let plans = try make(layers, team: team, resident: resident) { index in
      if case .neurons = layers[index].down { [.dense, .gate] } else { [.dense] }
    }
    return (plans, "measured while decoding")
  }

  private struct PredictorWish {
    var format: PredictorFormat
    var frequencies: [[Float]]?
  }

  private static func make(
    _ layers: [LayerWeights], team: ThreadTeam, resident: [ResidentNeurons]?, predictors wanted: PredictorWish? = nil,
    _ sources: (_ layer: Int) -> [ActivationSource]
  ) throws -> [LayerPlan] {
    let chosen = layers.indices.map(sources)
    try checkMemory(layers, chosen, copiesPredictors: wanted != nil && wanted?.format != .file)
    return layers.indices.map { index in
      let layer = layers[index]
      var turned: NeuronRows?
      if case .rows(let down) = layer.down, chosen[index] != [.dense] { turned = NeuronRows(turning: down, team: team) }
      var neurons = turned?.matrix
      if case .neurons(let down) = layer.down { neurons = down }
      let predictor = wanted.flatMap { wanted in
        layer.predictor.map {
          NeuronPredictor(
            $0, hot: hot($0, in: layer, frequencies: wanted.frequencies?[index], format: wanted.format),
            format: wanted.format, team: team)
        }
      }
      return LayerPlan(
        sources: chosen[index], predictor: predictor, neurons: neurons, resident: resident?[index] ?? .all,
        turned: turned)
    }
  }

  /// Neurons that are computed without asking, ascending.
  private static func hot(
    _ predictor: PredictorWeights, in layer: LayerWeights, frequencies: [Float]?, format: PredictorFormat
  ) -> [UInt32] {
    guard let frequencies else { return [] }
    let asking = NeuronPredictor.format(of: predictor.fc2, format).rowBytes(columns: predictor.rank)
    // A neuron asked for in vain costs its gate; what comes after is not read.
    let computing = (layer.gate ?? layer.up).rowBytes
    let order = NeuronOrder(
      frequencies: frequencies, askingCost: Double(asking), computingCost: Double(computing))
    return order.neurons.prefix(order.hotCount).sorted()
  }

  private static func checkMemory(
    _ layers: [LayerWeights], _ sources: [[ActivationSource]], copiesPredictors: Bool
  ) throws {
    let copied = zip(layers, sources).reduce(0) { sum, pair in
      if case .rows(let down) = pair.0.down, pair.1 != [.dense] { sum + NeuronRows.byteCount(of: down) } else { sum }
    }
    guard Memory.canAllocate(copied) else {
      throw SparsityError.notEnoughMemory(bytes: copied, what: "down projections by neuron")
    }
    guard copiesPredictors else { return }
    let predicted = layers.reduce(0) { $0 + ($1.predictor.map(NeuronPredictor.byteBound) ?? 0) }
    guard Memory.canAllocate(predicted) else {
      throw SparsityError.notEnoughMemory(bytes: predicted, what: "predictors")
    }
  }
}
