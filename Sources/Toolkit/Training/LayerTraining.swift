import Foundation
import PowerInfer
import PowerInferKernels

/// The training of one layer's predictor in one pass, on one thread: round after round, each measured on held-out tokens.
///
/// In the first pass ranks are tried, each for a few rounds, growing while that pays (``LayerCost``); then the predictor is trained
/// in earnest with a falling rate; then units are taken away while nothing is lost by it. Later passes only train. The price of
/// computing follows what the layer aims at: it rises while too much is computed, and falls while it is too little.
final class LayerTraining {
  let traces: LayerTraces
  let recipe: TrainingRecipe
  let task: LayerTask
  private let learnt: Range<Int>
  private let heldOut: [Int]
  private let statistics: LayerStatistics
  private let rates: FloatBuffer  // [d], of fc1's columns
  private let scratch: TrainingScratch
  private let trainingRounds: Int
  private let fullRate: Float
  private let weighing: ContributionWeighing

  private(set) var state: LayerState
  private(set) var network: PredictorNetwork
  private var best: PredictorNetwork?
  private var permutation: (pass: Int, tokens: [UInt32]) = (-1, [])

  /// Tokens that are looked at before training.
  private static let surveyed = 2048

  /// - Parameters:
  ///   - learnt: tokens to learn from, of which there is one.
  ///   - heldOut: tokens to measure with.
  /// - Throws: ``TrainingError/alwaysSilent(layer:)``, ``TrainingError/diverged(layer:)``.
  init(
    _ traces: LayerTraces, learnt: Range<Int>, heldOut: Range<Int>, recipe: TrainingRecipe, task: LayerTask
  ) throws(TrainingError) {
    self.traces = traces
    self.recipe = recipe
    self.task = task
    self.learnt = learnt
    self.heldOut = Self.spread(heldOut, recipe.evaluationTokens)
    let shape = traces.shape
    let statistics = LayerStatistics(traces, tokens: Self.spread(learnt, Self.surveyed))
    self.statistics = statistics
    guard statistics.fired > 0 else { throw .alwaysSilent(layer: traces.layer) }
    rates = FloatBuffer(shape.inputs)
    for (index, scale) in statistics.inputScales.enumerated() { rates.start[index] = PredictorNetwork.rate(scale) }
    weighing = ContributionWeighing(power: recipe.goal.power, total: Float(shape.neurons))
    let isFirst = task.pass == 0
    let tokens = recipe.epochs * (isFirst ? 1 : recipe.laterEpochsShare) * Double(learnt.count)
    trainingRounds = max(1, Int((tokens / Double(min(recipe.roundTokens, max(learnt.count, 1)))).rounded(.up)))
    fullRate =
      (task.start == nil ? recipe.freshRate : recipe.rate) * (isFirst ? 1 : recipe.laterRateShare)
    let startRank = Self.startRank(task, recipe, statistics, shape)
    scratch = TrainingScratch(
      batch: recipe.batch, inputs: shape.inputs, neurons: shape.neurons,
      rank: max(startRank, recipe.largestRank, task.start?.rank ?? 0))
    state = LayerState(phase: Self.choosesRank(task, recipe) ? .probing : .training, price: task.price)
    var random = SplitMix64(seed: Self.seed(recipe.seed, task, 0))
    if let start = task.start {
      network = start
      if isFirst { try adapt(to: startRank, &random) }
    } else {
      network = PredictorNetwork(
        inputScales: statistics.inputScales, neurons: shape.neurons, rank: startRank, type: recipe.format,
        random: &random)
    }
  }

  /// Gives a predictor that was made elsewhere another rank, and predictions of the size that those trained here have.
  private func adapt(to rank: Int, _ random: inout SplitMix64) throws(TrainingError) {
    let evaluation = try LayerEvaluation(
      network, on: traces, tokens: Array(heldOut.prefix(recipe.batch)), weighing: weighing, scratch: scratch)
    let size = evaluation.curve.meanMagnitude
    guard size > 0 else { return }
    for index in 0..<network.fc2.values.count { network.fc2.values.start[index] *= Float(2 / size) }
    if rank < network.rank {
      network = network.trimmed(to: rank, activity: evaluation.activity)
    } else if rank > network.rank {
      network = network.grown(to: rank, inputScales: statistics.inputScales, random: &random)
    }
    network.round()
  }

