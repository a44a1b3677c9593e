import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// The forward pass on the CPU of any family that `Architecture` describes.
///
/// Every worker of the team runs ``forward(tokens:position:)``'s body from top to bottom, takes pieces of each step and meets the
/// others at `sync` wherever a step reads what another worker wrote. Pieces only split independent sums, so results are the
/// same bits for any number of workers. They do depend on how many tokens come at once: many are computed with other kernels
/// than few, which add in another order.
///
/// One token alone is bound by memory and by waiting: whatever is small (norms, 8-bit forms) every worker computes for itself,
/// which costs less than a barrier.
final class CPUExecutor {
  private let model: LanguageModel
  private let attention: Attention
  private let team: ThreadTeam
  private let kernels: Kernels
  private let work: Workspace
  private let clock: StageClock
  private let projections: Projections
  private let tap: ActivationTap?
  let feedForward: FeedForward

  /// - Parameters:
  ///   - plan: which neurons are computed.
  ///   - profile: told where the time goes; whoever runs passes keeps it.
  ///   - observer: told what neurons do.
  ///   - activations: told what goes into matrices.
  init(
    model: LanguageModel, cache: KeyValueCache, team: ThreadTeam, batchSize: Int, plan: SparsityPlan,
    profile: Profile? = nil, observer: (any NeuronObserver)? = nil, activations: (any ActivationObserver)? = nil
  ) {
    clock = StageClock(profile)
    self.model = model
    self.team = team
    kernels = .active
    work = Workspace(configuration: model.configuration, batchSize: batchSize, workers: team.count)
    attention = Attention(
      configuration: model.configuration, cache: cache, kernels: kernels, workers: team.count)
    projections = Projections(kernels: kernels, work: work, clock: clock)
    tap = activations.map(ActivationTap.init)
    feedForward = FeedForward(
      model: model, plan: plan, projections: projections, batchSize: batchSize, workers: team.count,
      isProfiled: profile != nil, observer: observer, tap: tap)
  }

  /// Runs `tokens` (at most the batch size) at positions `position...`, extending the cache. Spec §4.2.
  ///
  /// Afterwards ``logits(of:)`` gives the logits of those in `wanted`, whose indices count from the first token. Of the
  /// others the last layer computes keys and values only.
  func forward(tokens: ArraySlice<Int32>, position: Int, wanted: Range<Int>) {
    let count = tokens.count
    let first = tokens.startIndex
    work.setOrder(kernels.order(forTokens: count))
    feedForward.begin(tokens: count)
    team.run { member in
      clock.enter(.embedding, member: member)
      member.pieces(count) { t in
        embed(tokens[first + t], at: position + t, into: t)
        model.rotary.write(
          position: position + t, cosines: work.cosines + t * rotaryPairs, sines: work.sines + t * rotaryPairs)
      }
      clock.sync(member)
      for (index, layer) in model.weights.layers.enumerated() {
        run(layer, index: index, position: position, count: count, wanted: wanted, member)
      }
      clock.leave(member: member)
    }
    feedForward.end()
  }

  /// Logits of the last pass's wanted tokens in `range` (at most ``Workspace/logitRows``), counted from the first wanted
  /// one: [range.count, V], valid until the next call.
  func logits(of range: Range<Int>) -> UnsafePointer<Float> {
    let output = model.weights.output
    work.outputs.order = kernels.order(forTokens: range.count)
    team.run { member in
      clock.enter(.outputNorm, member: member)
      member.pieces(range.count) { t in
        normalize(by: model.weights.outputNorm, residual: range.lowerBound + t, into: work.outputs, token: t)
      }
      clock.sync(member)
      tap?.show(.output, layer: configuration.layerCount, work.outputs, count: range.count, member)
      clock.enter(.logits, member: member)
      let pieces = RowPieces(output, tokens: range.count)
      member.pieces(pieces.count) { piece in
        kernels.multiply(
          output, rows: pieces[piece].rows, by: work.outputs, tokens: 0..<range.count, into: work.logits,
          stride: output.rows)
      }
      clock.leave(member: member)
    }
    return UnsafePointer(work.logits)
  }

  // MARK: Steps

  private var configuration: ModelConfiguration { model.configuration }
  private var rotaryPairs: Int { model.rotary.frequencies.count }

  private func embed(_ token: Int32, at position: Int, into t: Int) {
    let table = model.weights.tokenEmbedding
    let residual = work.residual + t * table.columns
    kernels.dequantize(table.format, table.row(Int(token)), count: table.columns, into: residual)
    guard let positions = model.weights.positionEmbedding,
      case .learned(let offset) = configuration.architecture.positions
    else { return }
    // `projected` is free until the first layer.
    let learned = work.projected + t * table.columns
    kernels.dequantize(positions.format, positions.row(position + offset), count: positions.columns, into: learned)
    kernels.add(learned, to: residual, count: table.columns)
  }

