import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

// Predictions: which neurons of a layer will fire, before any of them is computed (PowerInfer §5.1, spec §4.1).
extension FeedForward {
  /// The layer's predictor, if these rows ask it.
  func predictor(layer: Int, _ rows: RowGroup) -> NeuronPredictor? {
    rows.skipping.isEmpty && observer == nil ? nil : plan.layers[layer].predictor
  }

  /// The rows that predictions are made for, as a group of their own: those that may leave out neurons, or all for an observer.
  func predicting(_ rows: RowGroup) -> RowGroup {
    if observer != nil { return rows }
    let count = rows.skipping.count
    return RowGroup(
      count: count, promptCount: max(0, rows.panelCount - rows.skipping.lowerBound), arithmetic: arithmetic,
      skipping: 0..<count, kernels: kernels)
  }

  /// Prepares for ``notePredictorInput(layer:row:rows:residual:_:)``; called by one worker before the others need it.
  func setPredictorPanels(_ rows: RowGroup) {
    let asking = predicting(rows)
    asking.setPanels(of: scratch.predictorInput)
    for rank in scratch.ranks { asking.setPanels(of: rank.rectified) }
  }

  /// Keeps a row's residual as it is now, never normalised, for the layer's predictor; for a row alone in this worker's buffers.
  func notePredictorInput(
    layer: Int, row: Int, rows: RowGroup, residual: UnsafePointer<Float>, _ worker: Worker
  ) {
    guard let predictor = predictor(layer: layer, rows) else { return }
    let first = observer == nil ? rows.skipping.lowerBound : 0
    guard row >= first else { return }
    // Where a row alone is computed as batches are, one worker writes for all.
    if pass != .alone, rows.isAlone, !worker.leads { return }
    let input = pass == .alone ? scratch.own[worker.index].predictorInput : scratch.predictorInput
    input.row(row - first).update(from: residual, count: configuration.hiddenSize)
    if predictor.fc1.format.usesQuantizedActivations {
      input.quantize(tokens: row - first..<row - first + 1, using: kernels)
    }
  }

  /// Shows an observer what the predictors of a layer read.
  func showPredictorInput(layer: Int, rows: RowGroup, residual: UnsafePointer<Float>, _ worker: Worker) {
    guard let observer else { return }
    let some = worker.share(of: rows.count)
    guard !some.isEmpty else { return }
    observer.observe(
      PredictorInputView(
        layer: layer, worker: worker.index, tokens: some, stride: configuration.hiddenSize, values: residual))
  }

  /// relu(fc1 · p) of some rows, ready for products with fc2: this worker's own copy for a row alone, everyone's for more. In step.
  func predict(_ predictor: NeuronPredictor, layer: Int, rows: RowGroup, _ worker: Worker) -> Activations {
    worker.enter(.predictor)
    let rank = scratch.ranks[layer]
    let isAlone = pass == .alone
    let input = isAlone ? scratch.own[worker.index].predictorInput : scratch.predictorInput
    let pieces = RowPieces(predictor.fc1, tokens: rows.count, atLeast: worker.count)
    worker.pieces(pieces.count) { piece in
      kernels.multiply(
        predictor.fc1, rows: pieces[piece].rows, by: input, tokens: 0..<rows.count, into: rank.hidden,
        stride: predictor.rank)
    }
    worker.sync()
    func rectify(_ t: Int, into output: Activations) {
      kernels.relu(rank.hidden + t * predictor.rank, into: output.row(t), count: predictor.rank)
      if predictor.fc2.format.usesQuantizedActivations { output.quantize(tokens: t..<t + 1, using: kernels) }
    }
    if isAlone {
      rectify(0, into: rank.own[worker.index])
      return rank.own[worker.index]
    }
    worker.pieces(rows.count) { rectify($0, into: rank.rectified) }
    worker.sync()
    return rank.rectified
  }

  /// Predictions of some neurons of a layer, in the file's order, for the rows that ask: scores[row * f + neuron]. Neurons that
  /// are not asked about are certain.
  func score(
    _ predictor: NeuronPredictor, neurons: Range<Int>, of hidden: Activations, rows: RowGroup, worker: Int
  ) {
    let f = configuration.feedForwardSize
    let count = predicting(rows).count
    let scores = scratch.scores + (rows.count - count) * f
    guard let asked = predictor.asked else {
      kernels.multiply(predictor.fc2, rows: neurons, by: hidden, tokens: 0..<count, into: scores, stride: f)
      return
    }
    let begin = asked.partitioningIndex { $0 >= neurons.lowerBound }
    let end = asked.partitioningIndex { $0 >= neurons.upperBound }
    let (own, stride) = (scratch.own[worker].scores, RowPieces.rowGroup)
    kernels.multiply(
      predictor.fc2, rows: begin..<end, by: hidden, tokens: 0..<count, into: own - begin, stride: stride)
    for t in 0..<count {
      for neuron in neurons { scores[t * f + neuron] = .infinity }
      for row in begin..<end { scores[t * f + Int(asked[row])] = own[t * stride + row - begin] }
    }
  }
}

extension FeedForward {
  /// The scores of some neurons of a layer as somebody else has predicted them; what is computed elsewhere is not.
  func take(_ predictions: Predictions, layer: Int, neurons: Range<Int>, rows: RowGroup) {
    let f = configuration.feedForwardSize
    let list = pieces[layer].list
    let (begin, end): (Int, Int) = list.withUnsafeBufferPointer { list in
      (
        list.partitioningIndex { $0 >= neurons.lowerBound },
        list.partitioningIndex { $0 >= neurons.upperBound }
      )
    }
    for (t, row) in rows.skipping.enumerated() {
      let scores = scratch.scores + row * f
      for neuron in neurons { scores[neuron] = -.infinity }
      for entry in begin..<end { scores[Int(list[entry])] = predictions.scores[t * predictions.stride + entry] }
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
