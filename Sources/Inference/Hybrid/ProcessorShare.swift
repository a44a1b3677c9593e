import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform

/// The processor's part of a model that it shares with a GPU: the first layers as a whole, of the others the cold neurons, and logits
/// where the device has no output matrix.
///
/// One pass at a time: ``begin(_:_:skipsInPrompts:)``, the first layers, the neurons of each layer in order, ``end()``.
final class ProcessorShare {
  let executor: CPUExecutor
  /// Layers that are computed here as a whole.
  let layerCount: Int
  /// For tests: called in the middle of each layer's part.
  var interlude: (() throws -> Void)?

  init(_ executor: CPUExecutor, layerCount: Int) {
    self.executor = executor
    self.layerCount = layerCount
  }

  private var width: Int { executor.model.configuration.hiddenSize }

  // MARK: A pass

  /// Prepares for a pass over these pieces.
  func begin(_ group: GPUExecutor.Group, _ arithmetic: Batch.Arithmetic, skipsInPrompts: Bool) {
    let batch = Batch(group.map(\.piece), arithmetic: arithmetic, skipsInPrompts: skipsInPrompts)
    // Without layers of its own the cache has no pages here.
    let pages = group.map { layerCount > 0 ? $0.pages : [] }
    executor.begin(Pass(batch: batch, pages: pages))
  }

  func end() { executor.feedForward.end() }

  /// Writes what the embeddings and the first layers leave, [rows, stride].
  func runFirstLayers(into target: any GPUBuffer, stride: Int) throws {
    let output = try floats(target)
    executor.runFirstLayers(layerCount)
    for row in 0..<executor.tables.rows.count {
      (output + row * stride).update(from: executor.residual(ofRow: row), count: width)
    }
  }

  /// Computes the neurons of a layer that are here, while the device computes the others.
  ///
  /// - Parameters:
  ///   - index: of the layer in the model.
  ///   - isLast: whether it is the last one, which goes on with the rows whose logits are wanted.
  ///   - handover: where the input lies, and the output goes.
  ///   - stride: floats from row to row.
  ///   - scoreStride: the same of predictions.
  ///   - meeting: called once in the middle.
  /// - Returns: how many rows there were.
  func runNeurons(
    layer index: Int, isLast: Bool, _ handover: GPUHandover, stride: Int, scoreStride: Int,
    meeting: () throws -> Void
  ) throws -> Int {
    let (input, output) = (UnsafePointer(try floats(handover.input)), try floats(handover.output))
    let feedForward = executor.feedForward
    feedForward.predictions = try handover.scores.map {
      FeedForward.Predictions(scores: UnsafePointer(try floats($0)), stride: scoreStride)
    }
    defer { feedForward.predictions = nil }
    let rows = executor.rows(ofLastLayer: isLast)
    try interlude?()
    try meeting()
    executor.runNeurons(layer: index, rows: rows, input: input, stride: stride)
    for row in 0..<rows.count {
      (output + row * stride).update(from: executor.work.feedForwardOutput + row * width, count: width)
    }
    return rows.count
  }

  /// Takes what logits are made of, [wanted rows, stride].
  func takeOutput(_ source: any GPUBuffer, stride: Int) throws {
    executor.takeOutput(UnsafePointer(try floats(source)), stride: stride)
  }

  func withLogits(
    of wanted: Range<Int>, _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
  ) throws {
    try executor.withLogits(of: wanted, body)
  }

  private func floats(_ buffer: any GPUBuffer) throws -> UnsafeMutablePointer<Float> {
    guard let start = buffer.hostBytes?.baseAddress else { throw GPUError.notVisible(buffer: buffer.label) }
    return start.assumingMemoryBound(to: Float.self)
  }
}

// The parts of a pass that a GPU leaves to the processor.
extension CPUExecutor {
  /// Prepares for a pass.
  func begin(_ pass: Pass) {
    let rows = RowGroup(pass.batch, kernels: kernels)
    tables.fill(pass, rows: rows, store: store, kernels: kernels)
    work.shared.setPanels(rows)
    feedForward.begin(rows, arithmetic: pass.batch.arithmetic)
    feedForward.setPredictorPanels(rows)
    readyLogits = 0..<0
  }

