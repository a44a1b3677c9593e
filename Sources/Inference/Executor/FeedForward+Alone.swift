import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

// A row by itself. A worker takes a piece of neurons through all steps: which are active, their gates, which of these
// are silent after all, the rest of them, their rows of the down projection. Every piece sums into a row of its own; then the
// pieces are added in order. Which neurons make a piece depends on the layer alone, so results are the same bits for any number of
// workers, and those of sources that lose nothing are those of all neurons.
extension FeedForward {
  /// output = down · neurons(input) + bias, for layers with a row of the down projection per neuron. The caller syncs.
  func runAlone(
    _ layer: LayerWeights, index: Int, of input: Activations, down: Matrix, maySkip: Bool, _ worker: Worker
  ) {
    let source = maySkip ? source(index) : .dense
    if worker.leads, maySkip, source != .dense { counters.addToken(layer: index) }
    let step = AloneStep(layer: layer, index: index, input: input, down: down, pieces: pieces[index], source: source)
    var predicted: Activations?
    if case .predictor = source, let predictor = plan.layers[index].predictor {
      predicted = predict(predictor, layer: index, rows: RowGroup(count: 1, panelCount: 0, skipping: 0..<1), worker)
    }
    if case .bits = source, plan.layers[index].leading != nil {
      worker.enter(.leadingBits)
      let leading = scratch.own[worker.index].leading
      kernels.arrange(input, token: 0, into: leading, slot: 0)
    }
    worker.enter(.gateUp)
    worker.pieces(step.pieces.count) { piece in
      switch source {
      case .dense: computeAll(step, piece, worker)
      case .gate: computeByGate(step, piece, threshold: nil, worker)
      case .threshold(let threshold): computeByGate(step, piece, threshold: threshold, worker)
      case .bits(let margin, let threshold):
        computeByBits(step, piece, margin: margin, threshold: threshold, worker)
      case .predictor(let threshold):
        if let predictions {
          computeBy(predictions, step, piece, threshold: threshold, worker)
        } else {
          computeByPrediction(step, piece, predicted, threshold: threshold, worker)
        }
      }
      worker.enter(.gateUp)
    }
    worker.sync()

    worker.enter(.down)
    let columns = worker.share(of: down.columns, multiple: 16)
    let output = work.feedForwardOutput + columns.lowerBound
    output.update(repeating: 0, count: columns.count)
    for piece in 0..<step.pieces.count {
      kernels.add(scratch.sums + piece * down.columns + columns.lowerBound, to: output, count: columns.count)
    }
    if let bias = bias(of: layer, index: index) {
      kernels.add(bias.values + columns.lowerBound, to: output, count: columns.count)
    }
  }

  /// What the pieces of a layer have in common.
  private struct AloneStep {
    let layer: LayerWeights
    let index: Int
    let input: Activations
    let down: Matrix
    let pieces: NeuronPieces
    let source: ActivationSource
  }

  /// values = products of a piece's neurons with the input. Lists the piece's neurons first where they lie apart.
  ///
  /// - Returns: how many they are.
  private func multiply(
    _ matrix: Matrix, _ step: AloneStep, _ piece: Int, into values: UnsafeMutablePointer<Float>,
    _ own: NeuronScratch.Own
  ) -> Int {
    let neurons = step.pieces.ranges[piece]
    guard !step.pieces.lists.isEmpty else {
      kernels.multiply(
        matrix, rows: neurons, by: step.input, tokens: 0..<1, into: values - neurons.lowerBound, stride: 0)
      return neurons.count
    }
    let count = listResident(step, piece, own)
    kernels.multiply(matrix, listed: own.listed(count), by: step.input, tokens: 0..<1, into: values, stride: 0)
    return count
  }

  private func listResident(_ step: AloneStep, _ piece: Int, _ own: NeuronScratch.Own) -> Int {
    let part = step.pieces.lists[piece]
    for (entry, index) in part.enumerated() { own.list[entry] = step.pieces.list[index] }
    return part.count
  }

  /// Lists those of a piece's neurons whose values the rule keeps, and keeps their values.
  private func select(
    _ step: AloneStep, _ piece: Int, count: Int, by rule: SelectionRule, values: UnsafeMutablePointer<Float>,
    _ own: NeuronScratch.Own
  ) -> Int {
    if step.pieces.lists.isEmpty {
      let neurons = step.pieces.ranges[piece]
      return kernels.select(
        values, numbers: UInt32(neurons.lowerBound)..<UInt32(neurons.upperBound), by: rule, into: own.list,
        values: values)
    }
    return kernels.select(values, list: own.list, count: count, by: rule, into: own.list, values: values)
  }

