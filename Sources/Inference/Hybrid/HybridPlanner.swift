import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// Divides a model between a GPU's memory and the processor: what every token needs first, then neurons, the hottest first.
struct HybridPlanner {
  let model: LanguageModel
  let options: EngineOptions
  let speeds: MachineSpeeds
  /// Neurons that a file names; `nil` places them by frequency.
  let index: GPUIndex?
  /// Of the device's part.
  private let recipe: SparsityRecipe
  private let processorSources: [[ActivationSource]]
  private let frequencies: [[Float]]?

  /// What of the layers is not divided.
  struct Shape: Equatable {
    /// The first layers, which the processor computes as a whole.
    var processorLayers: Int
    var hasOutput: Bool
  }

  /// - Parameter index: neurons of the model that a file names.
  /// - Throws: as `SparsityRecipe`; `NeuronRecordError` for a profile of another model.
  init(model: LanguageModel, options: EngineOptions, speeds: MachineSpeeds, index: GPUIndex? = nil) throws {
    var sparsity = options.sparsity
    sparsity.resident = Array(repeating: .all, count: model.configuration.layerCount)
    let recipe = try SparsityRecipe(model: model, options: sparsity)
    processorSources = recipe.sources
    self.recipe = recipe.askingWholeGates
    (self.model, self.options, self.speeds, self.index) = (model, options, speeds, index)
    let counted = CountedProfile(for: model, in: options.gpuOptions.cacheFolder)
    let profile = try options.sparsity.profile ?? ActivationProfile.find(for: model) ?? counted?.kept
    try profile?.check(FeedForwardShape(model.configuration))
    frequencies = profile?.frequencies
  }

  /// Whether counting which neurons fire would change what goes where: neither a profile nor a file says it, some are silent now and
  /// then, may be told apart, and do not all fit.
  ///
  /// - Throws: as an engine.
  func wantsFrequencies(budget: Int) throws -> Bool {
    let c = model.configuration
    guard frequencies == nil, index == nil, options.hybrid.layers == nil, options.hybrid.neurons != .none,
      c.activation == .relu, mode != .dense, let shape = try shape(budget: budget),
      model.weights.layers.contains(where: { HybridPlacement.step($0, mode) == nil })
    else { return false }
    let fixed = try (shape.processorLayers..<c.layerCount).reduce(
      workspaceBytes() + (shape.hasOutput ? outputBytes : 0)
    ) {
      try $0 + fixedBytes(layer: $1)
    }
    let neurons = (shape.processorLayers..<c.layerCount).reduce(0) { sum, layer in
      let (first, rest) = neuronBytes(layer: layer)
      return sum + c.feedForwardSize * (first + rest)
    }
    return shape.processorLayers > 0 || fixed + neurons > budget
  }

  private var mode: SparsityMode { options.sparsity.mode }

  // MARK: What every token needs

  /// The shape whose fixed parts fit so many bytes: as few layers of the processor's own as possible; `nil` where not even one layer
  /// fits.
  func shape(budget: Int) throws -> Shape? {
    let layers = model.configuration.layerCount
    let space = try workspaceBytes()
    for hasOutput in [true, false] {
      var left = budget - space - (hasOutput ? deviceBytes(model.weights.output) : 0)
      var count = 0
      for index in (0..<layers).reversed() {
        left -= try fixedBytes(layer: index)
        if left < 0 { break }
        count += 1
      }
      if count > 0 { return Shape(processorLayers: layers - count, hasOutput: hasOutput) }
    }
    return nil
  }

  /// The shape that takes least of the device's memory.
  var leastShape: Shape { Shape(processorLayers: model.configuration.layerCount - 1, hasOutput: false) }

  /// The shape with so many whole layers on the device, as `HybridOptions.layers` counts them.
  func shape(layers count: Int) -> Shape? {
    let layers = model.configuration.layerCount
    return count > 0 ? Shape(processorLayers: max(0, layers - count), hasOutput: count > layers) : nil
  }

  /// Bytes of a layer's attention, norms, cache and predictor.
  func fixedBytes(layer index: Int) throws -> Int {
    let (c, layer) = (model.configuration, model.weights.layers[index])
    let cache = try GPUPageStore.cacheLayout(c, keys: options.keyFormat, values: options.valueFormat)
    let page = cache.keyPageBytes + cache.valuePageBytes + cache.keyScalePageBytes + cache.valueScalePageBytes
    let positions = CacheLayout.pagePositions
    let pages = (try options.contextSize(for: model) + positions - 1) / positions
    let norms = 4 * GPUWorkspace.stride(c.hiddenSize) * 4
    let predictor = recipe.extras(index).reduce(0) {
      $0 + ($1.name.hasPrefix("fc") ? bytes($1.format, rows: $1.rows, columns: $1.columns) : 0)
    }
    return deviceBytes(layer.query) + deviceBytes(layer.key) + deviceBytes(layer.value)
      + deviceBytes(layer.attentionOutput) + norms + pages * page + predictor
  }

