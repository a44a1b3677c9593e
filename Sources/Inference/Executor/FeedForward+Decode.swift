import Kernels
import Model
import Sparsity

// One token by itself. A worker takes some neurons at a time through all steps: which are active, their gates, which of these
// are silent after all, the rest of them.
extension FeedForward {
  /// hidden = what every neuron gives, 0 where it is not computed. The caller syncs.
  func computeListed(_ layer: LayerWeights, index: Int, of input: Activations, _ member: Member) {
    let source = trial.current[index]
    if member.index == 0, source != .dense { counters.addToken(layer: index) }
    switch source {
    case .dense: computeAll(layer, index: index, of: input, member)
    case .gate: computeByGate(layer, index: index, threshold: nil, of: input, member)
    case .threshold(let threshold): computeByGate(layer, index: index, threshold: threshold, of: input, member)
    case .predictor(let threshold): computeByPrediction(layer, index: index, threshold: threshold, of: input, member)
    }
  }

  private func computeAll(_ layer: LayerWeights, index: Int, of input: Activations, _ member: Member) {
    clock.enter(.gateUp, member: member)
    let pieces = RowPieces(layer.up, tokens: 1)
    member.pieces(pieces.count) { piece in
      let rows = pieces[piece].rows
      if let gate = layer.gate {
        kernels.multiply(gate, rows: rows, by: input, tokens: 0..<1, into: work.gate, stride: 0)
      }
      projections.project(layer.up, rows, bias: layer.upBias, of: input, count: 1, into: work.up)
      clock.enter(.activation, member: member)
      activate(at: rows.lowerBound, count: rows.count)
      clock.enter(.gateUp, member: member)
    }
  }

  /// Every gate is computed, the rest only where it is not silent, or reaches the threshold. Without a gate it is the neuron
  /// itself that is compared, and only its row of the down projection that is spared.
  private func computeByGate(
    _ layer: LayerWeights, index: Int, threshold: Float?, of input: Activations, _ member: Member
  ) {
    clock.enter(.gateUp, member: member)
    let gate = layer.gate ?? layer.up
    let pieces = NeuronPieces(neurons: gate.rows, bytesPerNeuron: gate.rowBytes)
    let own = scratch.own[member.index]
    member.pieces(pieces.count) { piece in
      let neurons = pieces[piece]
      (work.hidden.values + neurons.lowerBound).update(repeating: 0, count: neurons.count)
      kernels.multiply(
        gate, rows: neurons, by: input, tokens: 0..<1, into: own.gate - neurons.lowerBound, stride: 0)
      if layer.gate == nil, let bias = layer.upBias {
        kernels.add(bias.values + neurons.lowerBound, to: own.gate, count: neurons.count)
      }
      // Silent is what ReLU makes 0 of.
      if threshold != nil { activateGate(own.gate, count: neurons.count) }
      let rule = threshold.map { SelectionRule.magnitude($0) } ?? .above(0)
      let numbers = UInt32(neurons.lowerBound)..<UInt32(neurons.upperBound)
      let count = kernels.select(own.gate, numbers: numbers, by: rule, into: own.list, values: own.gate)
      if layer.gate != nil {
        multiplyUp(layer, own, count: count, by: input)
        if threshold != nil {
          if configuration.architecture.gating == .gatedBoth { kernels.relu(own.up, into: own.up, count: count) }
          kernels.multiplyElements(own.gate, own.up, into: own.up, count: count)
        } else {
          activate(gate: own.gate, up: own.up, into: own.up, count: count)
        }
        scatter(own.up, own.list, count: count)
      } else {
        scatter(own.gate, own.list, count: count)
      }
      counters.add(layer: index, worker: member.index, computed: count, fired: count)
    }
  }

