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
    let gate: GPUMatrix?
    let up: Projection
    let down: Projection
    let isDownByNeuron: Bool
    /// What rows that may leave out neurons choose them by.
    let source: ActivationSource
    let predictor: GPUPredictor?
    /// The down projection by neuron, for rows that leave some out, where the file has it by output.
    let turned: Projection?

    /// The down projection with a row per neuron, if there is one.
    var downByNeuron: Projection? { turned ?? (isDownByNeuron ? down : nil) }
    /// Whether a row alone can go through a list of neurons.
    var isListable: Bool {
      up.matrix.parts.count == 1 && downByNeuron?.matrix.parts.count == 1 && (gate?.parts.count ?? 1) == 1
    }
  }

  let tokenEmbedding: GPUMatrix
  let positionEmbedding: GPUMatrix?
  let outputNorm: Norm
  let output: GPUMatrix
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

  /// Uploads everything. Checked by ``check(_:_:)`` before.
  ///
  /// - Parameters:
  ///   - recipe: how neurons are chosen. What it takes is made for one layer at a time, and kept on the device alone.
  ///   - sources: of each layer.
  ///   - team: what converts predictors.
  /// - Throws: `GPUError` where the memory is not to be had.
  init(
    _ model: LanguageModel, _ recipe: SparsityRecipe, sources: [ActivationSource], on device: any GPUDevice,
    team: ThreadTeam
  ) throws {
    let (c, weights) = (model.configuration, model.weights)
    tokenEmbedding = try GPUMatrix([weights.tokenEmbedding], name: "token_embd", on: device)
    positionEmbedding = try weights.positionEmbedding.map { try GPUMatrix([$0], name: "position_embd", on: device) }
    output =
      weights.isOutputTied ? tokenEmbedding : try GPUMatrix([weights.output], name: "output", on: device)
    outputNorm = try Self.norm(weights.outputNorm, c, name: "output_norm", on: device)
    layers = try weights.layers.enumerated().map { index, layer in
      try Self.layer(
        layer, recipe.layer(index, team: team), source: sources[index], index: index, c, on: device)
    }
  }

  private static func layer(
    _ layer: LayerWeights, _ plan: LayerPlan, source: ActivationSource, index: Int, _ c: ModelConfiguration,
    on device: any GPUDevice
  ) throws -> Layer {
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
    var attentionBias: (any GPUBuffer)?
    if layer.queryBias != nil || layer.keyBias != nil || layer.valueBias != nil {
      var values: [Float] = []
      for (vector, matrix) in zip([layer.queryBias, layer.keyBias, layer.valueBias], projections) {
        values += vector.map { floats($0) } ?? [Float](repeating: 0, count: matrix.rows)
      }
      attentionBias = try upload(values, name: "\(name).attn_qkv.bias", on: device)
    }
    let neurons = NeuronRuns(neurons: c.feedForwardSize)
    var (down, isDownByNeuron) = (layer.up, false)
    switch layer.down {
    case .rows(let matrix): down = matrix
    case .neurons(let matrix): (down, isDownByNeuron) = (matrix, true)
    }
    let downBias = try bias(layer.downBias, name: "\(name).ffn_down.bias", on: device)
    var turned: Projection?
    if !isDownByNeuron, let rows = plan.neurons {
      turned = Projection(
        matrix: try GPUMatrix(
          [rows], multiple: neurons.partNeurons, name: "\(name).ffn_down by neuron", on: device),
        bias: downBias)
    }
    return Layer(
      attentionNorm: try norm(layer.attentionNorm, c, name: "\(name).attn_norm", on: device),
      attention: attention, attentionBias: attentionBias,
      attentionOutput: Projection(
        matrix: try GPUMatrix([layer.attentionOutput], name: "\(name).attn_output", on: device),
        bias: try bias(layer.attentionOutputBias, name: "\(name).attn_output.bias", on: device)),
      feedForwardNorm: try layer.feedForwardNorm.map { try norm($0, c, name: "\(name).ffn_norm", on: device) },
      gate: try layer.gate.map { try GPUMatrix([$0], name: "\(name).ffn_gate", on: device) },
      up: Projection(
        matrix: try GPUMatrix([layer.up], name: "\(name).ffn_up", on: device),
        bias: try bias(layer.upBias, name: "\(name).ffn_up.bias", on: device)),
      down: Projection(
        matrix: try GPUMatrix(
          [down], multiple: isDownByNeuron ? neurons.partNeurons : 1, name: "\(name).ffn_down", on: device),
        bias: downBias),
      isDownByNeuron: isDownByNeuron, source: source,
      predictor: try plan.predictor.map {
        try GPUPredictor($0, neurons: c.feedForwardSize, name: name, on: device)
      },
      turned: turned)
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