  private static func choosesRank(_ task: LayerTask, _ recipe: TrainingRecipe) -> Bool {
    task.pass == 0 && recipe.rank == nil
  }

  /// The rank to begin with.
  private static func startRank(
    _ task: LayerTask, _ recipe: TrainingRecipe, _ statistics: LayerStatistics, _ shape: TraceShape
  ) -> Int {
    let step = TrainingRecipe.rankStep
    if let rank = recipe.rank { return rank }
    if let start = task.start { return min((start.rank + step - 1) / step * step, recipe.largestRank) }
    return startRank(statistics, shape: shape, largest: recipe.largestRank)
  }

  /// The rank to begin with where nothing is known: the more neurons fire the more there is to tell apart, and the less the more often it is always
  /// the same ones (PowerInfer §5.1).
  static func startRank(_ statistics: LayerStatistics, shape: TraceShape, largest: Int) -> Int {
    let size = (statistics.fired * Double(shape.inputs)).squareRoot() * statistics.skew / 3
    let step = TrainingRecipe.rankStep
    return min(max(step, Int((size / Double(step)).rounded()) * step), largest)
  }

  /// At most `count` numbers of a range, evenly spaced.
  private static func spread(_ range: Range<Int>, _ count: Int) -> [Int] {
    let count = min(count, range.count)
    return (0..<count).map { range.lowerBound + $0 * range.count / max(count, 1) }
  }

  private static func seed(_ seed: UInt64, _ task: LayerTask, _ purpose: Int) -> UInt64 {
    var random = SplitMix64(seed: seed)
    let place = UInt64(task.pass) << 56 ^ UInt64(task.layer) << 40 ^ UInt64(bitPattern: Int64(purpose))
    var mixed = SplitMix64(seed: random.next() ^ place)
    return mixed.next()
  }

  // MARK: Progress

  var isDone: Bool { state.phase == .done }

  /// Share of the rounds that are done, as far as can be told.
  var progress: Double {
    if isDone { return 1 }
    let choosesRank = Self.choosesRank(task, recipe)
    let probing = choosesRank ? 2 * recipe.probeRounds : 0
    let trimming = choosesRank ? recipe.trimRounds : 0
    return min(0.99, Double(state.rounds) / Double(probing + trainingRounds + trimming))
  }

  // MARK: Rounds

  /// Learns from one round's tokens, measures, and decides how to go on.
  ///
  /// - Throws: ``TrainingError/diverged(layer:)``.
  func advance() throws(TrainingError) {
    guard !isDone else { return }
    let tokens = min(recipe.roundTokens, max(learnt.count, 1))
    let first = state.seen
    while state.seen < first + tokens {
      let count = min(recipe.batch, first + tokens - state.seen)
      learn(count: count, rate: rate(Double(state.seen - first) / Double(tokens)))
    }
    state.round += 1
    state.rounds += 1
    network.round()
    let evaluation = try LayerEvaluation(
      network, on: traces, tokens: heldOut, weighing: weighing, scratch: scratch)
    adjustPrice(evaluation)
    switch state.phase {
    case .probing: endProbe(evaluation)
    case .training: endTrainingRound(evaluation)
    case .settling: endSettlingRound(evaluation)
    case .trimming: endTrimmingRound(evaluation)
    case .done: break
    }
    if isDone { try calibrate() }
  }

  /// Moves the finished network's scores so that it does what is aimed at: the price alone leaves it somewhere near.
  private func calibrate() throws(TrainingError) {
    for _ in 0..<3 {
      let evaluation = try LayerEvaluation(
        network, on: traces, tokens: heldOut, weighing: weighing, scratch: scratch)
      let threshold = task.aim.point(on: evaluation.curve).threshold
      shift.move(network, by: -Double(min(max(threshold, -2), 2)))
    }
  }

