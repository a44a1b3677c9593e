import PowerInferGPU
import PowerInferModel
import PowerInferSparsity

// The feed-forward of a layer: all neurons, those that rows leave out among them, or for a row alone those on a list
// (`GPUPass+Neurons.swift`).
extension GPUPass {
  var activation: ActivationKind {
    switch (configuration.architecture.gating, configuration.activation) {
    case (.gatedBoth, _): .reluBoth
    case (_, .silu): .silu
    case (_, .relu): .relu
    case (_, .gelu): .gelu
    }
  }

  /// feedForwardOutput = down · neurons(input) + bias, in parts, of the device's neurons.
  ///
  /// - Parameters:
  ///   - residual: what predictors read.
  ///   - skipping: how many rows, the last ones, may leave out neurons that give something.
  /// - Returns: how many parts.
  mutating func feedForward(
    _ layer: GPUWeights.Layer, _ index: Int, _ residual: any GPUBuffer, _ rows: Int, skipping: Int
  ) throws -> Int {
    let isParallel = configuration.architecture.hasParallelBlocks
    let input = isParallel && layer.feedForwardNorm != nil ? work.normedBeside ?? work.normed : work.normed
    if skipping > 0, case .predictor = layer.source {
      try predict(layer.predictor, residual, rows, asking: skipping)
    }
    if layer.coldCount > 0 { try handOver(input, layer, rows, asking: skipping) }
    guard let neurons = layer.neurons else { return 0 }
    return try compute(neurons, index, of: input, rows, skipping: skipping)
  }

  /// The same once predictions are made.
  private mutating func compute(
    _ layer: GPUWeights.Neurons, _ index: Int, of input: GPUWorkspace.Form, _ rows: Int, skipping: Int
  ) throws -> Int {
    if shape.lists, layer.isListable, let parts = try listed(layer, index, of: input) { return parts }
    let source = skipping > 0 ? layer.source : .dense
    enter(.gateUp)
    if let gate = layer.gate, source.mode.isLossless, !shape.isMany, gate.format == layer.up.matrix.format,
      layer.up.bias == nil
    {
      try gateUp(gate, layer.up.matrix, of: input, rows)
    } else {
      try neurons(layer, of: input, rows)
      try activate(layer, source, rows, skipping: skipping)
    }
    return try down(layer, rows, byNeuron: skipping > 0 || layer.isPart)
  }

  /// gate = products of all gates, up = of all up projections.
  private mutating func neurons(_ layer: GPUWeights.Neurons, of input: GPUWorkspace.Form, _ rows: Int) throws {
    if let gate = layer.gate { try gates(gate, of: input, rows) }
    try product(layer.up, of: input, into: work.up, stride: work.hidden.stride, rows, isMany: shape.isMany)
  }

  /// gate = products of all gates.
  mutating func gates(_ gate: GPUMatrix, of input: GPUWorkspace.Form, _ rows: Int) throws {
    try product(
      GPUWeights.Projection(matrix: gate, bias: nil), of: input, into: work.gate, stride: work.hidden.stride, rows,
      isMany: shape.isMany)
  }

  /// hidden = what neurons give, 0 where a row leaves them out.
  mutating func activate(
    _ layer: GPUWeights.Neurons, _ source: ActivationSource, _ rows: Int, skipping: Int
  ) throws {
    enter(.activation)
    let stride = work.hidden.stride
    let (mask, threshold): (ActivateConstants.Mask, Float) =
      switch source {
      // In place of leading bits a GPU asks whole gates: `SparsityRecipe.askingWholeGates`.
      case .dense, .gate, .bits: (.none, 0)
      case .predictor(let threshold): (.scores, threshold)
      case .threshold(let threshold): (.magnitude, threshold)
      }
    let places = mask == .scores ? layer.predictor?.places : nil
    let constants = ActivateConstants(
      neurons: layer.count, gateStride: stride, upStride: stride, hiddenStride: stride,
      scoreStride: stride, threshold: threshold, firstMasked: rows - skipping)
    let kernel = try kernels.kernel(
      .activate,
      ActivateConstants.specialization(
        activation, isGated: layer.gate != nil, mask: mask, isMapped: places != nil))
    try recorder.dispatch(
      kernel,
      [
        (layer.gate == nil ? work.up : work.gate).all, work.up.all, (work.predicting?.scores ?? work.up).all,
        (places ?? work.up).all, work.hidden.values.all,
      ],
      constants: constants, grid: constants.grid(tokens: rows))
  }

