import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// A model's weights in a device's memory.
struct GPUWeights {
  struct Norm {
    let kind: NormConstants.Kind
    let gain: any GPUBuffer  // [stride of d], zeros behind the weights
    let bias: any GPUBuffer
  }

  /// A matrix with its bias.
  struct Projection {
    let matrix: GPUMatrix
    let bias: (any GPUBuffer)?  // [rows]
  }

  struct Layer {
    let attentionNorm: Norm
    /// Queries, keys and values, one below the other: one matrix where they are in one format.
    let attention: [(projection: GPUMatrix, firstRow: Int)]
    let attentionBias: (any GPUBuffer)?  // [all their rows]
    let attentionOutput: Projection
    let feedForwardNorm: Norm?
    /// What rows that may leave out neurons choose them by.
    let source: ActivationSource
    let predictor: GPUPredictor?
    /// The neurons that the device computes; `nil` for none.
    let neurons: Neurons?
    /// Neurons that the processor computes.
    let coldCount: Int
  }

  /// The neurons of a layer that the device computes, gathered into matrices of their own: all of the layer's, or the hot ones.
  struct Neurons {
    let count: Int
    let gate: GPUMatrix?
    let up: Projection
    let down: Projection
    let isDownByNeuron: Bool
    let source: ActivationSource
    let predictor: GPUPredictor?
    /// The down projection by neuron, for rows that leave some out, where the file has it by output.
    let turned: Projection?
    /// Whether these are a part of the layer, of which the down projection is here by neuron alone or by output alone.
    let isPart: Bool

    /// The down projection with a row per neuron, if there is one.
    var downByNeuron: Projection? { turned ?? (isDownByNeuron ? down : nil) }
    /// Whether a row alone can go through a list of neurons.
    var isListable: Bool {
      up.matrix.parts.count == 1 && downByNeuron?.matrix.parts.count == 1 && (gate?.parts.count ?? 1) == 1
    }
    var runs: NeuronRuns { NeuronRuns(neurons: count) }
  }

  /// `nil` where the processor looks tokens up.
  let tokenEmbedding: GPUMatrix?
  let positionEmbedding: GPUMatrix?
  let outputNorm: Norm
  /// `nil` where the processor computes logits.
  let output: GPUMatrix?
  /// The device's layers: all, or the last ones.
  let layers: [Layer]

  /// Checks that there are kernels for everything, before anything is uploaded.
  ///
  /// - Throws: ``GPUModelError``.
  static func check(_ model: LanguageModel, _ recipe: SparsityRecipe) throws {
    let c = model.configuration
    guard c.headSize <= CacheLayout.mostHeadSize else {
      throw GPUModelError.headSize(c.headSize, most: CacheLayout.mostHeadSize)
    }
    let weights = model.weights
    var matrices: [(String, Matrix)] = [("token_embd", weights.tokenEmbedding), ("output", weights.output)]
    if let positions = weights.positionEmbedding { matrices.append(("position_embd", positions)) }
    for (index, layer) in weights.layers.enumerated() {
      func add(_ name: String, _ matrix: Matrix?) {
        if let matrix { matrices.append(("blk.\(index).\(name)", matrix)) }
      }
      add("attn_q", layer.query)
      add("attn_k", layer.key)
      add("attn_v", layer.value)
      add("attn_output", layer.attentionOutput)
      add("ffn_gate", layer.gate)
      add("ffn_up", layer.up)
      switch layer.down {
      case .rows(let down): add("ffn_down", down)
      case .neurons(let down): add("ffn_down_t", down)
      }
    }
    if let index = weights.layers.firstIndex(where: { $0.gateBias != nil }) {
      throw GPUModelError.noGateBias(tensor: "blk.\(index).ffn_gate.bias")
    }
    for (name, matrix) in matrices where matrix.format.gpuFormat == nil {
      throw GPUModelError.noKernels(format: matrix.format, tensor: name)
    }
    for index in weights.layers.indices {
      for extra in recipe.extras(index) where extra.format.gpuFormat == nil {
        throw GPUModelError.noKernels(format: extra.format, tensor: "blk.\(index).\(extra.name)")
      }
    }
  }