  /// Adam's rate in the course of a phase.
  ///
  /// - Parameter part: of the round that is done.
  private func rate(_ part: Double) -> Float {
    let warm = min(1, Float(state.step + 1) / Float(max(recipe.warmUpSteps, 1)))
    let (start, rounds): (Float, Int)
    switch state.phase {
    case .probing, .done: return fullRate * warm
    case .training: (start, rounds) = (1, trainingRounds)
    case .settling: (start, rounds) = (0.5, recipe.settlingRounds)
    case .trimming: (start, rounds) = (0.3, recipe.trimRounds)
    }
    let course = min(1, (Double(state.round) + part) / Double(max(rounds, 1)))
    let wave = Float(0.5 + 0.5 * cos(Double.pi * course))
    return fullRate * warm * (recipe.finalRateShare + (start - recipe.finalRateShare) * wave)
  }

  /// One step, on the next tokens in this pass's order.
  private func learn(count: Int, rate: Float) {
    let (d, f) = (network.inputs, network.neurons)
    for row in 0..<count {
      let token = token(at: state.seen + row)
      traces.readInput(token, into: scratch.input.start + row * d)
      traces.readWeights(token, weighing, into: scratch.weights.start + row * f)
    }
    if state.step % max(recipe.roundingInterval, 1) == 0 { network.round() }
    scratch.predict(network, count: count)
    state.seen += count
    state.step += 1
    let step = AdamStep(number: state.step, rate: rate, decay: recipe.decay * rate / fullRate)
    scratch.learn(network, count: count, price: state.price) { matrix, gradient in
      // fc1's rate goes by what a weight's change does to the result; fc2's inputs are all alike.
      let own = matrix === network.fc1 ? UnsafePointer(rates.start) : nil
      for row in 0..<matrix.rows {
        let place = row * matrix.columns
        Kernels.active.adam(
          step, gradient: gradient + place, rates: own, count: matrix.columns, values: matrix.values.start + place,
          means: matrix.means.start + place, squares: matrix.squares.start + place)
      }
    }
  }

  /// The token at a place in the order in which all are learnt from, shuffled anew for every pass.
  private func token(at place: Int) -> Int {
    let pass = place / learnt.count
    if permutation.pass != pass {
      var random = SplitMix64(seed: Self.seed(recipe.seed, task, 1 + pass))
      var tokens = (0..<UInt32(clamping: learnt.count)).map { $0 }
      for index in stride(from: tokens.count - 1, to: 0, by: -1) {
        tokens.swapAt(index, Int(random.next() % UInt64(index + 1)))
      }
      permutation = (pass, tokens)
    }
    return learnt.lowerBound + Int(permutation.tokens[place % learnt.count])
  }

  /// Moves the price so that what is done comes nearer to the aim, and all scores with it: the best score is the logarithm of
  /// what a neuron is worth / the price, so that the threshold that would be right is by how much the price's logarithm is wrong.
  private func adjustPrice(_ evaluation: LayerEvaluation) {
    let threshold = task.aim.point(on: evaluation.curve).threshold
    let change = recipe.priceGain * min(max(threshold, -2), 2)
    state.price = min(max(state.price * exp(change), 1e-6), 1e3)
    shift.move(network, by: -Double(change))
  }

  private var shift: ScoreShift {
    ScoreShift(network, on: traces, tokens: Self.spread(learnt, Self.surveyed), scratch: scratch)
  }

  // MARK: Decisions

  /// How good the network is at what it aims at: scores that are all too high or too low are put right at the end.
  private func score(_ evaluation: LayerEvaluation) -> Double {
    task.cost.score(
      predictorBytes: network.byteCount, task.aim.point(on: evaluation.curve), aim: task.aim,
      limit: recipe.computedLimit)
  }

