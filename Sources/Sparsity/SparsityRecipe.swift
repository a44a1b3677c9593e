public import PowerInferKernels
public import PowerInferModel
import PowerInferPlatform

/// How the neurons of every layer are chosen: checked, but with nothing made for it yet. ``SparsityPlan`` makes all layers at once; who
/// takes them elsewhere makes one after the other.
public struct SparsityRecipe: Sendable {
  /// Where each layer's list comes from; see ``LayerPlan/sources``.
  public private(set) var sources: [[ActivationSource]]
  /// Why the sources are what they are, as part of a sentence; `nil` where a source was asked for by name.
  public let reason: String?

  /// How predictors are kept, and how often neurons fire, [layers] of [neurons]; `nil` where nothing is predicted.
  private let wish: (format: PredictorFormat, frequencies: [[Float]]?)?
  private let weights: [LayerWeights]
  private let resident: [ResidentNeurons]?
  /// Whether up projections silence neurons as gates do.
  private let isGatedBoth: Bool

  /// A matrix that a layer needs beside those of the file.
  public struct Extra: Sendable, Equatable {
    public let name: String
    public let format: WeightFormat
    public let rows: Int
    public let columns: Int
  }

  /// - Throws: ``SparsityError`` where the model has not what the mode needs; ``NeuronRecordError`` for a profile or thresholds that are
  ///   damaged or belong to another model.
  public init(model: LanguageModel, options: SparsityOptions) throws {
    let c = model.configuration
    let layers = model.weights.layers
    (weights, resident) = (layers, options.resident)
    isGatedBoth = c.architecture.gating == .gatedBoth
    if let resident = options.resident {
      guard resident.count == layers.count, resident.allSatisfy({ $0.isValid(of: c.feedForwardSize) }) else {
        throw SparsityError.residentNeurons(layers: resident.count, expected: layers.count, neurons: c.feedForwardSize)
      }
    }
    var (wish, reason): ((PredictorFormat, [[Float]]?)?, String?)
    switch options.mode {
    case .auto:
      let found = Self.lossless(layers, c)
      (sources, reason) = (found.sources, found.reason)
    case .dense:
      sources = layers.map { _ in [.dense] }
    case .gate:
      guard c.activation == .relu else { throw SparsityError.gateIsNeverSilent(activation: c.activation.rawValue) }
      sources = layers.map { _ in [.gate] }
    case .predictor:
      let threshold = options.predictorThreshold ?? c.sparseThreshold
      guard !threshold.isNaN else { throw SparsityError.thresholdNotANumber }
      if let layer = layers.firstIndex(where: { $0.predictor == nil }) { throw SparsityError.noPredictor(layer: layer) }
      let profile = try options.profile ?? ActivationProfile.find(for: model)
      try profile?.check(FeedForwardShape(c))
      // Of a part of a layer all neurons are asked about.
      wish = (options.predictorFormat, options.resident == nil ? profile?.frequencies : nil)
      sources = layers.map { _ in [.predictor(threshold: threshold)] }
    case .bits:
      let margins = try Self.margins(options, model)
      var thresholds: GateThresholds?
      if c.activation != .relu {
        thresholds = try options.gateThresholds ?? GateThresholds.find(for: model)
        guard let thresholds else { throw SparsityError.bitsNeedThresholds(activation: c.activation.rawValue) }
        try thresholds.check(FeedForwardShape(c))
      }
      sources = layers.enumerated().map { index, layer in
        let threshold = thresholds?.thresholds[index]
        guard (layer.gate ?? layer.up).format.hasLeadingBits else { return [threshold.map { .threshold($0) } ?? .gate] }
        return [.bits(margin: margins[index], threshold: threshold)]
      }
      reason = Self.withoutLeadingBits(layers)
    case .threshold:
      guard let found = try options.gateThresholds ?? GateThresholds.find(for: model) else {
        throw SparsityError.noGateThresholds
      }
      try found.check(FeedForwardShape(c))
      sources = layers.indices.map { [.threshold(found.thresholds[$0])] }
    }
    (self.wish, self.reason) = (wish, reason)
  }