  /// The residuals of all rows after the first layers, with what their blocks add.
  func runFirstLayers(_ count: Int) {
    let shared = Unguarded(self)
    team.run { shared.value.runFirstLayers(count, Worker($0, clock: shared.value.clock)) }
  }

  private func runFirstLayers(_ count: Int, _ worker: Worker) {
    let rows = tables.rows
    let buffers = work.rows(rows, worker)
    worker.enter(.embedding)
    worker.each(rows) { embed($0, buffers) }
    for (index, layer) in model.weights.layers.prefix(count).enumerated() {
      beginLayer(layer, index: index, rows, buffers, worker)
      attend(layer, index: index, rows, buffers, isNeeded: true, worker)
      project(layer, index: index, rows, buffers, worker)
      let input = beginFeedForward(layer, index: index, rows, buffers, worker)
      feedForward.run(layer, index: index, of: input, rows: rows, worker)
    }
    if count > 0 {
      worker.each(rows) { row in
        if configuration.architecture.hasParallelBlocks { combine(work.attentionOutput, row, buffers) }
        combine(work.feedForwardOutput, row, buffers)
      }
    }
    worker.leave()
  }

  /// A row of the residuals, between passes of the team. All workers have the same of a row alone.
  func residual(ofRow row: Int) -> UnsafePointer<Float> {
    let buffers = tables.rows.isAlone ? work.own(0) : work.shared
    return UnsafePointer(buffers.residual + row * configuration.hiddenSize)
  }

  /// The rows that a layer computes neurons for.
  func rows(ofLastLayer isLast: Bool) -> RowGroup {
    guard isLast, !configuration.architecture.hasParallelBlocks, tables.kept != tables.rows else { return tables.rows }
    work.shared.setPanels(tables.kept)
    feedForward.setPredictorPanels(tables.kept)
    return tables.kept
  }

  /// ``Workspace/feedForwardOutput`` = what the resident neurons of a layer add to each row.
  func runNeurons(layer index: Int, rows: RowGroup, input: UnsafePointer<Float>, stride: Int) {
    let (shared, source) = (Unguarded(self), Unguarded(input))
    team.run { member in
      let executor = shared.value
      let worker = Worker(member, clock: executor.clock)
      let layer = executor.model.weights.layers[index]
      let form = executor.take(source.value, stride: stride, rows: rows, for: layer, worker)
      executor.feedForward.run(layer, index: index, of: form, rows: rows, worker)
      worker.leave()
    }
  }

  private func take(
    _ input: UnsafePointer<Float>, stride: Int, rows: RowGroup, for layer: LayerWeights, _ worker: Worker
  ) -> Activations {
    let buffers = work.rows(rows, worker)
    let isBeside = configuration.architecture.hasParallelBlocks && layer.feedForwardNorm != nil
    let form = isBeside ? buffers.normedBeside : buffers.normed
    worker.enter(.feedForwardNorm)
    worker.each(rows) { copy(input + $0 * stride, toRow: $0, of: form) }
    return form
  }

  private func copy(_ source: UnsafePointer<Float>, toRow row: Int, of form: Activations) {
    form.row(row).update(from: source, count: configuration.hiddenSize)
    form.quantize(tokens: row..<row + 1, using: kernels)
  }

  /// Has the inputs of the output matrix for the wanted rows of the pass.
  func takeOutput(_ input: UnsafePointer<Float>, stride: Int) {
    let kept = tables.kept
    work.shared.setPanels(kept)
    let (shared, source) = (Unguarded(self), Unguarded(input))
    team.run { member in
      let executor = shared.value
      let worker = Worker(member, clock: executor.clock)
      let form = executor.work.rows(kept, worker).normed
      worker.each(kept) { executor.copy(source.value + $0 * stride, toRow: $0, of: form) }
      worker.leave()
    }
  }
}
