import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// The feed-forward of every layer, with all neurons or with those that an activation source lists.
///
/// One token alone takes the lists (see `FeedForward+Decode.swift`). Many tokens together compute all neurons, for nearly
/// every neuron fires for one of them; a few unite their lists where that was measured to pay (`FeedForward+Batch.swift`):
/// neurons write what they give, 0 where they are left out, into one vector per token, and every worker then adds the rows of those
/// that give something, for its own share of the columns. Results are the same bits for any number of workers.
final class FeedForward {
  let configuration: ModelConfiguration
  let plan: SparsityPlan
  let projections: Projections
  let scratch: NeuronScratch
  let counters: NeuronCounters
  let observer: (any NeuronObserver)?
  let tap: ActivationTap?
  /// What every layer decodes with.
  let trial: SourceTrial
  let unions: UnionTrial
  /// What layers took, when a trial or a profile wants to know.
  var layerTimes: LayerTimes?

  /// How the current pass chooses neurons; set while no worker runs.
  var pass = Pass.all

  enum Pass: Equatable {
    /// A token by itself: each layer's own source.
    case listed
    /// All neurons of all tokens.
    case all
    /// All neurons are computed, and those that decoding would leave out give nothing.
    case masked
    /// Only neurons on some token's list are computed, and each gives something to the tokens on whose list it is.
    case united
  }

  var kernels: Kernels { projections.kernels }
  var work: Workspace { projections.work }
  var clock: StageClock { projections.clock }

  init(
    model: LanguageModel, plan: SparsityPlan, projections: Projections, batchSize: Int, workers: Int, isProfiled: Bool,
    observer: (any NeuronObserver)?, tap: ActivationTap?
  ) {
    configuration = model.configuration
    self.plan = plan
    self.projections = projections
    self.observer = observer
    self.tap = tap
    scratch = NeuronScratch(
      configuration: configuration, plan: plan, batchSize: batchSize, workers: workers, isObserved: observer != nil)
    counters = NeuronCounters(layers: plan.layers.count, workers: workers)
    trial = SourceTrial(plan.layers.map(\.sources))
    unions = UnionTrial(isOpen: plan.mode != .dense)
    layerTimes = isProfiled ? LayerTimes(layers: plan.layers.count) : nil
  }

  // MARK: A pass

  private var isObserved: Bool { observer != nil || tap != nil }

  /// Decides how the next pass chooses neurons.
  func begin(tokens count: Int) {
    if count == 1, !isObserved {
      pass = .listed
      trial.begin()
    } else if count <= NeuronScratch.unionCapacity, !isObserved, kernels.order(forTokens: count) == .rows {
      pass = unions.begin(tokens: count) ? .united : .masked
    } else {
      pass = plan.masksPrompts ? .masked : .all
    }
  }

  func end() {
    switch pass {
    case .listed: trial.end()
    case .united, .masked: unions.end()
    case .all: break
    }
  }

  /// residual += down · neurons(input) + bias. Ends in step.
  func run(_ layer: LayerWeights, index: Int, of input: Activations, count: Int, _ member: Member) {
    let isTiming = member.index == 0 && (layerTimes != nil || !trial.isOver || unions.isMeasuring)
    let start = isTiming ? trial.time() : 0
    if configuration.architecture.predictorInput == .feedForwardInput {
      notePredictorInput(layer: index, count: count, member)
    }
    tap?.show(.feedForward, layer: index, input, count: count, member)
    if pass == .listed, let down = plan.layers[index].neurons {
      runListed(layer, index: index, of: input, down: down, member)
    } else {
      if pass == .listed {
        computeAll(layer, of: input, member)
      } else {
        computeBatch(layer, index: index, of: input, count: count, member)
      }
      clock.sync(member)
      tap?.show(.down, layer: index, work.hidden, count: count, member)
      clock.enter(.down, member: member)
      addDown(layer, index: index, count: count, member)
      clock.sync(member)
    }
    if isTiming {
      let time = trial.time() - start
      if pass == .listed {
        layerTimes?.add(layer: index, nanoseconds: time)
        trial.note(layer: index, nanoseconds: time)
      } else {
        unions.note(nanoseconds: time)
      }
    }
  }

  /// residual += down · hidden + bias.
  private func addDown(_ layer: LayerWeights, index: Int, count: Int, _ member: Member) {
    let all = 0..<count
    let neurons = pass == .listed || pass == .all ? nil : plan.layers[index].neurons
    switch (neurons, layer.down) {
    case (.some(let down), _), (nil, .neurons(let down)):
      let columns = member.share(of: down.columns, multiple: max(32, down.format.blockElements))
      kernels.accumulateRows(
        down, coefficients: work.hidden.values, hStride: configuration.feedForwardSize, tokens: all, columns: columns,
        into: work.residual, stride: down.columns)
      if let bias = layer.downBias {
        for t in all {
          kernels.add(
            bias.values + columns.lowerBound, to: work.residual + t * down.columns + columns.lowerBound,
            count: columns.count)
        }
      }
    case (nil, .rows(let down)):
      let hidden = projections.prepared(
        work.hidden, for: down, own: work.own[member.index].hidden, count: count, member)
      projections.addToResidual(down, bias: layer.downBias, of: hidden, count: count, member)
    }
  }

  // MARK: Neurons

  /// hidden = what all neurons give for one token. The caller syncs.
  private func computeAll(_ layer: LayerWeights, of input: Activations, _ member: Member) {
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

  /// What `count` neurons from index `start` of the batch's gate and up products give.
  func activate(at start: Int, count: Int) {
    activate(gate: work.gate + start, up: work.up + start, into: work.hidden.values + start, count: count)
  }

  /// What neurons give. A file names no other activations than `Gating.activations`.
  func activate(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into hidden: UnsafeMutablePointer<Float>, count: Int
  ) {
    switch (configuration.architecture.gating, configuration.activation) {
    case (.gated, .silu): kernels.gateSiLU(gate, up: up, into: hidden, count: count)
    case (.gated, _): kernels.gateReLU(gate, up: up, into: hidden, count: count)
    case (.gatedBoth, _): kernels.gateReLUBoth(gate, up: up, into: hidden, count: count)
    case (.ungated, .gelu): kernels.gelu(up, into: hidden, count: count)
    case (.ungated, _): kernels.relu(up, into: hidden, count: count)
    }
  }

  /// act(gate), what a threshold is compared with, in place. At most a piece.
  func activateGate(_ gate: UnsafeMutablePointer<Float>, count: Int) {
    switch configuration.activation {
    case .silu: kernels.gateSiLU(gate, up: scratch.ones, into: gate, count: count)
    case .relu: kernels.relu(gate, into: gate, count: count)
    case .gelu: kernels.gelu(gate, into: gate, count: count)
    }
  }
}