  /// What may be chosen without a loss and without memory for copies.
  private static func lossless(
    _ layers: [LayerWeights], _ c: ModelConfiguration
  ) -> (sources: [[ActivationSource]], reason: String) {
    func dense(_ reason: String) -> ([[ActivationSource]], String) { (layers.map { _ in [.dense] }, reason) }
    guard c.activation == .relu else { return dense("\(c.activation.name) is never exactly zero") }
    guard c.architecture.gating != .ungated else {
      return dense("there is no gate that would tell which of them are silent")
    }
    guard layers.contains(where: { $0.downByNeuron != nil }) else {
      return dense("the down projection has no row per neuron (ffn_down_t)")
    }
    return (layers.map { $0.downByNeuron == nil ? [.dense] : [.dense, .gate] }, "measured while decoding")
  }

  /// How far the leading bits of each layer may be wrong.
  private static func margins(_ options: SparsityOptions, _ model: LanguageModel) throws -> [Float] {
    let layers = model.configuration.layerCount
    if let margin = options.bitsMargin {
      guard margin >= 0, margin.isFinite else { throw SparsityError.bitsMargin(margin) }
      return Array(repeating: margin, count: layers)
    }
    guard let found = try options.bitsMargins ?? LeadingBitMargins.find(for: model) else {
      return Array(repeating: SparsityOptions.defaultBitsMargin, count: layers)
    }
    try found.check(FeedForwardShape(model.configuration))
    return found.margins
  }

  /// Which layers ask whole gates, for these have no leading bits; `nil` where all have some.
  private static func withoutLeadingBits(_ layers: [LayerWeights]) -> String? {
    let others = layers.filter { !($0.gate ?? $0.up).format.hasLeadingBits }
    guard let first = others.first else { return nil }
    let name = "\((first.gate ?? first.up).format)".uppercased()
    return "\(others.count) of \(layers.count) layers ask whole gates: \(name) has no leading bits"
  }

  /// The same for an executor that has no use for leading bits: it asks whole gates, which loses nothing, or for their thresholds.
  public var askingWholeGates: SparsityRecipe {
    var recipe = self
    recipe.sources = sources.map { layer in
      layer.map { source in
        guard case .bits(_, let threshold) = source else { return source }
        return threshold.map { .threshold($0) } ?? .gate
      }
    }
    return recipe
  }

  // MARK: Layers

  /// Makes what a layer needs.
  ///
  /// - Parameters:
  ///   - index: of the layer.
  ///   - team: what converts matrices.
  ///   - predicts: whether the layer's predictor is wanted, if neurons are predicted at all.
  /// - Throws: ``SparsityError/notEnoughMemory(bytes:what:)``.
  public func layer(_ index: Int, team: ThreadTeam, predicts: Bool = true) throws(SparsityError) -> LayerPlan {
    let layer = weights[index]
    let turned = isElsewhere(index) ? nil : turns(index).map { NeuronRows(turning: $0, team: team) }
    let predictor = (predicts ? wish : nil).flatMap { wish in
      layer.predictor.map {
        NeuronPredictor($0, hot: hot(index), format: wish.format, team: team)
      }
    }
    return LayerPlan(
      sources: sources[index], predictor: predictor, neurons: turned?.matrix ?? layer.downByNeuron,
      resident: resident?[index] ?? .all, leading: try leading(index, team), turned: turned)
  }

  /// What ``layer(_:team:)`` gives beside the file's own matrices of the feed-forward.
  public func extras(_ index: Int) -> [Extra] {
    var matrices: [Extra] = []
    if let wish, let predictor = weights[index].predictor {
      let asked = predictor.fc2.rows - hot(index).count
      for (name, matrix, rows) in [("fc1", predictor.fc1, predictor.rank), ("fc2", predictor.fc2, asked)] {
        matrices.append(
          Extra(
            name: name, format: NeuronPredictor.format(of: matrix, wish.format), rows: rows, columns: matrix.columns))
      }
    }
    if let down = turns(index) {
      matrices.append(
        Extra(name: "ffn_down", format: NeuronRows.format(of: down), rows: down.columns, columns: down.rows))
    }
    return matrices
  }

