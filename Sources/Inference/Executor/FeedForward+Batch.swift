import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

// Several tokens at once.
extension FeedForward {
  /// hidden = what every neuron gives for every token. The caller syncs.
  func computeBatch(_ layer: LayerWeights, index: Int, of input: Activations, count: Int, _ member: Member) {
    let predictor = predictor(layer: index)
    let predicted = predictor.map { predict($0, layer: index, count: count, member) }
    clock.enter(.gateUp, member: member)
    let f = configuration.feedForwardSize
    let isUnited = pass == .united
    // Pieces of a row group, which scratch has room for; also where the last layer goes on with one token.
    let pieces = RowPieces(layer.up, tokens: max(count, 2))
    member.pieces(pieces.count) { piece in
      let rows = pieces[piece].rows
      if let predictor, let predicted {
        clock.enter(.predictor, member: member)
        score(predictor, neurons: rows, of: predicted, count: count, worker: member.index)
        clock.enter(.gateUp, member: member)
      }
      if isUnited {
        computeUnion(layer, index: index, neurons: rows, of: input, count: count, member)
        return
      }
      if let gate = layer.gate {
        kernels.multiply(gate, rows: rows, by: input, tokens: 0..<count, into: work.gate, stride: f)
      }
      projections.project(layer.up, rows, bias: layer.upBias, of: input, count: count, into: work.up)
      clock.enter(.activation, member: member)
      for t in 0..<count { activate(at: t * f + rows.lowerBound, count: rows.count) }
      if let observer {
        observer.observe(
          NeuronView(
            layer: index, worker: member.index, neurons: rows, tokens: count, stride: f,
            gate: layer.gate == nil ? nil : UnsafePointer(work.gate), up: work.up, hidden: work.hidden.values,
            prediction: predictor == nil ? nil : UnsafePointer(scratch.scores)))
      }
      if pass == .masked { mask(layer, index: index, neurons: rows, count: count, member) }
      clock.enter(.gateUp, member: member)
    }
  }

  /// Sets to 0 what decoding would not compute.
  private func mask(_ layer: LayerWeights, index: Int, neurons: Range<Int>, count: Int, _ member: Member) {
    let f = configuration.feedForwardSize
    switch trial.current[index] {
    case .dense, .gate: return
    case .predictor(let threshold):
      for t in 0..<count {
        let (scores, hidden) = (scratch.scores + t * f, work.hidden.values + t * f)
        for neuron in neurons where scores[neuron] < threshold { hidden[neuron] = 0 }
      }
    case .threshold(let threshold):
      let own = scratch.own[member.index]
      for t in 0..<count {
        let hidden = work.hidden.values + t * f
        let start = (layer.gate == nil ? work.up : work.gate) + t * f + neurons.lowerBound
        own.gate.update(from: start, count: neurons.count)
        activateGate(own.gate, count: neurons.count)
        for neuron in neurons where abs(own.gate[neuron - neurons.lowerBound]) < threshold { hidden[neuron] = 0 }
      }
    }
  }

  /// Neurons that are active for any of a few tokens, each for the tokens it is active for. At most a piece of them.
  private func computeUnion(
    _ layer: LayerWeights, index: Int, neurons: Range<Int>, of input: Activations, count: Int, _ member: Member
  ) {
    let (own, stride, f) = (scratch.own[member.index], RowPieces.rowGroup, configuration.feedForwardSize)
    for t in 0..<count {
      (work.hidden.values + t * f + neurons.lowerBound).update(repeating: 0, count: neurons.count)
    }
    var threshold: Float?
    if case .threshold(let value) = trial.current[index] { threshold = value }
    let gate = layer.gate ?? layer.up
    var listed = listCandidates(layer: index, neurons: neurons, count: count, own)
    kernels.multiply(
      gate, listed: own.listed(listed), by: input, tokens: 0..<count,
      into: own.gate, stride: stride)
    for t in 0..<count {
      if layer.gate == nil { addUpBias(layer, to: own.gate + t * stride, own.list, count: listed) }
      if threshold != nil { activateGate(own.gate + t * stride, count: listed) }
    }
    listed = dropSilent(threshold: threshold, count: count, listed: listed, own)
    if layer.gate != nil {
      kernels.multiply(
        layer.up, listed: own.listed(listed), by: input,
        tokens: 0..<count, into: own.up, stride: stride)
    }
    for t in 0..<count {
      activateListed(layer, threshold: threshold, gate: own.gate + t * stride, up: own.up + t * stride, own, listed)
      let hidden = work.hidden.values + t * f
      for entry in 0..<listed where own.tokens[entry] >> UInt8(t) & 1 == 1 {
        hidden[Int(own.list[entry])] = own.up[t * stride + entry]
      }
    }
  }

  /// Lists the neurons that some token may need, with the tokens that may need them.
  private func listCandidates(layer: Int, neurons: Range<Int>, count: Int, _ own: NeuronScratch.Own) -> Int {
    let f = configuration.feedForwardSize
    let everyone = UInt8(1) << UInt8(count) - 1
    var listed = 0
    for neuron in neurons {
      var tokens = everyone
      if case .predictor(let threshold) = trial.current[layer] {
        tokens = 0
        for t in 0..<count where !(scratch.scores[t * f + neuron] < threshold) { tokens |= 1 << UInt8(t) }
      }
      own.list[listed] = UInt32(truncatingIfNeeded: neuron)
      own.tokens[listed] = tokens
      listed += tokens == 0 ? 0 : 1
    }
    return listed
  }

  /// Takes from the list what turned out silent, or below the threshold, for all tokens.
  private func dropSilent(threshold: Float?, count: Int, listed: Int, _ own: NeuronScratch.Own) -> Int {
    guard threshold != nil || configuration.activation == .relu else { return listed }
    let stride = RowPieces.rowGroup
    var kept = 0
    for entry in 0..<listed {
      var tokens: UInt8 = 0
      for t in 0..<count {
        let gate = own.gate[t * stride + entry]
        let isSilent = threshold.map { abs(gate) < $0 } ?? (gate <= 0)
        tokens |= (isSilent ? 0 : 1) << UInt8(t)
        own.gate[t * stride + kept] = gate
      }
      own.list[kept] = own.list[entry]
      own.tokens[kept] = own.tokens[entry] & tokens
      kept += own.tokens[kept] == 0 ? 0 : 1
    }
    return kept
  }

  /// up = what the listed neurons give for a token; with a threshold, `gate` is activated already.
  private func activateListed(
    _ layer: LayerWeights, threshold: Float?, gate: UnsafePointer<Float>, up: UnsafeMutablePointer<Float>,
    _ own: NeuronScratch.Own, _ listed: Int
  ) {
    if layer.gate != nil { addUpBias(layer, to: up, own.list, count: listed) }
    switch (layer.gate, threshold) {
    case (nil, nil): activate(gate: gate, up: gate, into: up, count: listed)
    case (nil, .some): up.update(from: gate, count: listed)
    case (.some, nil): activate(gate: gate, up: up, into: up, count: listed)
    case (.some, .some):
      if configuration.architecture.gating == .gatedBoth { kernels.relu(up, into: up, count: listed) }
      kernels.multiplyElements(gate, up, into: up, count: listed)
    }
  }
}
