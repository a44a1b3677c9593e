import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// The feed-forward of every layer, with all neurons or with those that an activation source lists.
///
/// A row alone takes the lists (`FeedForward+Alone.swift`). Several rows together compute all neurons, for nearly every neuron
/// fires for one of them; up to 64 that are not computed by panels take a list each where that was measured to pay
/// (`FeedForward+Batch.swift`): neurons write what they give, 0 where they are left out, into one vector per row, and every worker
/// then adds the rows of the down projection of those that give something, for its own share of the columns. Results are the same
/// bits for any number of workers, and rows whose products are made by single rows are summed in the same order alone and together.
final class FeedForward {
  let configuration: ModelConfiguration
  let plan: SparsityPlan
  let kernels: Kernels
  let projections: Projections
  let work: Workspace
  let scratch: NeuronScratch
  let counters: NeuronCounters
  let activity: NeuronActivity
  let observer: (any NeuronObserver)?
  let tap: ActivationTap?
  /// Of each layer, in the order in which what neurons give is summed.
  let pieces: [NeuronPieces]
  /// Of each layer, whether a neuron is computed here; `nil` where all are.
  let resident: [[Bool]?]
  /// What every layer decodes with.
  let trial: SourceTrial
  let lists: ListTrial
  /// What layers took, when a trial or a profile wants to know.
  var layerTimes: LayerTimes?

  /// What somebody else has predicted of the neurons that are computed here, for the layer that is run next; set while no worker
  /// runs.
  var predictions: Predictions?

  /// Predictions of the neurons on the list of a layer's resident ones, in its order.
  struct Predictions {
    /// [rows that ask, stride], the first for the first of them.
    let scores: UnsafePointer<Float>
    let stride: Int
  }

  /// Down projections with a row per output of which only the columns of resident neurons are read, by layer.
  private let slices: [DownSlice?]

  /// How the current pass chooses neurons; set while no worker runs.
  private(set) var pass = Pass.together
  private(set) var arithmetic = Batch.Arithmetic.byCount

  enum Pass: Equatable {
    /// A row by itself: each layer's own source.
    case alone
    /// All neurons of all rows are computed; those that a row leaves out give nothing.
    case together
    /// Every row computes the neurons on a list of its own; where gates decide about it, those of all neurons are computed for all rows
    /// first.
    case listed
  }

  init(
    model: LanguageModel, plan: SparsityPlan, projections: Projections, work: Workspace, batchSize: Int, workers: Int,
    isProfiled: Bool, observer: (any NeuronObserver)?, tap: ActivationTap?
  ) {
    configuration = model.configuration
    self.plan = plan
    self.projections = projections
    self.work = work
    kernels = projections.kernels
    self.observer = observer
    self.tap = tap
    let neurons = configuration.feedForwardSize
    pieces = plan.layers.map { NeuronPieces(neurons: neurons, resident: $0.resident) }
    resident = plan.layers.map { $0.resident.flags(of: neurons) }
    slices = DownSlice.all(model.weights.layers, plan, capacity: batchSize, workers: workers)
    scratch = NeuronScratch(
      configuration: configuration, plan: plan, pieces: pieces.map(\.count).max() ?? 1, batchSize: batchSize,
      workers: workers)
    counters = NeuronCounters(layers: plan.layers.count, workers: workers)
    activity = NeuronActivity(layers: plan.layers.count, neurons: neurons, workers: workers)
    trial = SourceTrial(plan.layers.map(\.sources))
    // Where no neuron can be silent, every list would have all of them.
    let canSkip = configuration.activation == .relu || plan.layers.contains { $0.sources != [.dense] }
    lists = ListTrial(isOpen: plan.mode != .dense && canSkip)
    layerTimes = isProfiled ? LayerTimes(layers: plan.layers.count) : nil
  }

  // MARK: A pass

  var isObserved: Bool { observer != nil || tap != nil }

