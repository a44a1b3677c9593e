import PowerInferGPU
import PowerInferKernels
import PowerInferModel

/// What recordings differ in; everything else of a pass lies in ``GPUPassTables``.
struct GPUPassShape: Hashable {
  var rows: Int
  /// Rows whose logits are wanted.
  var wanted: Int
  /// Whether products are made by tiles of many tokens.
  var isMany: Bool
  /// The same for those with the output matrix.
  var hasManyLogits: Bool
  /// Rows of an attention tile at most.
  var tileRows: Int
  /// Rows, the last ones, that leave out neurons that may give something; and of those whose logits are wanted.
  var skipping: Int
  var wantedSkipping: Int
  /// Whether predictions are made by tiles of many tokens.
  var predictsMany: Bool
  /// Whether a row alone goes through lists of neurons.
  var lists: Bool
  /// Whether logits go to the host with the pass.
  var bringsLogits: Bool
}

/// Records a pass: the layers' steps in the order in which `CPUExecutor` takes them.
struct GPUPass {
  let model: LanguageModel
  let weights: GPUWeights
  let work: GPUWorkspace
  let tables: GPUPassTables
  let store: GPUPageStore
  /// Where the device and the processor meet, if they share the model.
  let handover: GPUHandover?
  let shape: GPUPassShape
  let meetsInside: Bool
  var kernels: GPUKernels
  var recorder: GPURecorder

  var configuration: ModelConfiguration { model.configuration }

  /// What a block gave, to be added to the residual.
  private struct Parts {
    let buffer: any GPUBuffer
    var count = 0
  }

  static func attention(_ c: ModelConfiguration, tileRows: Int, work: GPUWorkspace) -> (
    AttentionConstants, queries: Int
  ) {
    let queries = AttentionConstants.queries(
      sharing: c.queriesPerKeyValueHead, rows: tileRows, headSize: c.headSize)
    return (
      AttentionConstants(
        heads: c.headCount, keyValueHeads: c.keyValueHeadCount, headSize: c.headSize, tileRows: tileRows,
        queries: queries, stride: work.projectedStride, outputStride: work.attended.stride, scale: c.attentionScale),
      queries
    )
  }

  mutating func record() throws {
    let isParallel = configuration.architecture.hasParallelBlocks
    var (rows, residual) = (shape.rows, work.residual)
    try embed()
    var attended = Parts(buffer: work.attentionOutput)
    var fed = Parts(buffer: work.feedForwardOutput)
    // What the processor gave for the layer before.
    var cold = Parts(buffer: handover?.output ?? work.feedForwardOutput)
    for (index, layer) in weights.layers.enumerated() {
      let isLast = index == weights.layers.count - 1
      try normalize(
        layer.attentionNorm, isParallel ? attended : cold, fed, residual, rows, into: work.normed,
        stage: .attentionNorm)
      if isParallel, let beside = layer.feedForwardNorm, let form = work.normedBeside {
        try normalize(beside, nil, nil, residual, rows, into: form, stage: .feedForwardNorm)
      }
      try project(layer, rows)
      try rotate(index, rows)
      // Of the other rows, the last layer computes keys and values only.
      if isLast, shape.wanted == 0 {
        if shape.lists { try recorder.copy(from: work.counts.all, to: work.hostCounts.all) }
        return
      }
      try attend(index)
      enter(.attentionOutput)
      try product(
        layer.attentionOutput, of: try quantized(work.attended, for: layer.attentionOutput.matrix, rows),
        into: work.attentionOutput, stride: work.normed.stride, rows, isMany: shape.isMany)
      attended.count = 1
      if !isParallel {
        if isLast { try keepWanted(&rows, &residual, attended, nil) }
        if isLast, rows != shape.rows || residual !== work.residual { attended.count = 0 }
        if let norm = layer.feedForwardNorm {
          try normalize(norm, attended, nil, residual, rows, into: work.normed, stage: .feedForwardNorm)
        }
      }
      let skipping = isLast && rows != shape.rows ? shape.wantedSkipping : shape.skipping
      fed.count = try feedForward(layer, index, residual, rows, skipping: skipping)
      cold.count = 0
      if layer.coldCount > 0 {
        recorder.stage(HybridTimeline.waiting)
        _ = recorder.waitForHost()
        if isParallel {
          try takeOver(rows, asPart: fed.count)
          fed.count += 1
        } else {
          cold.count = 1
        }
      }
      if isLast, isParallel { try keepWanted(&rows, &residual, attended, fed) }
    }
    if isParallel, residual !== work.residual { (attended.count, fed.count) = (0, 0) }
    try normalize(
      weights.outputNorm, isParallel ? attended : cold, fed, residual, rows, into: work.output, stage: .outputNorm)
    if shape.lists { try recorder.copy(from: work.counts.all, to: work.hostCounts.all) }
    if weights.output == nil, let handover {
      return try recorder.copy(
        from: work.output.values.rows(rows, work.output.stride), to: handover.normed.rows(rows, work.output.stride))
    }
    guard shape.wanted <= work.logitRows else { return }
    try logits(of: work.output, rows)
    if shape.bringsLogits { try bringLogits(rows) }
  }