  /// feedForwardOutput = down · hidden + bias.
  ///
  /// - Parameter byNeuron: whether rows leave out neurons, for which a matrix by neuron is kept.
  mutating func down(_ layer: GPUWeights.Neurons, _ rows: Int, byNeuron: Bool) throws -> Int {
    meet(layer)
    enter(.down)
    guard layer.isDownByNeuron || (byNeuron && layer.turned != nil), let down = layer.downByNeuron else {
      try product(
        layer.down, of: try quantized(work.hidden, for: layer.down.matrix, rows), into: work.feedForwardOutput,
        stride: work.normed.stride, rows, isMany: shape.isMany)
      return 1
    }
    return shape.isMany ? try downOfMany(down, rows) : try downOfFew(down, layer.runs, rows)
  }

  private mutating func gateUp(_ gate: GPUMatrix, _ up: GPUMatrix, of input: GPUWorkspace.Form, _ rows: Int) throws {
    for (gate, up) in zip(gate.parts, up.parts) {
      let tiling = tiling(gate.layout, rows)
      let constants = GateUpConstants(
        layout: gate.layout, tokens: rows, xStride: input.stride, yStride: work.hidden.stride, yOffset: gate.firstRow)
      try recorder.dispatch(
        try kernels.kernel(.gateup, tiling.specialization(format: gate.layout.format, activation: activation)),
        [
          gate.codes.all, gate.rest.all, up.codes.all, up.rest.all, input.values.all, input.codes.all,
          input.scales.all, work.hidden.values.all,
        ],
        constants: constants, grid: tiling.grid(rows: gate.layout.rows, tokens: rows))
    }
  }

  private mutating func downOfFew(
    _ down: GPUWeights.Projection, _ runs: NeuronRuns, _ rows: Int
  ) throws -> Int {
    for part in down.matrix.parts {
      let constants = DownConstants(
        layout: part.layout, runs: runs, firstRow: part.firstRow, tokens: rows, hiddenStride: work.hidden.stride,
        partStride: rows * work.normed.stride, rowStride: work.normed.stride, hasBias: down.bias != nil)
      try recorder.dispatch(
        try kernels.kernel(
          .down, DownConstants.specialization(format: part.layout.format, isListed: false, tokens: rows)),
        [
          part.codes.all, part.rest.all, work.hidden.values.all, tables.wanted.all, tables.wanted.all,
          (down.bias ?? part.codes).all, work.feedForwardOutput.all,
        ],
        constants: constants, grid: constants.grid)
    }
    return runs.pieces
  }

  private mutating func downOfMany(_ down: GPUWeights.Projection, _ rows: Int) throws -> Int {
    let tile = PromptTile(tokens: rows)
    for (index, part) in down.matrix.parts.enumerated() {
      let constants = MatMatNeuronsConstants(
        layout: part.layout, firstRow: part.firstRow, tokens: rows, hiddenStride: work.hidden.stride,
        yStride: work.normed.stride, adds: index > 0, hasBias: index == 0 && down.bias != nil)
      try recorder.dispatch(
        try kernels.kernel(.matmatNeurons, Array(tile.specialization(format: part.layout.format).prefix(2))),
        [
          part.codes.all, part.rest.all, work.hidden.values.all, (down.bias ?? part.codes).all,
          work.feedForwardOutput.all,
        ],
        constants: constants, grid: tile.grid(rows: part.layout.columns, tokens: rows))
    }
    return 1
  }
}
