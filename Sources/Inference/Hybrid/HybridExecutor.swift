import PowerInferGPU
public import PowerInferModel
import PowerInferKernels
import PowerInferPlatform
import PowerInferSparsity

/// The forward pass on a graphics card and the processor together: a layer's hot neurons on the card, at the same time its cold ones on the
/// processor, whose sum the card adds to its own. What does not fit the card at all stays with the processor: the first layers, and at
/// last the output matrix.
///
/// A pass is one submission to the card, cut into batches where the two hand over (`docs/hybrid.md`).
public final class HybridExecutor: ModelExecutor {
  let gpu: GPUExecutor
  let share: ProcessorShare
  /// What is where.
  public let placement: HybridPlacement

  public var model: LanguageModel { gpu.model }
  public var maxRows: Int { gpu.maxRows }
  public let pageLayout: PageLayout
  /// Of a decoded token, as the model was divided for.
  var expectedSeconds: Double?

  /// - Parameters:
  ///   - model: of formats and sizes that there are kernels for.
  ///   - device: opened for nobody else; its budget is kept.
  ///   - team: the processor's threads.
  ///   - options: as for ``GPUExecutor``.
  ///   - layers: what the processor computes as a whole: the first layers, fewer than all.
  ///   - hasOutput: whether the device has the output matrix.
  ///   - place: says which neurons of every layer the device computes, once everything else is there.
  /// - Throws: as ``GPUExecutor``; ``HybridError`` for a placement that cannot be; what `place` throws.
  init(
    model: LanguageModel, device: any GPUDevice, team: ThreadTeam, options: EngineOptions,
    limits: GPUExecutor.Limits = .init(), processorLayers layers: Int, hasOutput: Bool,
    place: @escaping (GPUMemoryUsage) throws -> [[UInt32]]
  ) throws {
    let c = model.configuration
    guard (0..<c.layerCount).contains(layers) else {
      throw HybridError.processorLayers(layers, of: c.layerCount)
    }
    guard options.sparsity.resident == nil else { throw GPUModelError.partOfLayers }
    var hot: [[UInt32]] = []
    var own = Self.sharing(options, layers: c.layerCount)
    gpu = try GPUExecutor(
      model: model, device: device, options: own, limits: limits,
      split: GPUSplit(firstLayer: layers, hasOutput: hasOutput) { usage in
        hot = try place(usage)
        try HybridPlacement.check(hot, model, options.sparsity.mode, processorLayers: layers)
        return hot
      })
    placement = HybridPlacement(
      processorLayers: layers, hasOutput: hasOutput, hot: hot, neurons: c.feedForwardSize)
    own.sparsity.resident = placement.cold(options.sparsity.mode)
    let processor = try CPUExecutor(
      model: model, team: team, contextSize: try options.contextSize(for: model), options: own,
      cachedLayers: layers, asksPredictors: false)
    share = ProcessorShare(processor, layerCount: layers)
    gpu.share = share
    let (here, there) = (processor.pageLayout, gpu.pageLayout)
    pageLayout = PageLayout(positions: there.positions, layerBytes: here.layerBytes + there.layerBytes)
  }

  /// The options of the device's part: it asks about all neurons of a layer, for both.
  static func sharing(_ options: EngineOptions, layers: Int) -> EngineOptions {
    var own = options
    own.sparsity.resident = Array(repeating: .all, count: layers)
    return own
  }

  // MARK: Pages

  public func allocatePage(_ page: PageID) throws {
    if share.layerCount > 0 { try share.executor.allocatePage(page) }
    do {
      try gpu.allocatePage(page)
    } catch {
      if share.layerCount > 0 { share.executor.freePage(page) }
      throw error
    }
  }

  public func copyPage(_ source: PageID, to target: PageID, positions: Int) throws {
    if share.layerCount > 0 { share.executor.copyPage(source, to: target, positions: positions) }
    try gpu.copyPage(source, to: target, positions: positions)
  }

  public func freePage(_ page: PageID) {
    if share.layerCount > 0 { share.executor.freePage(page) }
    gpu.freePage(page)
  }

  // MARK: Passes

  public func forward(_ pass: Pass) throws { try gpu.forward(pass) }

  public func withLogits(
    of wanted: Range<Int>, _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    try gpu.withLogits(of: wanted, body)
  }

  public func candidates(of wanted: Range<Int>, count: Int) throws -> [[TokenCandidate]] {
    try gpu.candidates(of: wanted, count: count)
  }

  // MARK: What was measured

  public var statistics: ExecutorStatistics {
    var statistics = gpu.statistics
    let device = statistics.layers
    let processor = share.executor.statistics
    if statistics.mode == .bits, let reason = processor.reason {
      statistics.reason = [statistics.reason, reason].compactMap { $0 }.joined(separator: "; ")
    }
    // Of layers that both compute, what both did.
    statistics.layers =
      processor.layers.prefix(placement.processorLayers)
      + zip3(
        statistics.layers, processor.layers.dropFirst(placement.processorLayers),
        placement.hot.dropFirst(placement.processorLayers)
      ).map { device, processor, hot in
        var layer = device
        // The device asks whole gates of its neurons.
        if processor.source.mode == .bits, hot.count < placement.neurons { layer.source = processor.source }
        layer.computed += processor.computed
        layer.fired += processor.fired
        layer.tokens = max(device.tokens, processor.tokens)
        layer.readBytes = device.readBytes + processor.readBytes
        return layer
      }
    let (shared, usage) = (gpu.shared, gpu.device.usage)
    statistics.hybrid = HybridStatistics(
      placement: placement, layers: shared.layers, passes: shared.passes, tokens: shared.tokens,
      bytesToProcessor: shared.bytesToProcessor, bytesToDevice: shared.bytesToDevice,
      deviceBytes: usage.deviceBytes, deviceBudget: usage.deviceBudget,
      hitShare: hitShare(device: device, processor: processor.layers), expectedSeconds: expectedSeconds,
      timeline: shared.timeline)
    return statistics
  }

  /// Share of the neurons that fired in shared layers that were the device's; `nil` unless both sides counted theirs.
  private func hitShare(
    device: [ExecutorStatistics.Layer], processor: [ExecutorStatistics.Layer]
  ) -> Double? {
    var (own, all) = (0, 0)
    for (index, layer) in device.enumerated() {
      let other = processor[placement.processorLayers + index]
      let hot = placement.hot[placement.processorLayers + index].count
      guard hot < placement.neurons else { continue }
      guard other.tokens > 0, layer.tokens > 0 || hot == 0 else { return nil }
      own += layer.fired
      all += layer.fired + other.fired
    }
    return all > 0 ? Double(own) / Double(all) : nil
  }

  public func resetStatistics() {
    gpu.resetStatistics()
    share.executor.resetStatistics()
  }

  public var memory: ExecutorMemory {
    let (device, processor) = (gpu.memory, share.executor.memory)
    return ExecutorMemory(
      workspace: device.workspace + processor.workspace, copies: device.copies + processor.copies)
  }
}
