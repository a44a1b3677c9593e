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
    let pieces = BatchPieces(neurons: f, workers: worker.count, areLong: pass == .listed)
    worker.pieces(pieces.count) { piece in
      let neurons = pieces[piece]
      if let resident = resident[index], !resident[neurons].contains(true) {
        for t in 0..<count {
          (work.shared.hidden.row(t) + neurons.lowerBound).update(repeating: 0, count: neurons.count)
        }
        return
      }
      if let predictor, let predicted {
        worker.enter(.predictor)
        // Scratch has room for a row group.
        for start in stride(from: neurons.lowerBound, to: neurons.upperBound, by: RowPieces.rowGroup) {
          let group = start..<min(start + RowPieces.rowGroup, neurons.upperBound)
          score(predictor, neurons: group, of: predicted, rows: rows, worker: worker.index)
        }
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
      if pass == .listed {
        computeLists(layer, index: index, neurons: neurons, of: input, count: count, worker)
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

  /// What some neurons give, each row by a list of its own: those that may be active for it. At most as many neurons
  /// as a piece of a row alone has.
  private func computeLists(
    _ layer: LayerWeights, index: Int, neurons: Range<Int>, of input: Activations, count: Int, _ worker: Worker
  ) {
    let (own, f) = (scratch.own[worker.index], configuration.feedForwardSize)
    let numbers = UInt32(neurons.lowerBound)..<UInt32(neurons.upperBound)
    let gate = layer.gate ?? layer.up
    let gateBias = layer.gate == nil ? layer.upBias : layer.gateBias
    let (least, threshold): (Float?, Float?) =
      switch source(index) {
      case .dense, .gate: (nil, nil)
      case .threshold(let value): (nil, value)
      case .predictor(let score): (score, nil)
      case .bits(_, let value): (0, value)
      }
    if least == nil {
      projections.project(gate, neurons, bias: gateBias, of: input, tokens: 0..<count, into: work.gate)
    }
    let isSelecting = threshold != nil || configuration.activation == .relu
    for t in 0..<count {
      let hidden = work.shared.hidden.row(t)
      (hidden + neurons.lowerBound).update(repeating: 0, count: neurons.count)
      var listed = neurons.count
      if let least {
        listed = kernels.select(
          scratch.scores + t * f + neurons.lowerBound, numbers: numbers, by: .from(least), into: own.list)
        kernels.multiply(gate, listed: own.listed(listed), by: input, tokens: t..<t + 1, into: own.gate, stride: 0)
        addBias(gateBias, to: own.gate, own.list, count: listed)
        if threshold != nil { activateGate(own.gate, count: listed) }
        if isSelecting {
          listed = kernels.select(
            own.gate, list: own.list, count: listed, by: Self.rule(threshold), into: own.list, values: own.gate)
        }
      } else {
        let gates = work.gate + t * f + neurons.lowerBound
        if threshold != nil { activateGate(gates, count: listed) }
        if isSelecting {
          listed = kernels.select(
            gates, numbers: numbers, by: Self.rule(threshold), into: own.list, values: own.gate)
        } else {
          own.gate.update(from: gates, count: listed)
          listed = own.list(all: numbers)
        }
      }
      if layer.gate != nil {
        kernels.multiply(layer.up, listed: own.listed(listed), by: input, tokens: t..<t + 1, into: own.up, stride: 0)
      }
      activateListed(layer, threshold: threshold, gate: own.gate, up: own.up, own, listed)
      for entry in 0..<listed { hidden[Int(own.list[entry])] = own.up[entry] }
    }
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

/// A layer's neurons, cut into pieces for several rows.
private struct BatchPieces {
  private let neurons: Int
  private let perPiece: Int

  var count: Int { (neurons + perPiece - 1) / perPiece }

  subscript(piece: Int) -> Range<Int> { piece * perPiece..<min(neurons, (piece + 1) * perPiece) }

  /// - Parameter areLong: whether pieces are as long as those of a row alone (shorter only if workers would be idle), because short
  ///   lists leave vector lanes empty.
  init(neurons: Int, workers: Int, areLong: Bool) {
    self.neurons = neurons
    let group = RowPieces.rowGroup
    let share = neurons / (2 * workers * group) * group
    perPiece = areLong ? max(group, min(NeuronPieces.perPiece(neurons: neurons), share)) : group
  }
}
