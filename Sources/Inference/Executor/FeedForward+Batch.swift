import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

// Several rows at once.
extension FeedForward {
  /// hidden = what every neuron gives for every row. The caller syncs.
  func computeBatch(_ layer: LayerWeights, index: Int, of input: Activations, rows: RowGroup, _ worker: Worker) {
    let count = rows.count
    let predictor = predictor(layer: index, rows)
    let predicting = predicting(rows)
    // A row alone has not waited since the first worker kept what predictors read.
    if predictor != nil, rows.isAlone { worker.sync() }
    let predicted = predictor.map { predict($0, layer: index, rows: predicting, worker) }
    let leading = question(layer, index: index, rows)
    if leading != nil { arrange(input, rows, worker) }
    worker.enter(.gateUp)
    let f = configuration.feedForwardSize
    let isUnited = pass == .united
    // Pieces of a row group, which scratch has room for; also where the last layer goes on with one row.
    let pieces = RowPieces(layer.up, tokens: max(count, 2))
    worker.pieces(pieces.count) { piece in
      let neurons = pieces[piece].rows
      if let resident = resident[index], !resident[neurons].contains(true) {
        for t in 0..<count {
          (work.shared.hidden.row(t) + neurons.lowerBound).update(repeating: 0, count: neurons.count)
        }
        return
      }
      if let predictor, let predicted {
        worker.enter(.predictor)
        score(predictor, neurons: neurons, of: predicted, rows: rows, worker: worker.index)
        worker.enter(.gateUp)
      }
      if let predictions { take(predictions, layer: index, neurons: neurons, rows: rows) }
      if let leading {
        worker.enter(.leadingBits)
        let asking = asking(rows)
        for t in asking {
          ask(
            leading, neurons: neurons, of: scratch.leading, slot: t - asking.lowerBound,
            scores: scratch.scores + t * f, scratch.own[worker.index])
        }
        worker.enter(.gateUp)
      }
      if isUnited {
        computeUnion(layer, index: index, neurons: neurons, of: input, count: count, worker)
        for t in 0..<count { silenceOthers(index, neurons, row: t) }
        return
      }
      if let gate = layer.gate {
        projections.project(gate, neurons, bias: layer.gateBias, of: input, tokens: 0..<count, into: work.gate)
      }
      projections.project(layer.up, neurons, bias: layer.upBias, of: input, tokens: 0..<count, into: work.up)
      worker.enter(.activation)
      for t in 0..<count { activate(at: t * f + neurons.lowerBound, count: neurons.count) }
      if let observer {
        observer.observe(
          NeuronView(
            layer: index, worker: worker.index, neurons: neurons, tokens: count, stride: f,
            gate: layer.gate == nil ? nil : UnsafePointer(work.gate), up: work.up, hidden: work.shared.hidden.values,
            prediction: predictor == nil && leading == nil ? nil : UnsafePointer(scratch.scores)))
      }
      mask(layer, index: index, neurons: neurons, rows: rows.skipping, worker)
      for t in 0..<count { silenceOthers(index, neurons, row: t) }
      worker.enter(.gateUp)
    }
  }

  /// Sets to 0 what decoding would not compute.
  private func mask(
    _ layer: LayerWeights, index: Int, neurons: Range<Int>, rows: Range<Int>, _ worker: Worker
  ) {
    let f = configuration.feedForwardSize
    func mask(scoresBelow least: Float) {
      for t in rows {
        let (scores, hidden) = (scratch.scores + t * f, work.shared.hidden.row(t))
        for neuron in neurons where scores[neuron] < least { hidden[neuron] = 0 }
      }
    }
    func mask(magnitudesBelow threshold: Float) {
      let own = scratch.own[worker.index]
      for t in rows {
        let hidden = work.shared.hidden.row(t)
        let start = (layer.gate == nil ? work.up : work.gate) + t * f + neurons.lowerBound
        own.gate.update(from: start, count: neurons.count)
        activateGate(own.gate, count: neurons.count)
        for neuron in neurons where abs(own.gate[neuron - neurons.lowerBound]) < threshold { hidden[neuron] = 0 }
      }
    }
    switch source(index) {
    case .dense, .gate: return
    case .predictor(let threshold): mask(scoresBelow: threshold)
    case .threshold(let threshold): mask(magnitudesBelow: threshold)
    case .bits(_, let threshold):
      mask(scoresBelow: 0)
      if let threshold { mask(magnitudesBelow: threshold) }
    }
  }

  /// Neurons that are active for any of a few rows, each for the rows it is active for. At most a piece of them.
  private func computeUnion(
    _ layer: LayerWeights, index: Int, neurons: Range<Int>, of input: Activations, count: Int, _ worker: Worker
  ) {
    let (own, stride) = (scratch.own[worker.index], RowPieces.rowGroup)
    for t in 0..<count {
      (work.shared.hidden.row(t) + neurons.lowerBound).update(repeating: 0, count: neurons.count)
    }
    let threshold: Float? =
      switch source(index) {
      case .threshold(let value): value
      case .bits(_, let value): value
      case .dense, .gate, .predictor: nil
      }
    let gate = layer.gate ?? layer.up
    var listed = listCandidates(layer: index, neurons: neurons, count: count, own)
    kernels.multiply(
      gate, listed: own.listed(listed), by: input, tokens: 0..<count,
      into: own.gate, stride: stride)
    for t in 0..<count {
      addBias(
        layer.gate == nil ? layer.upBias : layer.gateBias, to: own.gate + t * stride, own.list, count: listed)
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
      let hidden = work.shared.hidden.row(t)
      for entry in 0..<listed where own.tokens[entry] >> UInt32(t) & 1 == 1 {
        hidden[Int(own.list[entry])] = own.up[t * stride + entry]
      }
    }
  }

  /// Lists the neurons that some token may need, with the tokens that may need them.
  private func listCandidates(layer: Int, neurons: Range<Int>, count: Int, _ own: NeuronScratch.Own) -> Int {
    let f = configuration.feedForwardSize
    let everyone = UInt32(1) << UInt32(count) - 1
    let least: Float? =
      switch source(layer) {
      case .predictor(let threshold): threshold
      case .bits: 0
      case .dense, .gate, .threshold: nil
      }
    var listed = 0
    for neuron in neurons {
      var tokens = everyone
      if let threshold = least {
        tokens = 0
        for t in 0..<count where !(scratch.scores[t * f + neuron] < threshold) { tokens |= 1 << UInt32(t) }
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
      var tokens: UInt32 = 0
      for t in 0..<count {
        let gate = own.gate[t * stride + entry]
        let isSilent = threshold.map { abs(gate) < $0 } ?? (gate <= 0)
        tokens |= (isSilent ? 0 : 1) << UInt32(t)
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
    if layer.gate != nil { addBias(layer.upBias, to: up, own.list, count: listed) }
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
