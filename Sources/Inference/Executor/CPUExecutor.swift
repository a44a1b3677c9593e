import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// The forward pass on the processor of any family that `Architecture` describes.
///
/// Every worker of the team runs ``run(_:_:)`` from top to bottom, takes pieces of each step and meets the
/// others at `sync` wherever a step reads what another worker wrote. Pieces only split independent sums, so results are the
/// same bits for any number of workers. With `Batch.Arithmetic.byCount` they do depend on how many rows come at once: many are
/// computed with other kernels than few, which add in another order.
final class CPUExecutor: ModelExecutor {
  let model: LanguageModel
  let maxRows: Int
  let store: PageStore
  private let attention: Attention
  let team: ThreadTeam
  let kernels: Kernels
  let work: Workspace
  let tables: PassTables
  let clock: StageClock
  private let profile: Profile?
  private let projections: Projections
  private let tap: ActivationTap?
  let feedForward: FeedForward
  private let workspaceBytes: Int

  /// Wanted rows of the last pass whose logits are in the workspace.
  var readyLogits = 0..<0

  var pageLayout: PageLayout { store.layout }

  /// - Parameters:
  ///   - contextSize: positions of a sequence at most.
  ///   - cachedLayers: the first layers, whose keys and values are kept here; `nil` for all.
  ///   - asksPredictors: whether predictors are asked here, or somebody else's answers are taken.
  /// - Throws: ``EngineError`` for a batch size out of range, a cache format that does not fit the model, or working memory that
  ///   this machine does not have; `SparsityError` where neurons cannot be chosen as asked.
  init(
    model: LanguageModel, team: ThreadTeam, contextSize: Int, options: EngineOptions, cachedLayers: Int? = nil,
    asksPredictors: Bool = true
  ) throws {
    self.model = model
    self.team = team
    let c = model.configuration
    try EngineOptions.check("batch size", options.batchSize, EngineOptions.batchSizeRange)
    maxRows = min(options.batchSize, contextSize)
    store = try PageStore(
      configuration: c, layers: cachedLayers, keys: options.keyFormat, values: options.valueFormat)
    // A file of a few megabytes can ask for more working memory than there is; allocating it would trap.
    let needsPredictions = options.sparsity.mode == .predictor
    let bytes = Workspace.byteCount(
      configuration: c, batchSize: maxRows, contextSize: contextSize, workers: team.count,
      ranks: needsPredictions ? model.weights.layers.compactMap { $0.predictor?.rank } : nil,
      asksLeadingBits: options.sparsity.mode == .bits)
    guard let bytes, Memory.canAllocate(bytes) else {
      throw EngineError.workspaceTooLarge(
        batchSize: maxRows, threads: team.count, contextSize: contextSize, bytes: bytes ?? .max)
    }
    workspaceBytes = bytes
    let plan = try SparsityPlan(
      model: model, options: options.sparsity, team: team,
      predictedLayers: asksPredictors ? nil : cachedLayers)
    var kernels = Kernels.active
    kernels.readings = TuningRecord(options.tuning, kernels: kernels, threads: team.count)
      .readings(for: model.weights.decodedMatrices, kernels: kernels, team: team)
    kernels.takesBF16 = model.weights.decodedMatrices.contains { $0.format == .bf16 }
    self.kernels = kernels
    profile = options.isProfiled ? Profile(threads: team.count) : nil
    clock = StageClock(profile)
    work = Workspace(configuration: c, batchSize: maxRows, workers: team.count)
    attention = Attention(
      configuration: c, cache: store, capacity: contextSize, kernels: kernels, workers: team.count)
    tables = PassTables(capacity: maxRows, tileRows: attention.tileRows)
    projections = Projections(kernels: kernels)
    tap = options.activationObserver.map(ActivationTap.init)
    feedForward = FeedForward(
      model: model, plan: plan, projections: projections, work: work, batchSize: maxRows, workers: team.count,
      isProfiled: options.isProfiled, observer: options.observer, tap: tap)
  }

  // MARK: Pages

  func allocatePage(_ page: PageID) throws { try store.allocate(page) }
  func copyPage(_ source: PageID, to target: PageID, positions: Int) {
    store.copy(source, to: target, positions: positions)
  }
  func freePage(_ page: PageID) { store.free(page) }

  // MARK: Passes

