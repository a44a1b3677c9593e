import PowerInferGPU
import PowerInferModel

// The feed-forward of a layer: all neurons, or for a row alone those whose gate is not silent.
extension GPUPass {
  private var activation: ActivationKind {
    switch (configuration.architecture.gating, configuration.activation) {
    case (.gatedBoth, _): .reluBoth
    case (_, .silu): .silu
    case (_, .relu): .relu
    case (_, .gelu): .gelu
    }
  }

  /// feedForwardOutput = down · neurons(input) + bias, in parts.
  ///
  /// - Returns: how many parts.
  mutating func feedForward(_ layer: GPUWeights.Layer, _ index: Int, _ rows: Int) throws -> Int {
    let isParallel = configuration.architecture.hasParallelBlocks
    let input = isParallel && layer.feedForwardNorm != nil ? work.normedBeside ?? work.normed : work.normed
    if shape.skipsSilent, let gate = layer.gate {
      return try firing(layer, gate: gate, index, of: input)
    }
    enter(.gateUp)
    if let gate = layer.gate, !shape.isMany, gate.format == layer.up.matrix.format, layer.up.bias == nil {
      try gateUp(gate, layer.up.matrix, of: input, rows)
    } else {
      if let gate = layer.gate {
        try product(
          GPUWeights.Projection(matrix: gate, bias: nil), of: input, into: work.gate, stride: work.hidden.stride, rows,
          isMany: shape.isMany)
      }
      try product(
        layer.up, of: input, into: work.up, stride: work.hidden.stride, rows, isMany: shape.isMany)
      enter(.activation)
      let stride = work.hidden.stride
      let constants = ActivateConstants(
        neurons: configuration.feedForwardSize, gateStride: stride, upStride: stride, hiddenStride: stride)
      try recorder.dispatch(
        try kernels.kernel(.activate, [activation.rawValue, layer.gate == nil ? 0 : 1, 0]),
        [work.gate.all, work.up.all, work.up.all, work.hidden.values.all], constants: constants,
        grid: constants.grid(tokens: rows))
    }
    enter(.down)
    guard layer.isDownByNeuron else {
      try product(
        layer.down, of: try quantized(work.hidden, for: layer.down.matrix, rows), into: work.feedForwardOutput,
        stride: work.normed.stride, rows, isMany: shape.isMany)
      return 1
    }
    return shape.isMany ? try downOfMany(layer.down, rows) : try downOfFew(layer.down, rows)
  }

  /// All gates of one row, and the rest only of neurons whose gate is not silent: nothing is lost.
  private mutating func firing(
    _ layer: GPUWeights.Layer, gate: GPUMatrix, _ index: Int, of input: GPUWorkspace.Form
  ) throws -> Int {
    let (up, down) = (layer.up.matrix.parts[0], layer.down.matrix.parts[0])
    let (stride, neurons) = (work.hidden.stride, NeuronRuns(neurons: configuration.feedForwardSize))
    let counts = work.counts.slice(at: index * GPUWorkspace.countStride, byteCount: CompactConstants.countsByteCount)
    let tiling = tiling(up.layout, 1)
    enter(.gateUp)
    try product(
      GPUWeights.Projection(matrix: gate, bias: nil), of: input, into: work.gate, stride: stride, 1, isMany: false)
    let rule = NeuronRule.above(0)
    try recorder.dispatch(
      try kernels.kernel(.compact, rule.specialization), [work.gate.all, work.list.all, work.starts.all, counts],
      constants: CompactConstants(runs: neurons, tokens: 1, stride: stride, rule: rule, tiling: tiling),
      grid: GPUGrid(1))
    let all = MatVecConstants(
      layout: up.layout, tokens: 1, xStride: input.stride, yStride: stride, hasBias: layer.up.bias != nil)
    try recorder.dispatchIndirect(
      try kernels.kernel(
        .matvecListed, tiling.specialization(format: up.layout.format, activation: activation) + [1]),
      [
        up.codes.all, up.rest.all, input.values.all, input.codes.all, input.scales.all,
        (layer.up.bias ?? up.codes).all, work.gate.all, work.list.all, counts, work.hidden.values.all,
      ],
      constants: MatVecListedConstants(all, gateStride: stride, countAt: CompactConstants.countIndex),
      counts: work.counts.slice(
        at: index * GPUWorkspace.countStride + CompactConstants.gridOffset, byteCount: 12))
    enter(.down)
    let constants = DownConstants(
      layout: down.layout, runs: neurons, tokens: 1, hiddenStride: stride, partStride: work.normed.stride,
      rowStride: work.normed.stride, hasBias: layer.down.bias != nil)
    try recorder.dispatch(
      try kernels.kernel(
        .down, DownConstants.specialization(format: down.layout.format, isListed: true, tokens: 1)),
      [
        down.codes.all, down.rest.all, work.hidden.values.all, work.list.all, work.starts.all,
        (layer.down.bias ?? down.codes).all, work.feedForwardOutput.all,
      ],
      constants: constants, grid: constants.grid)
    return neurons.pieces
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

  private mutating func downOfFew(_ down: GPUWeights.Projection, _ rows: Int) throws -> Int {
    let runs = NeuronRuns(neurons: configuration.feedForwardSize)
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
