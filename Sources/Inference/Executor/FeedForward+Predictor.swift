import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

// Predictions: which neurons of a layer will fire, before any of them is computed (PowerInfer §5.1, spec §4.1).
extension FeedForward {
  /// The layer's predictor, if the current pass asks it.
  func predictor(layer: Int) -> NeuronPredictor? {
    pass == .all && observer == nil ? nil : plan.layers[layer].predictor
  }

  /// Keeps the residual as it is now for the layer's predictor, which never sees it normalised. For several tokens the caller
  /// syncs before ``predict(_:layer:count:_:)``.
  func notePredictorInput(layer: Int, count: Int, _ member: Member) {
    if let observer {
      let tokens = member.share(of: count)
      if !tokens.isEmpty {
        observer.observe(
          PredictorInputView(
            layer: layer, worker: member.index, tokens: tokens, stride: configuration.hiddenSize, values: work.residual)
        )
      }
    }
    guard let predictor = predictor(layer: layer) else { return }
    clock.enter(.predictor, member: member)
    let d = configuration.hiddenSize
    func note(_ t: Int, into input: Activations) {
      input.row(t).update(from: work.residual + t * d, count: d)
      if predictor.fc1.format.usesQuantizedActivations { input.quantize(tokens: t..<t + 1, using: kernels) }
    }
    if count == 1 {
      // Every worker for itself, which costs less than a barrier. The only token of a batch is computed as a batch is.
      scratch.own[member.index].predictorInput.order = .rows
      note(0, into: scratch.own[member.index].predictorInput)
    } else {
      if member.index == 0 { scratch.predictorInput.order = kernels.order(forTokens: count) }
      clock.sync(member)
      member.pieces(count) { note($0, into: scratch.predictorInput) }
      clock.sync(member)
    }
  }

  /// relu(fc1 · p), ready for products with fc2: this worker's own copy for one token, everyone's for more. In step.
  func predict(_ predictor: NeuronPredictor, layer: Int, count: Int, _ member: Member) -> Activations {
    clock.enter(.predictor, member: member)
    let rank = scratch.ranks[layer]
    let input = count == 1 ? scratch.own[member.index].predictorInput : scratch.predictorInput
    let pieces = RowPieces(predictor.fc1, tokens: count, atLeast: member.count)
    member.pieces(pieces.count) { piece in
      kernels.multiply(
        predictor.fc1, rows: pieces[piece].rows, by: input, tokens: 0..<count, into: rank.hidden, stride: predictor.rank
      )
    }
    if count > 1, member.index == 0 { rank.rectified.order = kernels.order(forTokens: count) }
    clock.sync(member)
    func rectify(_ t: Int, into output: Activations) {
      kernels.relu(rank.hidden + t * predictor.rank, into: output.row(t), count: predictor.rank)
      if predictor.fc2.format.usesQuantizedActivations { output.quantize(tokens: t..<t + 1, using: kernels) }
    }
    if count == 1 {
      rectify(0, into: rank.own[member.index])
      return rank.own[member.index]
    }
    member.pieces(count) { rectify($0, into: rank.rectified) }
    clock.sync(member)
    return rank.rectified
  }

  /// Predictions of some neurons of a layer, in the file's order, for a batch of tokens: scores[t * f + neuron]. Neurons that
  /// are not asked about are certain.
  func score(
    _ predictor: NeuronPredictor, neurons: Range<Int>, of hidden: Activations, count: Int, worker: Int
  ) {
    let f = configuration.feedForwardSize
    guard let asked = predictor.asked else {
      kernels.multiply(predictor.fc2, rows: neurons, by: hidden, tokens: 0..<count, into: scratch.scores, stride: f)
      return
    }
    let begin = asked.partitioningIndex { $0 >= neurons.lowerBound }
    let end = asked.partitioningIndex { $0 >= neurons.upperBound }
    let (own, stride) = (scratch.own[worker].scores, RowPieces.rowGroup)
    kernels.multiply(
      predictor.fc2, rows: begin..<end, by: hidden, tokens: 0..<count, into: own - begin, stride: stride)
    for t in 0..<count {
      let scores = scratch.scores + t * f
      for neuron in neurons { scores[neuron] = .infinity }
      for row in begin..<end { scores[Int(asked[row])] = own[t * stride + row - begin] }
    }
  }
}

extension UnsafeBufferPointer {
  /// The first index whose element satisfies the predicate, which holds for all after one that it holds for.
  func partitioningIndex(where holds: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if holds(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