  func forward(_ pass: Pass) {
    let batch = pass.batch
    let rows = RowGroup(batch, kernels: kernels)
    tables.fill(pass, rows: rows, store: store, kernels: kernels)
    work.shared.setPanels(rows)
    feedForward.begin(rows, arithmetic: batch.arithmetic)
    feedForward.setPredictorPanels(rows)
    // More logits than fit are computed when they are asked for.
    let logits = batch.wantedCount <= work.logitCapacity ? batch.wantedCount : 0
    readyLogits = 0..<logits
    measure(batch, logits: logits) {
      let shared = Unguarded(self)
      team.run { shared.value.run(logits: logits, Worker($0, clock: shared.value.clock)) }
    }
    feedForward.end()
  }

  func withLogits(of wanted: Range<Int>, _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void) throws {
    let width = model.configuration.vocabularySize
    var start = wanted.lowerBound
    while start < wanted.upperBound {
      if !readyLogits.contains(start) {
        let some = start..<min(start + work.logitCapacity, wanted.upperBound)
        profile.run(.prompt, Profile.Work(logits: some.count)) {
          let shared = Unguarded(self)
          team.run { shared.value.runLogits(of: some, Worker($0, clock: shared.value.clock)) }
        }
        readyLogits = some
      }
      let some = start..<min(readyLogits.upperBound, wanted.upperBound)
      let first = work.logits + (start - readyLogits.lowerBound) * width
      try body(some, UnsafeBufferPointer(start: first, count: some.count * width))
      start = some.upperBound
    }
  }

  func withHiddenStates(of batch: Batch, _ body: (UnsafeBufferPointer<Float>) throws -> Void) throws {
    // A row alone lies in each worker's own buffers, the same in all.
    let rows = tables.kept.isAlone ? work.own(0) : work.shared
    try body(UnsafeBufferPointer(start: rows.normed.values, count: batch.wantedCount * model.configuration.hiddenSize))
  }

  func candidates(of wanted: Range<Int>, count: Int) throws -> [[TokenCandidate]] {
    let width = model.configuration.vocabularySize
    var found: [[TokenCandidate]] = []
    try withLogits(of: wanted) { rows, logits in
      for row in 0..<rows.count {
        let some = UnsafeBufferPointer(rebasing: logits[row * width..<(row + 1) * width])
        found.append(LogitsSummary.best(some, count: count))
      }
    }
    return found
  }

  // MARK: What was measured

  var statistics: ExecutorStatistics {
    var statistics = feedForward.statistics(model.weights)
    statistics.stages = profile?.times
    return statistics
  }

  func resetStatistics() {
    profile?.reset()
    feedForward.resetStatistics()
  }

  var activity: NeuronActivity? { feedForward.activity }

  var memory: ExecutorMemory { ExecutorMemory(workspace: workspaceBytes, copies: feedForward.plan.copiedBytes) }

  private func measure(_ batch: Batch, logits: Int, _ body: () -> Void) {
    profile.run(
      batch.promptCount > 0 ? .prompt : .decode,
      Profile.Work(
        passes: 1, tokens: batch.count, positions: tables.visiblePositions, logits: logits),
      body)
  }

  // MARK: The way of a batch

  var configuration: ModelConfiguration { model.configuration }

  // The executor goes to the workers unguarded. What lies behind it is either constant, or written by the leader while no pass
  // runs; during one each worker writes its own scratch and the pieces that it took, and `sync` separates a step that writes
  // from one that reads.

  /// All layers, and the logits of the first `logits` wanted rows.
  private func run(logits: Int, _ worker: Worker) {
    var rows = tables.rows
    var buffers = work.rows(rows, worker)
    worker.enter(.embedding)
    worker.each(rows) { embed($0, buffers) }
    for (index, layer) in model.weights.layers.enumerated() {
      let isLast = index == configuration.layerCount - 1
      beginLayer(layer, index: index, rows, buffers, worker)
      attend(layer, index: index, rows, buffers, isNeeded: !isLast || tables.kept.count > 0, worker)
      if isLast {
        // Of the other rows, the last layer computes keys and values only.
        guard tables.kept.count > 0 else { break }
        if !configuration.architecture.hasParallelBlocks { keepWanted(&rows, &buffers, worker) }
      }
      project(layer, index: index, rows, buffers, worker)
      let input = beginFeedForward(layer, index: index, rows, buffers, worker)
      feedForward.run(layer, index: index, of: input, rows: rows, worker)
      if isLast, configuration.architecture.hasParallelBlocks { keepWanted(&rows, &buffers, worker) }
    }
    if tables.kept.count > 0 {
      finish(rows, buffers, worker)
      if logits > 0 { computeLogits(of: 0..<logits, from: buffers.normed, worker) }
    }
    worker.leave()
  }