  private func computeAll(_ step: AloneStep, _ piece: Int, _ worker: Worker) {
    let (layer, own) = (step.layer, scratch.own[worker.index])
    if let gate = layer.gate {
      let count = multiply(gate, step, piece, into: own.gate, own)
      addBias(layer.gateBias, step, piece, to: own.gate, own, count: count)
    }
    var count = multiply(layer.up, step, piece, into: own.up, own)
    addBias(layer.upBias, step, piece, to: own.up, own, count: count)
    worker.enter(.activation)
    activate(gate: own.gate, up: own.up, into: own.up, count: count)
    // Silent ones need no row.
    if configuration.activation == .relu {
      count = select(step, piece, count: count, by: .magnitude(.leastNonzeroMagnitude), values: own.up, own)
    } else if step.pieces.lists.isEmpty {
      let neurons = step.pieces.ranges[piece]
      count = own.list(all: UInt32(neurons.lowerBound)..<UInt32(neurons.upperBound))
    }
    addRows(step, own, count: count, values: own.up, sum: piece, worker)
  }

  /// Every gate is computed, the rest only where it is not silent, or reaches the threshold. Without a gate it is the neuron
  /// itself that is compared, and only its row of the down projection that is spared.
  private func computeByGate(_ step: AloneStep, _ piece: Int, threshold: Float?, _ worker: Worker) {
    let (layer, own) = (step.layer, scratch.own[worker.index])
    var count = multiply(layer.gate ?? layer.up, step, piece, into: own.gate, own)
    addBias(layer.gate == nil ? layer.upBias : layer.gateBias, step, piece, to: own.gate, own, count: count)
    // Silent is what ReLU makes 0 of.
    if threshold != nil { activateGate(own.gate, count: count) }
    count = select(step, piece, count: count, by: Self.rule(threshold), values: own.gate, own)
    computeGated(step, own, count: count, threshold: threshold, leading: nil, sum: piece, worker)
    counters.add(layer: step.index, worker: worker.index, computed: count, fired: count)
  }

  /// What is kept of gates: with a threshold, of activated ones.
  static func rule(_ threshold: Float?) -> SelectionRule { threshold.map { .magnitude($0) } ?? .above(0) }

  /// The leading bits of every gate are read, the others where the neuron may fire.
  private func computeByBits(
    _ step: AloneStep, _ piece: Int, margin: Float, threshold: Float?, _ worker: Worker
  ) {
    let (layer, own) = (step.layer, scratch.own[worker.index])
    guard let leading = plan.layers[step.index].leading else { return }
    worker.enter(.leadingBits)
    let question = LeadingQuestion(weights: leading, layer: layer, margin: margin, threshold: threshold)
    let rows = leading.rows(of: step.pieces.ranges[piece])
    ask(question, rows: rows, of: own.leading, slot: 0, into: own.gate, own)
    let computed = kernels.select(
      own.gate, numbers: UInt32(rows.lowerBound)..<UInt32(rows.upperBound), by: .from(0), into: own.list,
      values: own.gate)
    worker.enter(.gateUp)
    kernels.multiply(
      leading.gate.matrix, listed: own.listed(computed), by: step.input, into: own.gate, scratch: own.joined)
    leading.replaceRowsByNeurons(own.list, count: computed)
    addBias(layer.gate == nil ? layer.upBias : layer.gateBias, to: own.gate, own.list, count: computed)
    if threshold != nil { activateGate(own.gate, count: computed) }
    let fired = kernels.select(
      own.gate, list: own.list, count: computed, by: Self.rule(threshold), into: own.list, values: own.gate)
    computeGated(
      step, own, count: fired, threshold: threshold, leading: leading.up == nil ? nil : leading, sum: piece, worker)
    counters.add(layer: step.index, worker: worker.index, computed: computed, fired: fired)
  }

  /// What the listed neurons add, whose gates are known: with a threshold, activated already.
  ///
  /// - Parameter leading: has the up projection in two areas, if it is to be read there.
  private func computeGated(
    _ step: AloneStep, _ own: NeuronScratch.Own, count: Int, threshold: Float?, leading: LeadingWeights?, sum: Int,
    _ worker: Worker
  ) {
    let layer = step.layer
    kernels.prefetch(step.down, listed: own.listed(count))
    if layer.gate != nil {
      if let leading, let up = leading.up?.matrix {
        let rows = leading.rows(of: own.listed(count), into: own.other)
        kernels.multiply(up, listed: rows, by: step.input, into: own.up, scratch: own.joined)
        addBias(layer.upBias, to: own.up, own.list, count: count)
      } else {
        multiplyUp(step, own, count: count)
      }
      if threshold != nil {
        if configuration.architecture.gating == .gatedBoth { kernels.relu(own.up, into: own.up, count: count) }
        kernels.multiplyElements(own.gate, own.up, into: own.up, count: count)
      } else {
        activate(gate: own.gate, up: own.up, into: own.up, count: count)
      }
    }
    addRows(step, own, count: count, values: layer.gate == nil ? own.gate : own.up, sum: sum, worker)
  }