  /// What leading bits are asked of: the gate or, without gates, the up projection; both where both can silence a neuron.
  private func asked(_ index: Int) -> (gate: Matrix, up: Matrix?)? {
    guard case .bits = sources[index].first else { return nil }
    let layer = weights[index]
    let up = isGatedBoth && layer.up.format.hasLeadingBits ? layer.up : nil
    return (layer.gate ?? layer.up, up)
  }

  private func leading(_ index: Int, _ team: ThreadTeam) throws(SparsityError) -> LeadingWeights? {
    guard let asked = asked(index), !isElsewhere(index) else { return nil }
    let neurons = resident?[index].list(of: asked.gate.rows)
    func split(_ matrix: Matrix) throws(SparsityError) -> SplitRows {
      if let rows = SplitRows(splitting: matrix, rows: neurons, team: team) { return rows }
      throw .notEnoughMemory(
        bytes: SplitRows.byteCount(of: matrix, rows: neurons?.count), what: "leading bits of gates")
    }
    var up: SplitRows?
    if let matrix = asked.up { up = try split(matrix) }
    return LeadingWeights(gate: try split(asked.gate), up: up, neurons: neurons)
  }

  /// Whether all neurons of a layer are computed by another executor.
  private func isElsewhere(_ index: Int) -> Bool {
    resident.map { $0[index].count(of: weights[index].up.rows) == 0 } ?? false
  }

  /// The down projection that has to be turned, so that neurons can be left out.
  private func turns(_ index: Int) -> Matrix? {
    guard sources[index] != [.dense], case .rows(let down) = weights[index].down else { return nil }
    return down
  }

  /// Neurons that are computed without asking, ascending.
  private func hot(_ index: Int) -> [UInt32] {
    let layer = weights[index]
    guard let wish, let predictor = layer.predictor, let frequencies = wish.frequencies?[index] else { return [] }
    let asking = NeuronPredictor.format(of: predictor.fc2, wish.format).rowBytes(columns: predictor.rank)
    // A neuron asked for in vain costs its gate; what comes after is not read.
    let computing = (layer.gate ?? layer.up).rowBytes
    let order = NeuronOrder(
      frequencies: frequencies, askingCost: Double(asking), computingCost: Double(computing))
    return order.neurons.prefix(order.hotCount).sorted()
  }

  /// Whether the machine has the memory for all layers at once.
  func checkMemory() throws(SparsityError) {
    let here = weights.indices.filter { !isElsewhere($0) }
    let copied = here.reduce(0) { $0 + (turns($1).map(NeuronRows.byteCount) ?? 0) }
    guard Memory.canAllocate(copied) else {
      throw .notEnoughMemory(bytes: copied, what: "down projections by neuron")
    }
    let split = here.reduce(0) { sum, index in
      guard let asked = asked(index) else { return sum }
      let rows = resident?[index].count(of: asked.gate.rows)
      return sum + SplitRows.byteCount(of: asked.gate, rows: rows)
        + (asked.up.map { SplitRows.byteCount(of: $0, rows: rows) } ?? 0)
    }
    guard Memory.canAllocate(split) else { throw .notEnoughMemory(bytes: split, what: "leading bits of gates") }
    guard let wish, wish.format != .file else { return }
    let predicted = weights.reduce(0) { $0 + ($1.predictor.map(NeuronPredictor.byteBound) ?? 0) }
    guard Memory.canAllocate(predicted) else { throw .notEnoughMemory(bytes: predicted, what: "predictors") }
  }
}

extension LayerWeights {
  /// The down projection where it has a row per neuron.
  fileprivate var downByNeuron: Matrix? {
    if case .neurons(let down) = down { down } else { nil }
  }
}