  func embed(_ row: Int, _ buffers: Workspace.Rows) {
    let (d, position) = (configuration.hiddenSize, tables.positions[row])
    let table = model.weights.tokenEmbedding
    let residual = buffers.residual + row * d
    kernels.dequantize(table, row: Int(tables.tokens[row]), into: residual)
    let pairs = model.rotary.frequencies.count
    model.rotary.write(position: position, cosines: buffers.cosines + row * pairs, sines: buffers.sines + row * pairs)
    guard let positions = model.weights.positionEmbedding,
      case .learned(let offset) = configuration.architecture.positions
    else { return }
    // Free until the first layer, as the residual's sum is.
    let learned = buffers.normed.row(row)
    kernels.dequantize(positions, row: position + offset, into: learned)
    kernels.add(learned, to: residual, count: d)
  }

  /// What the layer before has to add, and the inputs of this one's blocks.
  func beginLayer(
    _ layer: LayerWeights, index: Int, _ rows: RowGroup, _ buffers: Workspace.Rows, _ worker: Worker
  ) {
    let isParallel = configuration.architecture.hasParallelBlocks
    worker.enter(.attentionNorm)
    worker.each(rows) { row in
      if index > 0 {
        if isParallel { combine(work.attentionOutput, row, buffers) }
        combine(work.feedForwardOutput, row, buffers)
      }
      normalize(by: layer.attentionNorm, row, buffers, into: buffers.normed)
      if isParallel, let beside = layer.feedForwardNorm {
        normalize(by: beside, row, buffers, into: buffers.normedBeside)
      }
      if configuration.architecture.predictorInput == .layerInput { note(index, row, rows, buffers, worker) }
    }
    if configuration.architecture.predictorInput == .layerInput {
      feedForward.showPredictorInput(layer: index, rows: rows, residual: buffers.residual, worker)
    }
  }

  /// attended = softmax(query · keys · scale) · values, each row over its sequence's positions up to its own. Ends in step.
  ///
  /// - Parameter isNeeded: whether anybody reads it, or only keys and values are to be kept.
  func attend(
    _ layer: LayerWeights, index: Int, _ rows: RowGroup, _ buffers: Workspace.Rows, isNeeded: Bool, _ worker: Worker
  ) {
    let all = 0..<rows.count
    tap?.show(.attention, layer: index, buffers.normed, count: rows.count, worker)
    worker.enter(.queryKeyValue)
    let pieces = RowPieces(layer.query, layer.key, layer.value, tokens: rows.count)
    worker.pieces(pieces.count) { piece in
      let (matrix, outputs) = pieces[piece]
      let input = buffers.normed
      switch matrix {
      case 0:
        projections.project(layer.query, outputs, bias: layer.queryBias, of: input, tokens: all, into: work.queries)
      case 1: projections.project(layer.key, outputs, bias: layer.keyBias, of: input, tokens: all, into: work.keys)
      default:
        projections.project(layer.value, outputs, bias: layer.valueBias, of: input, tokens: all, into: work.values)
      }
    }
    worker.sync()
    let step = Attention.Step(
      layer: index, tables: tables, queries: work.queries, keys: work.keys, values: work.values,
      cosines: buffers.cosines, sines: buffers.sines, output: work.shared.attended.values)
    if rows.isAlone {
      // Rotation is a part of the items.
      worker.enter(.attention)
      let items = attention.decodeItems(step)
      let own = worker.stretch(of: items)
      worker.pieces(items) {
        attention.decode(step, item: $0, isFollowed: own.contains($0) && own.contains($0 + 1), worker: worker.index)
      }
    } else {
      worker.enter(.rotation)
      worker.pieces(rows.count) { attention.store(step, row: $0) }
      if isNeeded {
        worker.sync()
        worker.enter(.attention)
        let items = attention.attendItems(step)
        let own = worker.stretch(of: items)
        worker.pieces(items) {
          attention.attend(step, item: $0, isFollowed: own.contains($0) && own.contains($0 + 1), worker: worker.index)
        }
      }
    }
    worker.sync()
  }

  /// Goes on with the rows whose logits are wanted.
  private func keepWanted(_ rows: inout RowGroup, _ buffers: inout Workspace.Rows, _ worker: Worker) {
    let kept = tables.kept
    guard kept != rows else { return }
    if worker.leads {
      work.moveToFront(UnsafeBufferPointer(start: tables.keptRows, count: kept.count))
      work.shared.setPanels(kept)
      feedForward.setPredictorPanels(kept)
    }
    worker.sync()
    rows = kept
    buffers = work.rows(kept, worker)
    if kept.isAlone { buffers.residual.update(from: work.shared.residual, count: configuration.hiddenSize) }
  }