  /// The neurons that are predicted to fire, and the hot ones, which are not asked about.
  private func computeByPrediction(
    _ step: AloneStep, _ piece: Int, _ hidden: Activations?, threshold: Float, _ worker: Worker
  ) {
    guard let predictor = plan.layers[step.index].predictor, let hidden else { return }
    worker.enter(.predictor)
    let own = scratch.own[worker.index]
    let rule = SelectionRule.from(threshold)
    var count: Int
    if let asked = predictor.asked, let numbers = asked.baseAddress {
      let neurons = step.pieces.ranges[piece]
      let begin = asked.partitioningIndex { $0 >= neurons.lowerBound }
      let end = asked.partitioningIndex { $0 >= neurons.upperBound }
      kernels.multiply(predictor.fc2, rows: begin..<end, by: hidden, tokens: 0..<1, into: own.gate - begin, stride: 0)
      count = kernels.select(own.gate, list: numbers + begin, count: end - begin, by: rule, into: own.list)
      count = merge(predictor.hot, within: neurons, into: own, count: count)
    } else {
      let predicted = AloneStep(
        layer: step.layer, index: step.index, input: hidden, down: step.down, pieces: step.pieces, source: step.source)
      count = multiply(predictor.fc2, predicted, piece, into: own.gate, own)
      count = select(step, piece, count: count, by: rule, values: own.gate, own)
    }
    computeList(step, own, count: count, sum: piece, worker)
  }

  /// The neurons that somebody else has predicted to fire.
  private func computeBy(
    _ predictions: Predictions, _ step: AloneStep, _ piece: Int, threshold: Float, _ worker: Worker
  ) {
    let own = scratch.own[worker.index]
    var count = listResident(step, piece, own)
    count = kernels.select(
      predictions.scores + step.pieces.lists[piece].lowerBound, list: own.list, count: count, by: .from(threshold),
      into: own.list)
    computeList(step, own, count: count, sum: piece, worker)
  }

  /// Puts the hot neurons of a piece between those on the list, so that it stays ascending.
  private func merge(
    _ hot: UnsafeBufferPointer<UInt32>, within neurons: Range<Int>, into own: NeuronScratch.Own, count: Int
  ) -> Int {
    let begin = hot.partitioningIndex { $0 >= neurons.lowerBound }
    let end = hot.partitioningIndex { $0 >= neurons.upperBound }
    // From the back, so that nothing is overwritten that is still wanted.
    var (left, right, target) = (count - 1, end - 1, count + end - begin - 1)
    while right >= begin {
      if left >= 0, own.list[left] > hot[right] {
        own.list[target] = own.list[left]
        left -= 1
      } else {
        own.list[target] = hot[right]
        right -= 1
      }
      target -= 1
    }
    return count + end - begin
  }

  /// The neurons on a worker's list, whose silent ones are dropped before they cost more than their gate.
  private func computeList(_ step: AloneStep, _ own: NeuronScratch.Own, count: Int, sum: Int, _ worker: Worker) {
    worker.enter(.gateUp)
    let isRectified = configuration.activation == .relu
    var fired = count
    if let gate = step.layer.gate {
      kernels.multiply(gate, listed: own.listed(count), by: step.input, tokens: 0..<1, into: own.gate, stride: 0)
      addBias(step.layer.gateBias, to: own.gate, own.list, count: count)
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
    addRows(step, own, count: fired, values: own.up, sum: sum, worker)
    counters.add(layer: step.index, worker: worker.index, computed: count, fired: fired)
  }

  /// up = up projections of the listed neurons, with their biases.
  private func multiplyUp(_ step: AloneStep, _ own: NeuronScratch.Own, count: Int) {
    kernels.multiply(step.layer.up, listed: own.listed(count), by: step.input, tokens: 0..<1, into: own.up, stride: 0)
    addBias(step.layer.upBias, to: own.up, own.list, count: count)
  }

  /// values += the biases of a piece's neurons.
  private func addBias(
    _ bias: Vector?, _ step: AloneStep, _ piece: Int, to values: UnsafeMutablePointer<Float>, _ own: NeuronScratch.Own,
    count: Int
  ) {
    guard let bias else { return }
    if step.pieces.lists.isEmpty {
      kernels.add(bias.values + step.pieces.ranges[piece].lowerBound, to: values, count: count)
    } else {
      addBias(bias, to: values, own.list, count: count)
    }
  }

  /// values += the biases of the listed neurons.
  func addBias(
    _ bias: Vector?, to values: UnsafeMutablePointer<Float>, _ list: UnsafePointer<UInt32>, count: Int
  ) {
    guard let bias else { return }
    for entry in 0..<count { values[entry] += bias.values[Int(list[entry])] }
  }

  /// The sum of a piece = what its listed neurons give times their rows of the down projection.
  private func addRows(
    _ step: AloneStep, _ own: NeuronScratch.Own, count: Int, values: UnsafePointer<Float>, sum: Int, _ worker: Worker
  ) {
    if activity.rows > 0 { activity.note(layer: step.index, worker: worker.index, own.listed(count)) }
    worker.enter(.down)
    let target = scratch.sums + sum * step.down.columns
    target.update(repeating: 0, count: step.down.columns)
    kernels.accumulate(step.down, listed: own.listed(count), coefficients: values, into: target)
  }
}