  /// Bytes of a pass's buffers, about.
  func workspaceBytes() throws -> Int {
    let c = model.configuration
    let context = try options.contextSize(for: model)
    let rows = min(options.batchSize, context)
    let (d, f) = (c.hiddenSize, c.feedForwardSize)
    let predicts =
      mode == .predictor ? f + d * 3 / 2 + (model.weights.layers.compactMap { $0.predictor?.rank }.max() ?? 0) * 2 : 0
    let row = 8 * d + 3 * c.querySize + 2 * c.keyValueSize + 4 * f + predicts
    let few = NeuronRuns(neurons: f).pieces * min(rows, ProductTiling.most) * d
    let states = min(rows, 128) * GPUPassTables.mostStretches * c.headCount * (c.headSize + 2)
    let logits = max(1, min(rows, (32 << 20) / (c.vocabularySize * 4))) * c.vocabularySize * 2
    let pages = rows * ((context + 63) / 64)
    return (rows * row + few + states + logits + pages) * 4 * 21 / 20 + (1 << 17)
  }

  var outputBytes: Int { deviceBytes(model.weights.output) }

  private func bytes(_ format: WeightFormat, rows: Int, columns: Int) -> Int {
    guard let format = format.gpuFormat, rows > 0 else { return 0 }
    let layout = WeightLayout(format: format, rows: rows, columns: columns)
    return layout.codesByteCount + layout.restByteCount
  }

  private func deviceBytes(_ matrix: Matrix) -> Int {
    bytes(matrix.format, rows: matrix.rows, columns: matrix.columns)
  }

  // MARK: Neurons

  /// Bytes that a neuron of a layer takes on the device: its row of each matrix, its bias. The first row, be it of the gate or of the only
  /// projection, is what tells whether it fires.
  func neuronBytes(layer index: Int) -> (first: Int, rest: Int) {
    let (c, layer) = (model.configuration, model.weights.layers[index])
    func row(_ matrix: Matrix) -> Int {
      // A row's share of what many take.
      (bytes(matrix.format, rows: 64, columns: matrix.columns) + 63) / 64
    }
    let down: Int
    switch layer.down {
    case .neurons(let rows): down = row(rows)
    case .rows(let rows):
      let turned = recipe.extras(index).first { $0.name == "ffn_down" }
      down =
        turned.map { (bytes($0.format, rows: 64, columns: $0.columns) + 63) / 64 }
        ?? (deviceBytes(rows) + c.feedForwardSize - 1) / c.feedForwardSize
    }
    let places = recipe.sources[index].contains { $0.mode == .predictor } ? 4 : 0
    let up = row(layer.up) + (layer.upBias == nil ? 0 : 4)
    guard let gate = layer.gate else { return (up, down + places) }
    return (row(gate), up + down + places)
  }

  /// The load of a layer's neurons, as the layer's source reads them.
  private func load(layer index: Int) -> NeuronLoad {
    let (first, rest) = neuronBytes(layer: index)
    let total = first + rest
    let count = model.configuration.feedForwardSize
    let all = [Float](repeating: 1, count: count)
    let isPrefix = HybridPlacement.step(model.weights.layers[index], mode) != nil
    guard let frequencies = frequencies?[index], !isPrefix, mode != .dense else {
      return NeuronLoad(bytesPerNeuron: total, frequencies: all)
    }
    // Where the first row tells, every one is read.
    let asked: Float
    switch mode {
    case .gate, .threshold, .bits: asked = Float(first) / Float(total)
    case .auto: asked = recipe.sources[index].contains(.gate) ? Float(first) / Float(total) : 1
    case .predictor: asked = 0
    case .dense: asked = 1
    }
    func read(_ asked: Float) -> [Float] { frequencies.map { asked + (1 - asked) * $0 } }
    // The processor reads the leading bits of every gate, the other bits only of those that may fire.
    let leading = processorSources[index].first?.mode == .bits ? leadingShare(index) * asked : nil
    return NeuronLoad(bytesPerNeuron: total, frequencies: read(asked), processorFrequencies: leading.map(read))
  }