  /// Bytes that ``init(_:_:on:team:)`` takes, but for rounding.
  static func byteCount(_ model: LanguageModel, _ recipe: SparsityRecipe) -> Int {
    let weights = model.weights
    func bytes(_ format: WeightFormat, rows: Int, columns: Int) -> Int {
      guard let format = format.gpuFormat, rows > 0 else { return 0 }
      let layout = WeightLayout(format: format, rows: rows, columns: columns)
      return layout.codesByteCount + layout.restByteCount
    }
    func bytes(_ matrix: Matrix?) -> Int {
      matrix.map { bytes($0.format, rows: $0.rows, columns: $0.columns) } ?? 0
    }
    var total = bytes(weights.tokenEmbedding) + bytes(weights.positionEmbedding)
    if !weights.isOutputTied { total += bytes(weights.output) }
    for (index, layer) in weights.layers.enumerated() {
      total += recipe.extras(index).reduce(0) { $0 + bytes($1.format, rows: $1.rows, columns: $1.columns) }
      total += bytes(layer.query) + bytes(layer.key) + bytes(layer.value) + bytes(layer.attentionOutput)
      total += bytes(layer.gate) + bytes(layer.up)
      switch layer.down {
      case .rows(let down), .neurons(let down): total += bytes(down)
      }
    }
    return total
  }

  /// Uploads everything that the device computes. Checked by ``check(_:_:)`` before.
  ///
  /// - Parameters:
  ///   - recipe: how neurons are chosen. What it takes is made for one layer at a time, and kept on the device alone.
  ///   - sources: of each layer.
  ///   - split: what the processor computes, if anything.
  ///   - team: what converts predictors.
  /// - Throws: `GPUError` where the memory is not to be had, and what `split` throws.
  init(
    _ model: LanguageModel, _ recipe: SparsityRecipe, sources: [ActivationSource], split: GPUSplit?,
    on device: any GPUDevice, team: ThreadTeam
  ) throws {
    let (c, weights) = (model.configuration, model.weights)
    let hasOutput = split?.hasOutput ?? true
    if split == nil {
      tokenEmbedding = try GPUMatrix([weights.tokenEmbedding], name: "token_embd", on: device)
      positionEmbedding = try weights.positionEmbedding.map {
        try GPUMatrix([$0], name: "position_embd", on: device)
      }
    } else {
      (tokenEmbedding, positionEmbedding) = (nil, nil)
    }
    output =
      !hasOutput
      ? nil
      : weights.isOutputTied && tokenEmbedding != nil
        ? tokenEmbedding : try GPUMatrix([weights.output], name: "output", on: device)
    outputNorm = try Self.norm(weights.outputNorm, c, name: "output_norm", on: device)
    let first = split?.firstLayer ?? 0
    // What every token needs comes first: what is left is for neurons.
    let blocks = try (first..<c.layerCount).map { index in
      try Block(weights.layers[index], index: index, c, on: device)
    }
    let hot = try split?.place(device.usage)
    layers = try blocks.enumerated().map { offset, block in
      let index = first + offset
      return try Self.layer(
        weights.layers[index], block, try recipe.layer(index, team: team), source: sources[index], hot: hot?[index],
        index: index, c, on: device)
    }
  }

  /// What of a layer is computed for every token.
  private struct Block {
    let attentionNorm: Norm
    let attention: [(projection: GPUMatrix, firstRow: Int)]
    let attentionBias: (any GPUBuffer)?
    let attentionOutput: Projection
    let feedForwardNorm: Norm?

    init(_ layer: LayerWeights, index: Int, _ c: ModelConfiguration, on device: any GPUDevice) throws {
      let name = "blk.\(index)"
      let projections = [layer.query, layer.key, layer.value]
      var attention: [(projection: GPUMatrix, firstRow: Int)] = []
      if projections.allSatisfy({ $0.format == layer.query.format }) {
        attention = [(try GPUMatrix(projections, name: "\(name).attn_qkv", on: device), 0)]
      } else {
        var first = 0
        for (part, matrix) in zip(["attn_q", "attn_k", "attn_v"], projections) {
          attention.append((try GPUMatrix([matrix], name: "\(name).\(part)", on: device), first))
          first += matrix.rows
        }
      }
      self.attention = attention
      var attentionBias: (any GPUBuffer)?
      if layer.queryBias != nil || layer.keyBias != nil || layer.valueBias != nil {
        var values: [Float] = []
        for (vector, matrix) in zip([layer.queryBias, layer.keyBias, layer.valueBias], projections) {
          values += vector.map { floats($0) } ?? [Float](repeating: 0, count: matrix.rows)
        }
        attentionBias = try upload(values, name: "\(name).attn_qkv.bias", on: device)
      }
      self.attentionBias = attentionBias
      attentionNorm = try norm(layer.attentionNorm, c, name: "\(name).attn_norm", on: device)
      attentionOutput = Projection(
        matrix: try GPUMatrix([layer.attentionOutput], name: "\(name).attn_output", on: device),
        bias: try bias(layer.attentionOutputBias, name: "\(name).attn_output.bias", on: device))
      feedForwardNorm = try layer.feedForwardNorm.map { try norm($0, c, name: "\(name).ffn_norm", on: device) }
    }
  }

