import PowerInferGPU
import PowerInferModel
import PowerInferSparsity

// A row alone, whose neurons are listed on the device, in order; and predictions, which list them or are masks of several rows.
extension GPUPass {
  /// The feed-forward of one row by the layer's list of neurons.
  ///
  /// - Returns: in how many parts; `nil` for a layer that computes all neurons.
  mutating func listed(
    _ layer: GPUWeights.Neurons, _ index: Int, of input: GPUWorkspace.Form
  ) throws -> Int? {
    let rule: NeuronRule
    switch layer.source {
    case .dense, .bits: return nil
    case .predictor(let threshold):
      try list(
        values: work.predicting?.scores ?? work.gate, layer, index, by: .from(threshold),
        places: layer.predictor?.places)
      return try predicted(layer, index, of: input)
    case .gate: rule = .above(0)
    case .threshold(let threshold): rule = .magnitude(threshold, of: activation)
    }
    enter(.gateUp)
    guard let gate = layer.gate else {
      // The neuron itself is what the rule looks at, so that only rows of the down projection are left out: those of zeros.
      try product(layer.up, of: input, into: work.up, stride: work.hidden.stride, 1, isMany: false)
      try list(values: work.up, layer, index, by: rule)
      try activate(layer, layer.source, 1, skipping: 1)
      return try down(layer, 1, byNeuron: true)
    }
    try gates(gate, of: input, 1)
    try list(values: work.gate, layer, index, by: rule)
    try up(layer, index, of: input, isGated: true)
    return try downListed(layer)
  }

  /// Neurons that are predicted to fire.
  private mutating func predicted(
    _ layer: GPUWeights.Neurons, _ index: Int, of input: GPUWorkspace.Form
  ) throws -> Int {
    enter(.gateUp)
    var (values, isByNeuron) = (work.gate, false)
    if let gate = layer.gate {
      if gate.format == layer.up.matrix.format, layer.up.bias == nil {
        try gateUpListed(gate, layer, index, of: input)
      } else {
        try gates(gate, of: input, 1)
        try up(layer, index, of: input, isGated: true)
        isByNeuron = true
      }
    } else {
      try up(layer, index, of: input, isGated: false)
      values = work.hidden.values
    }
    // Silent ones among them, which only ReLU knows.
    if configuration.activation == .relu {
      let tally = work.counts.slice(
        at: index * GPUWorkspace.countStride + GPUWorkspace.tallyOffset, byteCount: MemoryLayout<UInt32>.size)
      try recorder.dispatch(
        try kernels.kernel(.tally, Tally.specialization(byNeuron: isByNeuron)),
        [values.all, work.list.all, counts(index), tally], grid: GPUGrid(1))
    }
    return try downListed(layer)
  }

  // MARK: Predictions

  /// scores = fc2 · relu(fc1 · residual), of the last rows.
  mutating func predict(
    _ predictor: GPUPredictor?, _ residual: any GPUBuffer, _ rows: Int, asking count: Int
  ) throws {
    guard let space = work.predicting, let predictor, let (fc1, fc2) = predictor.matrices,
      let hidden = space.ranks[predictor.rank]
    else { return }
    enter(.predictor)
    var values = residual
    let rowBytes = work.normed.stride * 4
    if count < rows {
      values = space.input.values
      try recorder.copy(
        from: residual.slice(at: (rows - count) * rowBytes, byteCount: count * rowBytes),
        to: values.slice(at: 0, byteCount: count * rowBytes))
    }
    let input = GPUWorkspace.Form(
      stride: space.input.stride, values: values, codes: space.input.codes, scales: space.input.scales)
    let isMany = shape.predictsMany
    try product(
      GPUWeights.Projection(matrix: fc1, bias: nil), of: try quantized(input, for: fc1, count), into: hidden.values,
      stride: hidden.stride, count, isMany: isMany, activation: .relu)
    try product(
      GPUWeights.Projection(matrix: fc2, bias: nil), of: try quantized(hidden, for: fc2, count), into: space.scores,
      stride: work.hidden.stride, count, isMany: isMany)
  }

  // MARK: Lists