  /// The leading bits' share of the rows that tell whether a neuron fires.
  private func leadingShare(_ index: Int) -> Float {
    let asked = model.weights.layers[index].gate ?? model.weights.layers[index].up
    return Float(asked.format.leadingBytes(columns: asked.columns)) / Float(asked.rowBytes)
  }

  /// Neurons that are placed at a time: few for tiny layers.
  var step: Int { model.configuration.feedForwardSize >= 4096 ? Placement.defaultStep : 32 }

  /// The neurons of every layer that the device computes, ascending: [layers][k].
  ///
  /// - Parameters:
  ///   - room: bytes that are left for them.
  ///   - shape: of the model.
  /// - Throws: ``HybridError/indexTooLarge(bytes:room:)`` where a file names more than there is room for.
  func hot(room: Int, _ shape: Shape) throws -> [[UInt32]] {
    let c = model.configuration
    let none = [[UInt32]](repeating: [], count: c.layerCount)
    let own = shape.processorLayers..<c.layerCount
    let all = (0..<UInt32(c.feedForwardSize)).map { $0 }
    if options.hybrid.layers != nil {
      return none.indices.map { own.contains($0) ? all : [] }
    }
    if options.hybrid.neurons == .none { return none }
    if let index {
      let lists = none.indices.map { own.contains($0) ? fitting(index.buckets[$0], layer: $0) : [] }
      let needed = own.reduce(0) { sum, layer in
        let (first, rest) = neuronBytes(layer: layer)
        return sum + lists[layer].count * (first + rest)
      }
      guard needed <= room else { throw HybridError.indexTooLarge(bytes: needed, room: max(0, room)) }
      return lists
    }
    let loads = own.map(load)
    let cost = CostModel(
      gpu: try DeviceSpeed(bytesPerSecond: speeds.gpu), cpu: try DeviceSpeed(bytesPerSecond: speeds.processor))
    let placed = try Placement(loads, budget: max(0, room), cost: cost, step: step)
    var lists = none
    var left = max(0, room) - placed.byteCount
    for (layer, load, place) in zip3(own, loads, placed.layers) {
      lists[layer] = place.neurons
      // A layer that is wholly on the device hands nothing over.
      let rest = (c.feedForwardSize - place.neurons.count) * load.bytesPerNeuron
      let active = load.bytes()
      if rest > 0, rest <= left, active / speeds.gpu <= place.seconds + speeds.turn {
        lists[layer] = all
        left -= rest
      }
    }
    return lists.enumerated().map { layer, list in
      guard let step = HybridPlacement.step(model.weights.layers[layer], mode), list.count < all.count else {
        return list
      }
      return Array(all.prefix(list.count / step * step))
    }
  }

  /// A file's neurons, as the layer's down projection can be divided.
  private func fitting(_ bucket: [UInt32], layer: Int) -> [UInt32] {
    guard let step = HybridPlacement.step(model.weights.layers[layer], mode),
      bucket.count < model.configuration.feedForwardSize
    else { return bucket }
    return (0..<UInt32(bucket.count / step * step)).map { $0 }
  }

  // MARK: Time

  /// Seconds of a decoded token at the beginning of a context, by the bytes that both memories give: the model of `docs/hybrid.md`.
  func seconds(_ shape: Shape, _ hot: [[UInt32]]) -> Double {
    let weights = model.weights
    var (device, processor, total) = (0.0, 0.0, 0.0)
    for index in weights.layers.indices {
      let layer = weights.layers[index]
      let attention = Double(
        deviceBytes(layer.query) + deviceBytes(layer.key) + deviceBytes(layer.value)
          + deviceBytes(layer.attentionOutput))
      let predictor = Double(
        recipe.extras(index).reduce(0) {
          $0 + ($1.name.hasPrefix("fc") ? bytes($1.format, rows: $1.rows, columns: $1.columns) : 0)
        })
      let load = load(layer: index)
      if index < shape.processorLayers {
        processor += attention + predictor + load.processorBytes()
        continue
      }
      device += attention + predictor
      let here = load.bytes(of: hot[index])
      if hot[index].count == load.frequencies.count {
        device += here
      } else {
        let there = load.processorBytes() - load.processorBytes(of: hot[index])
        total += max(here / speeds.gpu, there / speeds.processor) + speeds.turn
      }
    }
    let output = Double(deviceBytes(weights.output))
    if shape.hasOutput { device += output } else { processor += output }
    return total + device / speeds.gpu + processor / speeds.processor
  }

  /// The same with everything on the processor.
  var processorSeconds: Double {
    let layers = model.configuration.layerCount
    return seconds(
      Shape(processorLayers: layers, hasOutput: false), [[UInt32]](repeating: [], count: layers))
  }
}
