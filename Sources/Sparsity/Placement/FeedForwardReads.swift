import PowerInferKernels
public import PowerInferModel

/// What a decoded token reads of all feed-forward layers on the processor, by how its neurons are chosen: by bytes, sources can be
/// compared before anything runs.
public struct FeedForwardReads: Sendable, Equatable {
  public let mode: SparsityMode
  /// Bytes on average, those of predictors included. Gates that leading bits let pass and that are silent after all are not in them, nor
  /// what a predictor takes for firing in vain.
  public let bytesPerToken: Double
  /// Bytes of predictors, as they are kept: what they take of memory, and what every token reads of them.
  public let predictorBytes: Int

  /// The sources that a model has without being calibrated: all neurons first.
  ///
  /// - Parameters:
  ///   - model: an open model.
  ///   - profile: how often its neurons fire.
  /// - Throws: ``NeuronRecordError/shape(expected:found:)`` for a profile of another shape.
  public static func all(of model: LanguageModel, profile: ActivationProfile) throws -> [FeedForwardReads] {
    let loads = try NeuronLoad.loads(of: model, profile: profile)
    var modes: [SparsityMode] = [.dense]
    if model.configuration.activation == .relu { modes += [.gate, .bits] }
    if model.weights.layers.allSatisfy({ $0.predictor != nil }) { modes.append(.predictor) }
    return try modes.map { mode in
      var options = SparsityOptions(mode: mode)
      options.profile = profile
      // Which margin it is does not matter here.
      options.bitsMargin = SparsityOptions.defaultBitsMargin
      return FeedForwardReads(mode, model, loads, try SparsityRecipe(model: model, options: options))
    }
  }

  private init(_ mode: SparsityMode, _ model: LanguageModel, _ loads: [NeuronLoad], _ recipe: SparsityRecipe) {
    var (read, predictors) = (0.0, 0)
    for (index, layer) in model.weights.layers.enumerated() {
      let (load, extras) = (loads[index], recipe.extras(index))
      let count = Double(load.frequencies.count)
      let firing = load.frequencies.reduce(0.0) { $0 + ($1 > 0 ? Double($1) : 0) }
      var neuron = Double(load.bytesPerNeuron)
      if let turned = extras.first(where: { $0.name == "ffn_down" }), case .rows(let down) = layer.down {
        neuron += Double(turned.format.rowBytes(columns: turned.columns)) - Double(down.rows * down.rowBytes) / count
      }
      let own = extras.filter { $0.name.hasPrefix("fc") }
        .reduce(0) { $0 + $1.rows * $1.format.rowBytes(columns: $1.columns) }
      predictors += own
      // Of every neuron; the rest of those that fire.
      let asked: Double =
        switch recipe.sources[index].first {
        case .gate: Double((layer.gate ?? layer.up).rowBytes)
        case .bits: Double(Self.leadingBytes(layer, model.configuration))
        case .predictor: 0
        case .dense, .threshold, nil: neuron
        }
      read += Double(own) + count * asked + firing * (neuron - asked)
    }
    (self.mode, bytesPerToken, predictorBytes) = (mode, read, predictors)
  }

  private static func leadingBytes(_ layer: LayerWeights, _ c: ModelConfiguration) -> Int {
    func bytes(_ matrix: Matrix) -> Int { matrix.format.leadingBytes(columns: matrix.columns) }
    return bytes(layer.gate ?? layer.up) + (c.architecture.gating == .gatedBoth ? bytes(layer.up) : 0)
  }
}