  /// Goes on with a larger rank if this one is better than the one before, and with the better one otherwise.
  private func endProbe(_ evaluation: LayerEvaluation) {
    guard state.round >= recipe.probeRounds else { return }
    let score = score(evaluation)
    let rank = network.rank
    let improves = state.probed.map { score < $0.score } ?? true
    if improves { state.probed = LayerState.Probe(rank: rank, score: score) }
    let next = min(
      recipe.largestRank,
      (rank + max(TrainingRecipe.rankStep, rank / 2)) / TrainingRecipe.rankStep * TrainingRecipe.rankStep)
    state.round = 0
    if improves, next > rank {
      var random = SplitMix64(seed: Self.seed(recipe.seed, task, -next))
      network = network.grown(to: next, inputScales: statistics.inputScales, random: &random)
    } else {
      if let probed = state.probed, probed.rank < rank {
        network = network.trimmed(to: probed.rank, activity: evaluation.activity)
      }
      state.phase = .training
    }
  }

  private func endTrainingRound(_ evaluation: LayerEvaluation) {
    keepIfBest(evaluation)
    let isStuck = state.best.map { state.round - $0.round >= recipe.patience } ?? false
    if state.round >= trainingRounds {
      beginTrimming()
    } else if isStuck {
      state.phase = .settling
      state.round = 0
    }
  }

  private func endSettlingRound(_ evaluation: LayerEvaluation) {
    keepIfBest(evaluation)
    if state.round >= recipe.settlingRounds { beginTrimming() }
  }

  /// Takes the least important units away, as many as a block holds, if ranks are this training's to choose.
  private func beginTrimming() {
    state.round = 0
    guard let best, let found = state.best else { return }
    let rank = best.rank - TrainingRecipe.rankStep
    network = best.copy()
    guard Self.choosesRank(task, recipe), rank >= TrainingRecipe.rankStep else {
      state.phase = .done
      return
    }
    state.phase = .trimming
    network = best.trimmed(to: rank, activity: found.evaluation.activity)
  }

  private func endTrimmingRound(_ evaluation: LayerEvaluation) {
    keepIfBest(evaluation)
    guard state.round >= recipe.trimRounds else { return }
    if let best = state.best, best.rank == network.rank {
      beginTrimming()
    } else {
      state.phase = .done
      if let best { network = best.copy() }
    }
  }

  private func keepIfBest(_ evaluation: LayerEvaluation) {
    let score = score(evaluation)
    if let found = state.best, found.score <= score { return }
    state.best = LayerState.Best(rank: network.rank, score: score, round: state.round, evaluation: evaluation)
    best = network.copy()
  }

  // MARK: Saving

  /// Saves all that going on depends on.
  func save(_ path: String) throws {
    try StateFile.write(path, state, blocks: ([network] + [best].compactMap { $0 }).flatMap(\.blocks))
  }

  /// Takes up what was saved.
  ///
  /// - Throws: `TrainingError.damaged`, `FileError`.
  func restore(_ path: String) throws {
    let file = try StateFile<LayerState>(path)
    let shape = traces.shape
    func network(_ blocks: ArraySlice<UnsafeRawBufferPointer>) throws(TrainingError) -> PredictorNetwork {
      let network = PredictorNetwork(
        blocks: Array(blocks), inputs: shape.inputs, neurons: shape.neurons, type: recipe.format)
      guard let network else { throw .damaged(path) }
      return network
    }
    guard file.blocks.count == (file.state.best == nil ? 6 : 12) else { throw TrainingError.damaged(path) }
    self.network = try network(file.blocks[..<6])
    best = file.state.best == nil ? nil : try network(file.blocks[6...])
    state = file.state
  }

  // MARK: The result

  /// What the network does on all held-out tokens.
  ///
  /// - Throws: ``TrainingError/diverged(layer:)``.
  func finalEvaluation(_ tokens: Range<Int>) throws(TrainingError) -> LayerEvaluation {
    try LayerEvaluation(network, on: traces, tokens: Array(tokens), weighing: weighing, scratch: scratch)
  }
}
