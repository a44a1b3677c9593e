import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

// One token by itself. A worker takes some neurons at a time through all steps: which are active, their gates, which of these
// are silent after all, the rest of them, their rows of the down projection. Every piece sums into a row of its own; then the
// pieces are added in order. Which neurons make a piece depends on the layer alone, so results are the same bits for any number of
// workers, and those of sources that lose nothing are those of all neurons.
extension FeedForward {
  /// residual += down · neurons(input) + bias, for layers with a row of the down projection per neuron. Ends in step.
  func runListed(_ layer: LayerWeights, index: Int, of input: Activations, down: Matrix, _ member: Member) {
    let source = trial.current[index]
    if member.index == 0, source != .dense { counters.addToken(layer: index) }
    let step = ListedStep(layer: layer, index: index, input: input, down: down)
    let pieces =
      switch source {
      case .dense: computeAll(step, member)
      case .gate: computeByGate(step, threshold: nil, member)
      case .threshold(let threshold): computeByGate(step, threshold: threshold, member)
      case .predictor(let threshold): computeByPrediction(step, threshold: threshold, member)
      }
    clock.sync(member)

    clock.enter(.down, member: member)
    let columns = member.share(of: down.columns, multiple: 16)
    for piece in 0..<pieces {
      kernels.add(
        scratch.sums + piece * down.columns + columns.lowerBound, to: work.residual + columns.lowerBound,
        count: columns.count)
    }
    if let bias = layer.downBias {
      kernels.add(bias.values + columns.lowerBound, to: work.residual + columns.lowerBound, count: columns.count)
    }
    clock.sync(member)
  }

  /// What the steps of a layer have in common.
  private struct ListedStep {
    let layer: LayerWeights
    let index: Int
    let input: Activations
    let down: Matrix
  }

  /// - Returns: how many sums there are.
  private func computeAll(_ step: ListedStep, _ member: Member) -> Int {
    clock.enter(.gateUp, member: member)
    let layer = step.layer
    let pieces = NeuronPieces(neurons: layer.up.rows)
    let own = scratch.own[member.index]
    member.pieces(pieces.count) { piece in
      let neurons = pieces[piece]
      if let gate = layer.gate {
        kernels.multiply(
          gate, rows: neurons, by: step.input, tokens: 0..<1, into: own.gate - neurons.lowerBound, stride: 0)
      }
      kernels.multiply(
        layer.up, rows: neurons, by: step.input, tokens: 0..<1, into: own.up - neurons.lowerBound, stride: 0)
      if let bias = layer.upBias {
        kernels.add(bias.values + neurons.lowerBound, to: own.up, count: neurons.count)
      }
      clock.enter(.activation, member: member)
      activate(gate: own.gate, up: own.up, into: own.up, count: neurons.count)
      let numbers = UInt32(neurons.lowerBound)..<UInt32(neurons.upperBound)
      // Silent ones need no row.
      let count =
        configuration.activation == .relu
        ? kernels.select(
          own.up, numbers: numbers, by: .magnitude(.leastNonzeroMagnitude), into: own.list, values: own.up)
        : own.list(all: numbers)
      addRows(step, own, count: count, values: own.up, sum: piece, member)
      clock.enter(.gateUp, member: member)
    }
    return pieces.count
  }

  /// Every gate is computed, the rest only where it is not silent, or reaches the threshold. Without a gate it is the neuron
  /// itself that is compared, and only its row of the down projection that is spared.
  private func computeByGate(_ step: ListedStep, threshold: Float?, _ member: Member) -> Int {
    clock.enter(.gateUp, member: member)
    let layer = step.layer
    let gate = layer.gate ?? layer.up
    let pieces = NeuronPieces(neurons: gate.rows)
    let own = scratch.own[member.index]
    member.pieces(pieces.count) { piece in
      let neurons = pieces[piece]
      kernels.multiply(
        gate, rows: neurons, by: step.input, tokens: 0..<1, into: own.gate - neurons.lowerBound, stride: 0)
      if layer.gate == nil, let bias = layer.upBias {
        kernels.add(bias.values + neurons.lowerBound, to: own.gate, count: neurons.count)
      }
      // Silent is what ReLU makes 0 of.
      if threshold != nil { activateGate(own.gate, count: neurons.count) }
      let rule = threshold.map { SelectionRule.magnitude($0) } ?? .above(0)
      let count = kernels.select(
        own.gate, numbers: UInt32(neurons.lowerBound)..<UInt32(neurons.upperBound), by: rule, into: own.list,
        values: own.gate)
      kernels.prefetch(step.down, listed: own.listed(count))
      if layer.gate != nil {
        multiplyUp(step, own, count: count)
        if threshold != nil {
          if configuration.architecture.gating == .gatedBoth { kernels.relu(own.up, into: own.up, count: count) }
          kernels.multiplyElements(own.gate, own.up, into: own.up, count: count)
        } else {
          activate(gate: own.gate, up: own.up, into: own.up, count: count)
        }
      }
      addRows(step, own, count: count, values: layer.gate == nil ? own.gate : own.up, sum: piece, member)
      counters.add(layer: step.index, worker: member.index, computed: count, fired: count)
      clock.enter(.gateUp, member: member)
    }
    return pieces.count
  }

