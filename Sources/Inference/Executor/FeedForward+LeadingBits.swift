import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// What the leading bits of a layer are asked: which neurons may fire.
struct LeadingQuestion {
  let weights: LeadingWeights
  let layer: LayerWeights
  /// Standard deviations by which they may be wrong.
  let margin: Float
  /// What an activation must reach, for gates that are never silent.
  let threshold: Float?
}

// Which neurons may fire, by the leading bits of their gates: the product with these, and the size of what the other bits add.
extension FeedForward {
  /// What is asked of a layer, if these rows ask its leading bits.
  func question(_ layer: LayerWeights, index: Int, _ rows: RowGroup) -> LeadingQuestion? {
    guard !asking(rows).isEmpty, case .bits(let margin, let threshold) = source(index),
      let weights = plan.layers[index].leading
    else { return nil }
    return LeadingQuestion(weights: weights, layer: layer, margin: margin, threshold: threshold)
  }

  /// The rows that ask: those that may leave out neurons, or all for an observer.
  func asking(_ rows: RowGroup) -> Range<Int> { observer == nil ? rows.skipping : 0..<rows.count }

  /// Arranges the rows that ask. Whatever products their batch is computed by, they are asked about as a row alone is. In step.
  func arrange(_ input: Activations, _ rows: RowGroup, _ worker: Worker) {
    worker.enter(.leadingBits)
    let asking = asking(rows)
    worker.pieces(asking.count) { slot in
      let form = scratch.own[worker.index].rowForm
      form.row(0).update(from: input.row(asking.lowerBound + slot), count: input.columns)
      form.quantize(tokens: 0..<1, using: kernels)
      kernels.arrange(form, token: 0, into: scratch.leading, slot: slot)
    }
    worker.sync()
  }

  /// Writes for some rows of leading bits, at most a piece, by how many deviations the margin is wider than it would have to be: a number below 0 where
  /// their neurons give nothing, as far as the margin reaches. With a threshold, by how much their activation may exceed it.
  ///
  /// - Parameter target: [rows]; not a buffer of `own` but its gates.
  func ask(
    _ question: LeadingQuestion, rows: Range<Int>, of input: LeadingInput, slot: Int,
    into target: UnsafeMutablePointer<Float>, _ own: NeuronScratch.Own
  ) {
    let (layer, margin, count) = (question.layer, question.margin, rows.count)
    let deviation = own.up
    kernels.leadingProducts(
      question.weights.gate.matrix, rows: rows, by: input, slot: slot, into: target, deviation: deviation)
    addBias(layer.gate == nil ? layer.upBias : layer.gateBias, question.weights, rows: rows, to: target)
    if let threshold = question.threshold {
      let lowest = own.scores
      kernels.triad(target, deviation, factor: -margin, count: count, into: lowest)
      kernels.triad(target, deviation, factor: margin, count: count, into: target)
      reach(from: lowest, to: target, above: threshold, count: count, own)
      return
    }
    for index in 0..<count { target[index] = target[index] / deviation[index] + margin }
    guard let up = question.weights.up else { return }
    let other = own.scores
    kernels.leadingProducts(up.matrix, rows: rows, by: input, slot: slot, into: other, deviation: deviation)
    addBias(layer.upBias, question.weights, rows: rows, to: other)
    // Both must be able to fire; what is no number may.
    for index in 0..<count {
      let score = other[index] / deviation[index] + margin
      if score < target[index] { target[index] = score }
    }
  }

  /// The same for some neurons of a layer and one of several rows: scores[neuron], −∞ for neurons whose leading bits are not here.
  func ask(
    _ question: LeadingQuestion, neurons: Range<Int>, of input: LeadingInput, slot: Int,
    scores: UnsafeMutablePointer<Float>, _ own: NeuronScratch.Own
  ) {
    let rows = question.weights.rows(of: neurons)
    guard let numbers = question.weights.neurons else {
      return ask(question, rows: rows, of: input, slot: slot, into: scores + rows.lowerBound, own)
    }
    (scores + neurons.lowerBound).update(repeating: -.infinity, count: neurons.count)
    ask(question, rows: rows, of: input, slot: slot, into: own.gate, own)
    for (entry, row) in rows.enumerated() { scores[Int(numbers[row])] = own.gate[entry] }
  }

  private func addBias(
    _ bias: Vector?, _ weights: LeadingWeights, rows: Range<Int>, to values: UnsafeMutablePointer<Float>
  ) {
    guard let bias else { return }
    if let neurons = weights.neurons {
      for (entry, row) in rows.enumerated() { values[entry] += bias.values[Int(neurons[row])] }
    } else {
      kernels.add(bias.values + rows.lowerBound, to: values, count: rows.count)
    }
  }

  /// highest = the largest |activation| between each pair of numbers, less the threshold.
  private func reach(
    from lowest: UnsafeMutablePointer<Float>, to highest: UnsafeMutablePointer<Float>, above threshold: Float,
    count: Int, _ own: NeuronScratch.Own
  ) {
    let dip = configuration.activation.dip
    let hasDip = own.other
    for index in 0..<count { hasDip[index] = lowest[index] < dip.place && dip.place < highest[index] ? 1 : 0 }
    activateGate(lowest, count: count)
    activateGate(highest, count: count)
    for index in 0..<count {
      let (a, b) = (abs(lowest[index]), abs(highest[index]))
      var most = a > b || a.isNaN ? a : b
      if hasDip[index] == 1, most < dip.depth { most = dip.depth }
      highest[index] = most - threshold
    }
  }
}

extension Activation {
  /// Where the activation is least, and how far below 0 it is there: x · sigmoid(x) and x · Φ(x) fall before they rise.
  fileprivate var dip: (place: Float, depth: Float) {
    switch self {
    case .relu: (0, 0)
    case .silu: (-1.2784645, 0.27846455)
    case .gelu: (-0.7517915, 0.16997121)
    }
  }
}

extension LeadingWeights {
  /// Replaces the row numbers in a list by the numbers of their neurons.
  func replaceRowsByNeurons(_ list: UnsafeMutablePointer<UInt32>, count: Int) {
    guard let neurons else { return }
    for entry in 0..<count { list[entry] = neurons[Int(list[entry])] }
  }

  /// The rows of listed neurons, ascending, all of which are here.
  ///
  /// - Parameter space: [list], where they are written if they are not the neurons themselves.
  func rows(
    of list: UnsafeBufferPointer<UInt32>, into space: UnsafeMutablePointer<UInt32>
  ) -> UnsafeBufferPointer<UInt32> {
    guard neurons != nil else { return list }
    for (entry, neuron) in list.enumerated() {
      space[entry] = UInt32(rows(of: Int(neuron)..<Int(neuron)).lowerBound)
    }
    return UnsafeBufferPointer(start: UnsafePointer(space), count: list.count)
  }
}