  // MARK: Steps

  mutating func enter(_ stage: Stage) { recorder.stage(stage.title) }

  private mutating func embed() throws {
    enter(.embedding)
    if let handover {
      let stride = work.normed.stride
      try recorder.copy(
        from: handover.residual.rows(shape.rows, stride), to: work.residual.rows(shape.rows, stride))
      return
    }
    guard let table = weights.tokenEmbedding else { return }
    try embed(table, ids: tables.tokens, adds: false)
    if let positions = weights.positionEmbedding { try embed(positions, ids: tables.positions, adds: true) }
  }

  private mutating func embed(_ matrix: GPUMatrix, ids: any GPUBuffer, adds: Bool) throws {
    for part in matrix.parts {
      let constants = EmbedConstants(
        layout: part.layout, firstRow: part.firstRow, stride: work.normed.stride, adds: adds)
      try recorder.dispatch(
        try kernels.kernel(.embed, [matrix.format.rawValue]),
        [part.codes.all, part.rest.all, ids.all, work.residual.all], constants: constants,
        grid: constants.grid(tokens: shape.rows))
    }
  }

  /// residual += first + second; form = norm(residual).
  private mutating func normalize(
    _ norm: GPUWeights.Norm, kind: NormConstants.Kind? = nil, _ first: Parts?, _ second: Parts?,
    _ residual: any GPUBuffer, _ rows: Int, into form: GPUWorkspace.Form, stage: Stage
  ) throws {
    enter(stage)
    let constants = NormConstants(
      columns: configuration.hiddenSize, stride: form.stride, firstParts: first?.count ?? 0,
      secondParts: second?.count ?? 0, partStride: rows * form.stride, epsilon: configuration.normEpsilon)
    func slice(_ parts: Parts?) -> GPUBufferSlice {
      guard let parts, parts.count > 0 else { return norm.gain.all }
      return parts.buffer.slice(at: 0, byteCount: parts.count * rows * form.stride * 4)
    }
    try recorder.dispatch(
      try kernels.kernel(.norm, [(kind ?? norm.kind).rawValue]),
      [
        slice(first), slice(second), norm.gain.all, norm.bias.all, residual.all, form.values.all, form.codes.all,
        form.scales.all,
      ],
      constants: constants, grid: GPUGrid(rows))
  }

  private mutating func project(_ layer: GPUWeights.Layer, _ rows: Int) throws {
    enter(.queryKeyValue)
    for (matrix, firstRow) in layer.attention {
      try product(
        GPUWeights.Projection(matrix: matrix, bias: layer.attentionBias), of: work.normed, into: work.projected,
        stride: work.projectedStride, offset: firstRow, rows, isMany: shape.isMany)
    }
  }

  private mutating func rotate(_ index: Int, _ rows: Int) throws {
    enter(.rotation)
    let (c, layer) = (configuration, store.layers[index])
    let constants = RotateConstants(
      heads: c.headCount, keyValueHeads: c.keyValueHeadCount, headSize: c.headSize, pairs: c.rotary.dimensions / 2,
      hasHalves: c.rotary.pairing == .halves, stride: work.projectedStride)
    try recorder.dispatch(
      try kernels.kernel(.rotate, [store.cache.keyFormat.rawValue, store.cache.valueFormat.rawValue]),
      [
        tables.rows.all, tables.pages.all, tables.turns.all, work.projected.all, layer.keys.all, layer.values.all,
        layer.keyScales.all, layer.valueScales.all,
      ],
      constants: constants, grid: constants.grid(tokens: rows))
  }

  private mutating func attend(_ index: Int) throws {
    enter(.attention)
    let (c, layer) = (configuration, store.layers[index])
    let (constants, queries) = Self.attention(c, tileRows: shape.tileRows, work: work)
    try recorder.dispatchIndirect(
      try kernels.kernel(
        .attention, AttentionConstants.specialization(store.cache, queries: queries)),
      [
        tables.tiles.all, tables.pages.all, work.projected.all, layer.keys.all, layer.values.all, layer.keyScales.all,
        layer.valueScales.all, work.attended.values.all, work.states.all,
      ],
      constants: constants, counts: tables.attentionGrid.all)
    let merging = AttentionMergeConstants(
      heads: c.headCount, headSize: c.headSize, outputStride: work.attended.stride)
    try recorder.dispatchIndirect(
      try kernels.kernel(.attentionMerge), [tables.merges.all, work.states.all, work.attended.values.all],
      constants: merging, counts: tables.mergeGrid.all)
  }

