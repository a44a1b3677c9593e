public import PowerInferModel
public import PowerInferSparsity

/// How an engine would divide a model between a GPU and the processor, and how fast that would be: the model of time in
/// `docs/hybrid.md`. Nothing is opened or uploaded.
public struct HybridForecast: Sendable, Equatable {
  /// `nil` where not even one layer fits.
  public let placement: HybridPlacement?
  /// Bytes of the GPU's memory that are taken, about: buffers of a pass, cache, what every token reads, hot neurons.
  public let deviceBytes: Int
  /// Seconds of a decoded token at the beginning of a context.
  public let secondsPerToken: Double
  /// The same with everything on the processor.
  public let processorSecondsPerToken: Double
  /// Bytes over the bus per decoded token, both ways.
  public let busBytesPerToken: Int

  /// - Parameters:
  ///   - model: an open model.
  ///   - options: context, batch, cache formats, how neurons are chosen and divided; the budget in them is not asked.
  ///   - budget: bytes of the GPU's memory.
  ///   - speeds: of both.
  ///   - index: neurons that a file names.
  /// - Throws: as an engine.
  public init(
    model: LanguageModel, options: EngineOptions, budget: Int, speeds: MachineSpeeds, index: GPUIndex? = nil
  ) throws {
    try GPUExecutor.check(model, sparsity: options.sparsity)
    let planner = try HybridPlanner(model: model, options: options, speeds: speeds, index: index)
    processorSecondsPerToken = planner.processorSeconds
    let wanted =
      if let layers = options.hybrid.layers { planner.shape(layers: layers) } else { try planner.shape(budget: budget) }
    guard budget > 0, let shape = wanted else {
      (placement, deviceBytes, busBytesPerToken) = (nil, 0, 0)
      secondsPerToken = processorSecondsPerToken
      return
    }
    let c = model.configuration
    let fixed = try (shape.processorLayers..<c.layerCount).reduce(
      planner.workspaceBytes() + (shape.hasOutput ? planner.outputBytes : 0)
    ) { try $0 + planner.fixedBytes(layer: $1) }
    let hot = try planner.hot(room: budget - fixed, shape)
    let neurons = hot.enumerated().reduce(0) { sum, entry in
      let (first, rest) = planner.neuronBytes(layer: entry.offset)
      return sum + entry.element.count * (first + rest)
    }
    let placed = HybridPlacement(
      processorLayers: shape.processorLayers, hasOutput: shape.hasOutput, hot: hot, neurons: c.feedForwardSize)
    let bytes = placed.bytesPerToken(hiddenSize: c.hiddenSize, isPredicted: options.sparsity.mode == .predictor)
    (placement, deviceBytes, busBytesPerToken) = (placed, fixed + neurons, bytes.toProcessor + bytes.toDevice)
    secondsPerToken = planner.seconds(shape, hot)
  }
}