  /// What the attention adds to the residual: Wo · attended. Ends in step.
  func project(
    _ layer: LayerWeights, index: Int, _ rows: RowGroup, _ buffers: Workspace.Rows, _ worker: Worker
  ) {
    tap?.show(.attentionOutput, layer: index, work.shared.attended, count: rows.count, worker)
    worker.enter(.attentionOutput)
    let attended = projections.prepared(
      work.shared.attended, for: layer.attentionOutput, form: buffers.attended, rows: rows, worker)
    projections.project(
      layer.attentionOutput, bias: layer.attentionOutputBias, of: attended, tokens: 0..<rows.count,
      into: work.attentionOutput, worker)
    worker.sync()
  }

  /// The feed-forward's input: what the attention left, normalised, unless both blocks read the layer's input.
  func beginFeedForward(
    _ layer: LayerWeights, index: Int, _ rows: RowGroup, _ buffers: Workspace.Rows, _ worker: Worker
  ) -> Activations {
    if configuration.architecture.hasParallelBlocks {
      return layer.feedForwardNorm == nil ? buffers.normed : buffers.normedBeside
    }
    worker.enter(.feedForwardNorm)
    worker.each(rows) { row in
      combine(work.attentionOutput, row, buffers)
      if let weights = layer.feedForwardNorm { normalize(by: weights, row, buffers, into: buffers.normed) }
      if configuration.architecture.predictorInput == .feedForwardInput { note(index, row, rows, buffers, worker) }
    }
    if configuration.architecture.predictorInput == .feedForwardInput {
      feedForward.showPredictorInput(layer: index, rows: rows, residual: buffers.residual, worker)
    }
    return buffers.normed
  }

  /// The input of the output matrix.
  private func finish(_ rows: RowGroup, _ buffers: Workspace.Rows, _ worker: Worker) {
    worker.enter(.outputNorm)
    worker.each(rows) { row in
      if configuration.architecture.hasParallelBlocks { combine(work.attentionOutput, row, buffers) }
      combine(work.feedForwardOutput, row, buffers)
      normalize(by: model.weights.outputNorm, row, buffers, into: buffers.normed)
    }
    tap?.show(.output, layer: configuration.layerCount, buffers.normed, count: rows.count, worker)
  }

  /// Logits that did not fit behind the pass.
  private func runLogits(of wanted: Range<Int>, _ worker: Worker) {
    computeLogits(of: wanted, from: work.rows(tables.kept, worker).normed, worker)
    worker.leave()
  }

  private func computeLogits(of wanted: Range<Int>, from input: Activations, _ worker: Worker) {
    worker.enter(.logits)
    let output = model.weights.output
    let pieces = RowPieces(output, tokens: wanted.count)
    // The first wanted row's logits are the buffer's first.
    let target = work.logits - wanted.lowerBound * output.rows
    worker.pieces(pieces.count) { piece in
      kernels.multiply(
        output, rows: pieces[piece].rows, by: input, tokens: wanted, into: target, stride: output.rows)
    }
  }

  // MARK: Steps on a row

  /// residual += what a block gives. Where another norm, a factor or another executor's part comes in, it comes in here.
  func combine(_ output: UnsafePointer<Float>, _ row: Int, _ buffers: Workspace.Rows) {
    let d = configuration.hiddenSize
    kernels.add(output + row * d, to: buffers.residual + row * d, count: d)
  }

  private func normalize(by weights: NormWeights, _ row: Int, _ buffers: Workspace.Rows, into output: Activations) {
    let d = configuration.hiddenSize
    let (input, epsilon) = (buffers.residual + row * d, configuration.normEpsilon)
    if let bias = weights.bias {
      kernels.layerNorm(
        input, weight: weights.gain.values, bias: bias.values, epsilon: epsilon, count: d, into: output.row(row))
    } else {
      kernels.rmsNorm(input, weight: weights.gain.values, epsilon: epsilon, count: d, into: output.row(row))
    }
    output.quantize(tokens: row..<row + 1, using: kernels)
  }

  private func note(_ layer: Int, _ row: Int, _ rows: RowGroup, _ buffers: Workspace.Rows, _ worker: Worker) {
    feedForward.notePredictorInput(
      layer: layer, row: row, rows: rows, residual: buffers.residual + row * configuration.hiddenSize, worker)
  }
}