  private func computeByPrediction(_ step: ListedStep, threshold: Float, _ member: Member) -> Int {
    guard let predictor = plan.layers[step.index].predictor else { return 0 }
    let hidden = predict(predictor, layer: step.index, count: 1, member)
    let own = scratch.own[member.index]
    // The hot neurons first: each is three rows, and what comes last should be short.
    let most = predictor.hot.isEmpty ? NeuronPieces.most : NeuronPieces.most / 2
    let hot = NeuronPieces(neurons: predictor.hot.count, most: most)
    let cold = NeuronPieces(neurons: predictor.askedCount, most: most)
    member.pieces(hot.count) { piece in
      let some = hot[piece]
      for (entry, index) in some.enumerated() { own.list[entry] = predictor.hot[index] }
      computeList(step, own, count: some.count, sum: piece, member)
    }
    member.pieces(cold.count) { piece in
      clock.enter(.predictor, member: member)
      let rows = cold[piece]
      kernels.multiply(
        predictor.fc2, rows: rows, by: hidden, tokens: 0..<1, into: own.gate - rows.lowerBound, stride: 0)
      let rule = SelectionRule.from(threshold)
      let count =
        if let asked = predictor.asked?.baseAddress {
          kernels.select(own.gate, list: asked + rows.lowerBound, count: rows.count, by: rule, into: own.list)
        } else {
          kernels.select(
            own.gate, numbers: UInt32(rows.lowerBound)..<UInt32(rows.upperBound), by: rule, into: own.list)
        }
      computeList(step, own, count: count, sum: hot.count + piece, member)
    }
    return hot.count + cold.count
  }

  /// The neurons on a worker's list, whose silent ones are dropped before they cost more than their gate.
  private func computeList(_ step: ListedStep, _ own: NeuronScratch.Own, count: Int, sum: Int, _ member: Member) {
    clock.enter(.gateUp, member: member)
    let isRectified = configuration.activation == .relu
    var fired = count
    if let gate = step.layer.gate {
      kernels.multiply(gate, listed: own.listed(count), by: step.input, tokens: 0..<1, into: own.gate, stride: 0)
      if isRectified {
        fired = kernels.select(
          own.gate, list: own.list, count: count, by: .above(0), into: own.list, values: own.gate)
      }
      kernels.prefetch(step.down, listed: own.listed(fired))
      multiplyUp(step, own, count: fired)
      activate(gate: own.gate, up: own.up, into: own.up, count: fired)
    } else {
      multiplyUp(step, own, count: count)
      activate(gate: own.gate, up: own.up, into: own.up, count: count)
      if isRectified {
        fired = kernels.select(own.up, list: own.list, count: count, by: .above(0), into: own.list, values: own.up)
      }
    }
    addRows(step, own, count: fired, values: own.up, sum: sum, member)
    counters.add(layer: step.index, worker: member.index, computed: count, fired: fired)
  }

  /// up = up projections of the listed neurons, with their biases.
  private func multiplyUp(_ step: ListedStep, _ own: NeuronScratch.Own, count: Int) {
    kernels.multiply(step.layer.up, listed: own.listed(count), by: step.input, tokens: 0..<1, into: own.up, stride: 0)
    addUpBias(step.layer, to: own.up, own.list, count: count)
  }

  /// values += the biases of the listed neurons.
  func addUpBias(
    _ layer: LayerWeights, to values: UnsafeMutablePointer<Float>, _ list: UnsafePointer<UInt32>, count: Int
  ) {
    guard let bias = layer.upBias else { return }
    for entry in 0..<count { values[entry] += bias.values[Int(list[entry])] }
  }

  /// The sum of a piece = what its listed neurons give times their rows of the down projection.
  private func addRows(
    _ step: ListedStep, _ own: NeuronScratch.Own, count: Int, values: UnsafePointer<Float>, sum: Int, _ member: Member
  ) {
    clock.enter(.down, member: member)
    let target = scratch.sums + sum * step.down.columns
    target.update(repeating: 0, count: step.down.columns)
    kernels.accumulate(step.down, listed: own.listed(count), coefficients: values, into: target)
  }
}