  /// - Parameter hot: the neurons that the device computes, ascending; `nil` for all.
  private static func layer(
    _ layer: LayerWeights, _ block: Block, _ plan: LayerPlan, source: ActivationSource, hot: [UInt32]?, index: Int,
    _ c: ModelConfiguration, on device: any GPUDevice
  ) throws -> Layer {
    let name = "blk.\(index)"
    let some = hot.flatMap { $0.count == c.feedForwardSize ? nil : $0 }
    let predictor = try plan.predictor.map {
      try GPUPredictor($0, neurons: c.feedForwardSize, hot: some, name: name, on: device)
    }
    return Layer(
      attentionNorm: block.attentionNorm, attention: block.attention, attentionBias: block.attentionBias,
      attentionOutput: block.attentionOutput, feedForwardNorm: block.feedForwardNorm, source: source,
      predictor: predictor,
      neurons: some?.isEmpty == true
        ? nil : try neurons(layer, plan, predictor, source: source, hot: some, name: name, c, on: device),
      coldCount: some.map { c.feedForwardSize - $0.count } ?? 0)
  }

  private static func neurons(
    _ layer: LayerWeights, _ plan: LayerPlan, _ predictor: GPUPredictor?, source: ActivationSource, hot: [UInt32]?,
    name: String, _ c: ModelConfiguration, on device: any GPUDevice
  ) throws -> Neurons {
    let count = hot?.count ?? c.feedForwardSize
    let multiple = NeuronRuns(neurons: count).partNeurons
    // A neuron's row of a matrix that has one for each.
    func matrix(_ matrix: Matrix, multiple: Int = 1, _ part: String) throws -> GPUMatrix {
      try GPUMatrix(hot.map(matrix.runs) ?? [matrix], multiple: multiple, name: "\(name).\(part)", on: device)
    }
    // The output's bias comes with neuron 0.
    let downBias =
      hot == nil || hot?.first == 0 ? try bias(layer.downBias, name: "\(name).ffn_down.bias", on: device) : nil
    var (down, isDownByNeuron): (GPUMatrix?, Bool) = (nil, false)
    switch layer.down {
    case .neurons(let rows):
      (down, isDownByNeuron) = (try matrix(rows, multiple: multiple, "ffn_down"), true)
    case .rows(let rows):
      if hot == nil {
        down = try GPUMatrix([rows], name: "\(name).ffn_down", on: device)
      } else if plan.neurons == nil {
        // The first neurons: of every row its beginning.
        down = try rows.withColumns(0..<count) { try GPUMatrix([$0], name: "\(name).ffn_down", on: device) }
      }
    }
    var turned: Projection?
    if !isDownByNeuron, let rows = plan.neurons {
      turned = Projection(matrix: try matrix(rows, multiple: multiple, "ffn_down by neuron"), bias: downBias)
    }
    guard let projection = down.map({ Projection(matrix: $0, bias: downBias) }) ?? turned else {
      throw GPUModelError.partOfLayers
    }
    let upBias = layer.upBias.map { vector in
      let all = floats(vector)
      return hot.map { $0.map { all[Int($0)] } } ?? all
    }
    return Neurons(
      count: count, gate: try layer.gate.map { try matrix($0, "ffn_gate") },
      up: Projection(
        matrix: try matrix(layer.up, "ffn_up"),
        bias: try upBias.map { try upload($0, name: "\(name).ffn_up.bias", on: device) }),
      down: projection, isDownByNeuron: isDownByNeuron || down == nil, source: source, predictor: predictor,
      turned: turned, isPart: hot != nil)
  }

  private static func norm(
    _ weights: NormWeights, _ c: ModelConfiguration, name: String, on device: any GPUDevice
  ) throws -> Norm {
    // Kernels take four at a time.
    func padded(_ vector: Vector) -> [Float] {
      let stride = GPUWorkspace.stride(c.hiddenSize)
      return floats(vector) + [Float](repeating: 0, count: stride - c.hiddenSize)
    }
    let gain = try upload(padded(weights.gain), name: name, on: device)
    let bias = try weights.bias.map { try upload(padded($0), name: name + ".bias", on: device) }
    return Norm(kind: weights.bias == nil ? .rootMeanSquare : .layer, gain: gain, bias: bias ?? gain)
  }

  private static func bias(_ vector: Vector?, name: String, on device: any GPUDevice) throws -> (any GPUBuffer)? {
    try vector.map { try upload(floats($0), name: name, on: device) }
  }

  private static func floats(_ vector: Vector) -> [Float] {
    Array(UnsafeBufferPointer(start: vector.values, count: vector.count))
  }

  private static func upload(_ values: [Float], name: String, on device: any GPUDevice) throws -> any GPUBuffer {
    let buffer = try device.makeBuffer(byteCount: values.count * 4, role: .device, label: name)
    try device.upload(values, to: buffer)
    return buffer
  }
}