  private func counts(_ index: Int) -> GPUBufferSlice {
    work.counts.slice(at: index * GPUWorkspace.countStride, byteCount: CompactConstants.countsByteCount)
  }

  /// Lists the neurons whose values the rule keeps.
  private mutating func list(
    values: any GPUBuffer, _ layer: GPUWeights.Neurons, _ index: Int, by rule: NeuronRule,
    places: (any GPUBuffer)? = nil
  ) throws {
    let constants = CompactConstants(
      runs: layer.runs, tokens: 1, stride: work.hidden.stride, rule: rule,
      tiling: tiling(layer.up.matrix.parts[0].layout, 1))
    try recorder.dispatch(
      try kernels.kernel(.compact, rule.specialization(isMapped: places != nil)),
      [values.all, work.list.all, work.starts.all, counts(index), (places ?? values).all], constants: constants,
      grid: GPUGrid(1))
  }

  private func grid(_ index: Int) -> GPUBufferSlice {
    work.counts.slice(at: index * GPUWorkspace.countStride + CompactConstants.gridOffset, byteCount: 12)
  }

  /// hidden = what listed neurons give, whose gates, if they have any, are computed already.
  private mutating func up(
    _ layer: GPUWeights.Neurons, _ index: Int, of input: GPUWorkspace.Form, isGated: Bool
  ) throws {
    let (up, stride) = (layer.up.matrix.parts[0], work.hidden.stride)
    let all = MatVecConstants(
      layout: up.layout, tokens: 1, xStride: input.stride, yStride: stride, hasBias: layer.up.bias != nil)
    try recorder.dispatchIndirect(
      try kernels.kernel(
        .matvecListed,
        tiling(up.layout, 1).specialization(format: up.layout.format, activation: activation) + [isGated ? 1 : 0]),
      [
        up.codes.all, up.rest.all, input.values.all, input.codes.all, input.scales.all,
        (layer.up.bias ?? up.codes).all, work.gate.all, work.list.all, counts(index), work.hidden.values.all,
      ],
      constants: MatVecListedConstants(all, gateStride: stride, countAt: CompactConstants.countIndex),
      counts: grid(index))
  }

  /// hidden = what listed neurons give, gate = their gates, by entry.
  private mutating func gateUpListed(
    _ gate: GPUMatrix, _ layer: GPUWeights.Neurons, _ index: Int, of input: GPUWorkspace.Form
  ) throws {
    let (gate, up) = (gate.parts[0], layer.up.matrix.parts[0])
    let constants = GateUpConstants(
      layout: gate.layout, tokens: 1, xStride: input.stride, yStride: work.hidden.stride,
      countAt: CompactConstants.countIndex)
    try recorder.dispatchIndirect(
      try kernels.kernel(
        .gateupListed,
        tiling(gate.layout, 1).specialization(format: gate.layout.format, activation: activation)),
      [
        gate.codes.all, gate.rest.all, up.codes.all, up.rest.all, input.values.all, input.codes.all,
        input.scales.all, work.list.all, counts(index), work.hidden.values.all, work.gate.all,
      ],
      constants: constants, counts: grid(index))
  }

  /// feedForwardOutput = the listed neurons' rows of the down projection times what they give.
  private mutating func downListed(_ layer: GPUWeights.Neurons) throws -> Int {
    meet(layer)
    enter(.down)
    guard let projection = layer.downByNeuron else { return 0 }
    let down = projection.matrix.parts[0]
    let constants = DownConstants(
      layout: down.layout, runs: layer.runs, tokens: 1, hiddenStride: work.hidden.stride,
      partStride: work.normed.stride,
      rowStride: work.normed.stride, hasBias: projection.bias != nil)
    try recorder.dispatch(
      try kernels.kernel(
        .down, DownConstants.specialization(format: down.layout.format, isListed: true, tokens: 1)),
      [
        down.codes.all, down.rest.all, work.hidden.values.all, work.list.all, work.starts.all,
        (projection.bias ?? down.codes).all, work.feedForwardOutput.all,
      ],
      constants: constants, grid: constants.grid)
    return layer.runs.pieces
  }
}