  private func computeByPrediction(
    _ layer: LayerWeights, index: Int, threshold: Float, of input: Activations, _ member: Member
  ) {
    guard let predictor = plan.layers[index].predictor else { return }
    let hidden = predict(predictor, layer: index, count: 1, member)
    let own = scratch.own[member.index]
    let gateBytes = (layer.gate ?? layer.up).rowBytes
    // The hot neurons first: each is three rows, and what comes last should be short.
    let hot = NeuronPieces(neurons: predictor.hot.count, bytesPerNeuron: 2 * gateBytes)
    member.pieces(hot.count) { piece in
      let some = hot[piece]
      own.list.update(from: predictor.hot.baseAddress! + some.lowerBound, count: some.count)
      for entry in 0..<some.count { work.hidden.values[Int(own.list[entry])] = 0 }
      computeList(layer, index: index, own, count: some.count, of: input, member)
    }
    let cold = NeuronPieces(neurons: predictor.askedCount, bytesPerNeuron: predictor.fc2.rowBytes + gateBytes / 2)
    member.pieces(cold.count) { piece in
      clock.enter(.predictor, member: member)
      let rows = cold[piece]
      kernels.multiply(
        predictor.fc2, rows: rows, by: hidden, tokens: 0..<1, into: own.gate - rows.lowerBound, stride: 0)
      let asked = predictor.asked?.baseAddress.map { $0 + rows.lowerBound }
      if let asked {
        for entry in 0..<rows.count { work.hidden.values[Int(asked[entry])] = 0 }
      } else {
        (work.hidden.values + rows.lowerBound).update(repeating: 0, count: rows.count)
      }
      let rule = SelectionRule.from(threshold)
      let count =
        if let asked {
          kernels.select(own.gate, list: asked, count: rows.count, by: rule, into: own.list)
        } else {
          kernels.select(
            own.gate, numbers: UInt32(rows.lowerBound)..<UInt32(rows.upperBound), by: rule, into: own.list)
        }
      computeList(layer, index: index, own, count: count, of: input, member)
    }
  }

  /// The neurons on a worker's list, whose silent ones are dropped before they cost more than their gate.
  private func computeList(
    _ layer: LayerWeights, index: Int, _ own: NeuronScratch.Own, count: Int, of input: Activations, _ member: Member
  ) {
    clock.enter(.gateUp, member: member)
    let listed = UnsafeBufferPointer(start: UnsafePointer(own.list), count: count)
    var fired = count
    if let gate = layer.gate {
      kernels.multiply(gate, listed: listed, by: input, tokens: 0..<1, into: own.gate, stride: 0)
      if configuration.activation == .relu {
        fired = kernels.select(
          own.gate, list: own.list, count: count, by: .above(0), into: own.list, values: own.gate)
      }
      multiplyUp(layer, own, count: fired, by: input)
      activate(gate: own.gate, up: own.up, into: own.up, count: fired)
    } else {
      multiplyUp(layer, own, count: count, by: input)
      activate(gate: own.gate, up: own.up, into: own.up, count: count)
      if configuration.activation == .relu {
        fired = kernels.select(own.up, list: own.list, count: count, by: .above(0), into: own.list, values: own.up)
      }
    }
    scatter(own.up, own.list, count: fired)
    counters.add(layer: index, worker: member.index, computed: count, fired: fired)
  }

  /// up = up projections of the listed neurons, with their biases.
  private func multiplyUp(
    _ layer: LayerWeights, _ own: NeuronScratch.Own, count: Int, by input: Activations
  ) {
    let listed = UnsafeBufferPointer(start: UnsafePointer(own.list), count: count)
    kernels.multiply(layer.up, listed: listed, by: input, tokens: 0..<1, into: own.up, stride: 0)
    addUpBias(layer, to: own.up, own.list, count: count)
  }

  /// values += the biases of the listed neurons.
  func addUpBias(
    _ layer: LayerWeights, to values: UnsafeMutablePointer<Float>, _ list: UnsafePointer<UInt32>, count: Int
  ) {
    guard let bias = layer.upBias else { return }
    for entry in 0..<count { values[entry] += bias.values[Int(list[entry])] }
  }

  private func scatter(_ values: UnsafePointer<Float>, _ list: UnsafePointer<UInt32>, count: Int) {
    let hidden = work.hidden.values
    for entry in 0..<count { hidden[Int(list[entry])] = values[entry] }
  }
}

/// Neurons of a layer cut into pieces of about the same number of bytes, all multiples of a row group.
struct NeuronPieces {
  /// Short enough that lists of different lengths even out, long enough that a piece is no mere overhead.
  static let bytes = 64 << 10
  private let neurons: Int
  private let perPiece: Int

  init(neurons: Int, bytesPerNeuron: Int) {
    self.neurons = neurons
    let group = RowPieces.rowGroup
    perPiece = min(max(1, Self.bytes / max(bytesPerNeuron * group, 1)) * group, NeuronScratch.pieceCapacity)
  }

  var count: Int { (neurons + perPiece - 1) / perPiece }

  subscript(piece: Int) -> Range<Int> { piece * perPiece..<min(neurons, (piece + 1) * perPiece) }
}