  /// Decides how the next pass chooses neurons.
  func begin(_ rows: RowGroup, arithmetic: Batch.Arithmetic) {
    self.arithmetic = arithmetic
    let allSkip = rows.skipping.count == rows.count
    if rows.isAlone, !isObserved {
      pass = .alone
      if allSkip { trial.begin() }
    } else if allSkip, rows.panelOrder != .panels || rows.panelCount == 0, rows.count <= ListTrial.mostRows,
      !isObserved
    {
      pass = lists.begin(rows: rows.count) ? .listed : .together
    } else {
      pass = .together
      lists.pass()
    }
    decodes = pass == .alone && allSkip
  }

  /// Whether the current pass is of one row that may leave out neurons.
  private var decodes = false

  func end() {
    if decodes { trial.end() }
    if pass != .alone { lists.end() }
  }

  /// What a layer's neurons are chosen by, for rows that may leave some out.
  func source(_ layer: Int) -> ActivationSource { trial.current[layer] }

  /// ``Workspace/feedForwardOutput`` = down · neurons(input) + bias. Ends in step.
  func run(_ layer: LayerWeights, index: Int, of input: Activations, rows: RowGroup, _ worker: Worker) {
    let isTiming = worker.leads && (layerTimes != nil || !trial.isOver || lists.isMeasuring)
    let isWatched = activity.rows > 0
    let start = isTiming || isWatched ? trial.time() : 0
    tap?.show(.feedForward, layer: index, input, count: rows.count, worker)
    if pass == .alone, let down = plan.layers[index].neurons {
      runAlone(layer, index: index, of: input, down: down, maySkip: !rows.skipping.isEmpty, worker)
    } else {
      if pass == .alone {
        computeAll(layer, index: index, of: input, worker)
      } else {
        computeBatch(layer, index: index, of: input, rows: rows, worker)
      }
      worker.sync()
      tap?.show(.down, layer: index, work.shared.hidden, count: rows.count, worker)
      if isWatched {
        let some = worker.share(of: configuration.feedForwardSize)
        activity.note(layer: index, worker: worker.index, some, of: work.shared.hidden.values)
      }
      worker.enter(.down)
      addDown(layer, index: index, rows: rows, worker)
    }
    worker.sync()
    if isWatched, worker.leads { activity.add(feedForward: trial.time() - start) }
    if isTiming {
      let time = trial.time() - start
      if pass != .alone {
        lists.note(nanoseconds: time)
      } else if decodes {
        layerTimes?.add(layer: index, nanoseconds: time)
        trial.note(layer: index, nanoseconds: time)
      }
    }
  }

  // MARK: Down

  /// The bias of a layer's output, unless another executor adds it.
  func bias(of layer: LayerWeights, index: Int) -> Vector? {
    plan.layers[index].resident.includeOutputBias ? layer.downBias : nil
  }

  /// output = down · hidden + bias, once all neurons are there.
  private func addDown(_ layer: LayerWeights, index: Int, rows: RowGroup, _ worker: Worker) {
    let all = 0..<rows.count
    let byNeuron = plan.layers[index].neurons
    let bias = bias(of: layer, index: index)
    switch layer.down {
    case .neurons(let down): addRows(down, bias: bias, index: index, rows: rows, of: all, worker)
    case .rows(let down):
      // A copy by neurons is for those who leave some out.
      let few = byNeuron == nil ? rows.count..<rows.count : rows.skipping
      if let byNeuron, !few.isEmpty {
        addRows(byNeuron, bias: bias, index: index, rows: rows, of: few, worker)
      }
      guard few.lowerBound > 0 else { return }
      if let slice = slices[index] {
        let hidden = slice.prepared(work.shared.hidden, rows: rows, kernels: kernels, worker)
        projections.project(
          slice.matrix, bias: bias, of: hidden, tokens: 0..<few.lowerBound, into: work.feedForwardOutput, worker)
        return
      }
      let hidden = projections.prepared(
        work.shared.hidden, for: down, form: work.rows(rows, worker).hidden, rows: rows, worker)
      projections.project(
        down, bias: bias, of: hidden, tokens: 0..<few.lowerBound, into: work.feedForwardOutput, worker)
    }
  }