  /// Goes on with the rows whose logits are wanted.
  private mutating func keepWanted(
    _ rows: inout Int, _ residual: inout any GPUBuffer, _ first: Parts, _ second: Parts?
  ) throws {
    guard shape.wanted < rows else { return }
    try normalize(
      weights.outputNorm, kind: NormConstants.Kind.none, first, second, residual, rows, into: work.normed,
      stage: .feedForwardNorm)
    try gather(
      tables.wanted.all, from: work.residual, stride: work.normed.stride, into: work.residualKept, shape.wanted)
    (rows, residual) = (shape.wanted, work.residualKept)
  }

  private mutating func gather(
    _ list: GPUBufferSlice, from source: any GPUBuffer, stride: Int, into target: any GPUBuffer, _ count: Int
  ) throws {
    let constants = GatherConstants(stride: stride)
    try recorder.dispatch(
      try kernels.kernel(.gather), [list, source.all, target.all], constants: constants,
      grid: constants.grid(rows: count))
  }

  /// The 8-bit form of rows, where products with a matrix read it.
  mutating func quantized(
    _ form: GPUWorkspace.Form, for matrix: GPUMatrix, _ rows: Int
  ) throws -> GPUWorkspace.Form {
    guard matrix.format.usesEightBitActivations else { return form }
    let constants = QuantizeConstants(stride: form.stride)
    try recorder.dispatch(
      try kernels.kernel(.quantize), [form.values.all, form.codes.all, form.scales.all], constants: constants,
      grid: constants.grid(tokens: rows))
    return form
  }

  // MARK: Logits

  /// Logits of the first rows of a form.
  mutating func logits(of form: GPUWorkspace.Form, _ rows: Int) throws {
    enter(.logits)
    guard let output = weights.output else { return }
    try product(
      GPUWeights.Projection(matrix: output, bias: nil), of: form, into: work.logits,
      stride: configuration.vocabularySize, rows, isMany: shape.hasManyLogits)
  }

  /// Logits of some wanted rows that did not fit behind the pass.
  mutating func logits(ofListed list: any GPUBuffer, _ rows: Int) throws {
    guard let output = weights.output else { return }
    try gather(list.all, from: work.output.values, stride: work.output.stride, into: work.chunk.values, rows)
    try logits(of: try quantized(work.chunk, for: output, rows), rows)
    try bringLogits(rows)
  }

  mutating func bringLogits(_ rows: Int) throws {
    let bytes = rows * configuration.vocabularySize * 4
    try recorder.copy(
      from: work.logits.slice(at: 0, byteCount: bytes), to: work.hostLogits.slice(at: 0, byteCount: bytes))
  }

  /// The likeliest tokens of the first rows of logits.
  mutating func candidates(_ rows: Int, count: Int) throws {
    let vocabulary = configuration.vocabularySize
    try recorder.dispatch(
      try kernels.kernel(.candidates), [work.logits.all, work.candidates.all, work.found.all],
      constants: CandidatesConstants(stride: vocabulary, vocabulary: vocabulary, wanted: count), grid: GPUGrid(rows))
  }

  // MARK: Products

  func tiling(_ layout: WeightLayout, _ rows: Int) -> ProductTiling {
    ProductTiling(
      units: layout.units, tokens: rows, matrixRows: layout.rows,
      isSoftware: kernels.device.description.kind == .software)
  }

  /// y[t, offset + r] = activation(Σ w[r, c] · x[t, c] + bias).
  mutating func product(
    _ projection: GPUWeights.Projection, of x: GPUWorkspace.Form, into y: any GPUBuffer, stride: Int,
    offset: Int = 0, _ rows: Int, isMany: Bool, activation: ActivationKind = .none
  ) throws {
    for part in projection.matrix.parts {
      let constants = MatVecConstants(
        layout: part.layout, tokens: rows, xStride: x.stride, yStride: stride, yOffset: offset + part.firstRow,
        hasBias: projection.bias != nil)
      let slices = [
        part.codes.all, part.rest.all, x.values.all, x.codes.all, x.scales.all, (projection.bias ?? part.codes).all,
        y.all,
      ]
      if isMany {
        let tile = PromptTile(tokens: rows)
        try recorder.dispatch(
          try kernels.kernel(.matmat, tile.specialization(format: part.layout.format, activation: activation)), slices,
          constants: constants, grid: tile.grid(rows: part.layout.rows, tokens: rows))
      } else {
        let tiling = tiling(part.layout, rows)
        try recorder.dispatch(
          try kernels.kernel(.matvec, tiling.specialization(format: part.layout.format, activation: activation)),
          slices,
          constants: constants, grid: tiling.grid(rows: part.layout.rows, tokens: rows))
      }
    }
  }
}