  /// One layer: attention and feed-forward, one after the other or side by side.
  private func run(
    _ layer: LayerWeights, index: Int, position: Int, count: Int, wanted: Range<Int>, _ member: Member
  ) {
    let isLast = index == configuration.layerCount - 1
    let isParallel = configuration.architecture.hasParallelBlocks
    clock.enter(.attentionNorm, member: member)
    let input = norm(layer.attentionNorm, into: work.normed, own: work.own[member.index].normed, count: count, member)
    var feedForwardInput = input
    // Blocks side by side both read the layer's input, so this comes before the attention adds to it.
    if configuration.architecture.predictorInput == .layerInput {
      feedForward.notePredictorInput(layer: index, count: count, member)
    }
    if isParallel, let weights = layer.feedForwardNorm {
      clock.enter(.feedForwardNorm, member: member)
      feedForwardInput = norm(
        weights, into: work.normedBeside, own: work.own[member.index].normedBeside, count: count, member)
    }
    // Blocks side by side have the input of the second for all tokens by now, and keep them to the end.
    let kept = isLast && !isParallel ? wanted : 0..<count
    attentionBlock(layer, of: input, index: index, position: position, count: count, keeping: kept, member)
    if kept.isEmpty { return }
    if !isParallel, let weights = layer.feedForwardNorm {
      clock.enter(.feedForwardNorm, member: member)
      feedForwardInput = norm(weights, into: work.normed, own: work.own[member.index].normed, count: kept.count, member)
    }
    feedForward.run(layer, index: index, of: feedForwardInput, count: kept.count, member)
    if isLast, isParallel, member.index == 0 { work.moveToFront(wanted) }
  }

  /// The normalised residual and its 8-bit form: this worker's own copy for one token, everyone's for more.
  private func norm(
    _ weights: NormWeights, into shared: Activations, own: Activations, count: Int, _ member: Member
  ) -> Activations {
    if count == 1 {
      normalize(by: weights, residual: 0, into: own, token: 0)
      return own
    }
    member.pieces(count) { normalize(by: weights, residual: $0, into: shared, token: $0) }
    clock.sync(member)
    return shared
  }

  private func normalize(by weights: NormWeights, residual: Int, into output: Activations, token: Int) {
    let d = configuration.hiddenSize
    let input = work.residual + residual * d
    let epsilon = configuration.normEpsilon
    if let bias = weights.bias {
      kernels.layerNorm(
        input, weight: weights.gain.values, bias: bias.values, epsilon: epsilon, count: d, into: output.row(token))
    } else {
      kernels.rmsNorm(input, weight: weights.gain.values, epsilon: epsilon, count: d, into: output.row(token))
    }
    output.quantize(tokens: token..<token + 1, using: kernels)
  }

  /// residual += Wo · attention(input), where only the tokens in `kept` go on, which come to the front. Ends in step.
  private func attentionBlock(
    _ layer: LayerWeights, of input: Activations, index: Int, position: Int, count: Int, keeping kept: Range<Int>,
    _ member: Member
  ) {
    tap?.show(.attention, layer: index, input, count: count, member)
    clock.enter(.queryKeyValue, member: member)
    let pieces = RowPieces(layer.query, layer.key, layer.value, tokens: count)
    member.pieces(pieces.count) { piece in
      let (matrix, rows) = pieces[piece]
      switch matrix {
      case 0: projections.project(layer.query, rows, bias: layer.queryBias, of: input, count: count, into: work.queries)
      case 1: projections.project(layer.key, rows, bias: layer.keyBias, of: input, count: count, into: work.keys)
      default: projections.project(layer.value, rows, bias: layer.valueBias, of: input, count: count, into: work.values)
      }
    }
    clock.sync(member)

    attend(index: index, position: position, count: count, member)
    clock.sync(member)
    if kept.count < count {
      if member.index == 0 { work.moveToFront(kept) }
      clock.sync(member)
      if kept.isEmpty { return }
    }

    tap?.show(.attentionOutput, layer: index, work.attended, count: kept.count, member)
    clock.enter(.attentionOutput, member: member)
    let attended = projections.prepared(
      work.attended, for: layer.attentionOutput, own: work.own[member.index].attended, count: kept.count, member)
    projections.addToResidual(
      layer.attentionOutput, bias: layer.attentionOutputBias, of: attended, count: kept.count, member)
    clock.sync(member)
  }

  /// attended = softmax(query · keys · scale) · values, each token over the positions up to its own.
  private func attend(index: Int, position: Int, count: Int, _ member: Member) {
    let pass = Attention.Pass(
      layer: index, position: position, count: count, queries: work.queries, keys: work.keys, values: work.values,
      cosines: work.cosines, sines: work.sines, output: work.attended.values)
    if count == 1 {
      // Rotation is a part of the items.
      clock.enter(.attention, member: member)
      member.pieces(attention.decodeItems(position: position)) {
        attention.decode(pass, items: $0..<$0 + 1, worker: member.index)
      }
    } else {
      clock.enter(.rotation, member: member)
      member.pieces(count) { attention.store(pass, tokens: $0..<$0 + 1) }
      clock.sync(member)
      clock.enter(.attention, member: member)
      member.pieces(attention.attendItems(count: count)) { attention.attend(pass, item: $0, worker: member.index) }
    }
  }
}