  /// output = Σ rows of the down projection times what their neurons give, for some rows of the batch.
  ///
  /// Those whose products are made together in one sum, the others piece by piece, as ``runAlone(_:index:of:down:maySkip:_:)`` adds them.
  private func addRows(
    _ down: Matrix, bias: Vector?, index: Int, rows: RowGroup, of tokens: Range<Int>, _ worker: Worker
  ) {
    let d = down.columns
    let columns = worker.share(of: d, multiple: max(32, down.format.blockElements))
    guard !columns.isEmpty else { return }
    func clear(_ buffer: UnsafeMutablePointer<Float>, _ tokens: Range<Int>) {
      for t in tokens { (buffer + t * d + columns.lowerBound).update(repeating: 0, count: columns.count) }
    }
    func add(_ neurons: Range<Int>, _ tokens: Range<Int>, into sum: UnsafeMutablePointer<Float>) {
      kernels.accumulateRows(
        down.rows(neurons), coefficients: work.shared.hidden.values + neurons.lowerBound,
        hStride: configuration.feedForwardSize, tokens: tokens, columns: columns, into: sum, stride: d)
    }
    clear(work.feedForwardOutput, tokens)
    let border = min(max(rows.panelCount, tokens.lowerBound), tokens.upperBound)
    if border > tokens.lowerBound {
      add(0..<down.rows, tokens.lowerBound..<border, into: work.feedForwardOutput)
    }
    let single = border..<tokens.upperBound
    if !single.isEmpty {
      for piece in pieces[index].ranges {
        clear(scratch.sums, single)
        add(piece, single, into: scratch.sums)
        for t in single {
          let start = t * d + columns.lowerBound
          kernels.add(scratch.sums + start, to: work.feedForwardOutput + start, count: columns.count)
        }
      }
    }
    guard let bias else { return }
    for t in tokens {
      kernels.add(
        bias.values + columns.lowerBound, to: work.feedForwardOutput + t * d + columns.lowerBound,
        count: columns.count)
    }
  }

  // MARK: Neurons

  /// hidden = what all neurons give for a row alone. The caller syncs.
  private func computeAll(_ layer: LayerWeights, index: Int, of input: Activations, _ worker: Worker) {
    worker.enter(.gateUp)
    let pieces = RowPieces(layer.up, tokens: 1)
    worker.pieces(pieces.count) { piece in
      let neurons = pieces[piece].rows
      if let resident = resident[index], !resident[neurons].contains(true) {
        (work.shared.hidden.row(0) + neurons.lowerBound).update(repeating: 0, count: neurons.count)
        return
      }
      if let gate = layer.gate {
        projections.project(gate, neurons, bias: layer.gateBias, of: input, tokens: 0..<1, into: work.gate)
      }
      projections.project(layer.up, neurons, bias: layer.upBias, of: input, tokens: 0..<1, into: work.up)
      worker.enter(.activation)
      activate(at: neurons.lowerBound, count: neurons.count)
      silenceOthers(index, neurons, row: 0)
      worker.enter(.gateUp)
    }
  }

  /// Sets to 0 what neurons give that are computed elsewhere.
  func silenceOthers(_ layer: Int, _ neurons: Range<Int>, row: Int) {
    guard let resident = resident[layer] else { return }
    let hidden = work.shared.hidden.row(row)
    for neuron in neurons where !resident[neuron] { hidden[neuron] = 0 }
  }

  /// What `count` neurons from index `start` of the batch's gate and up products give.
  func activate(at start: Int, count: Int) {
    activate(gate: work.gate + start, up: work.up + start, into: work.shared.hidden.values + start, count: count)
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
