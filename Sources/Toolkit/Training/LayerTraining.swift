import Foundation
import Inference
import Kernels

/// The training of one layer's predictor, on one thread: round after round, each measured on held-out tokens.
///
/// First ranks are tried, each for a few rounds, growing while that pays (``LayerCost``); then the predictor is trained in earnest
/// with a falling rate; then units are taken away while nothing is lost by it. The weight of silent neurons follows what is
/// found: it rises while more is found than wanted, so that fewer are computed, and falls while it is less.
final class LayerTraining {
  let traces: LayerTraces
  let recipe: TrainingRecipe
  let cost: LayerCost
  let learnt: Range<Int>
  let heldOut: [Int]
  private let statistics: LayerStatistics
  private let rates: FloatBuffer  // [d], of fc1's columns
  private let scratch: TrainingScratch
  private let startRank: Int
  private let trainingRounds: Int

  private(set) var state: LayerState
  private(set) var network: PredictorNetwork
  private var best: PredictorNetwork?
  private var permutation: (pass: Int, tokens: [UInt32]) = (-1, [])

  /// Tokens that are looked at before training.
  private static let surveyed = 4096

  /// - Parameters:
  ///   - learnt: tokens to learn from, of which there is one.
  ///   - heldOut: tokens to measure with.
  /// - Throws: ``TrainingError/alwaysSilent(layer:)``.
  init(
    _ traces: LayerTraces, learnt: Range<Int>, heldOut: Range<Int>, recipe: TrainingRecipe, cost: LayerCost
  ) throws(TrainingError) {
    self.traces = traces
    self.recipe = recipe
    self.cost = cost
    self.learnt = learnt
    self.heldOut = Self.spread(heldOut, recipe.evaluationTokens)
    let statistics = LayerStatistics(traces, tokens: Self.spread(learnt, Self.surveyed))
    self.statistics = statistics
    guard statistics.fired > 0 else { throw .alwaysSilent(layer: traces.layer) }
    let shape = traces.shape
    rates = FloatBuffer(shape.inputs)
    for (index, scale) in statistics.inputScales.enumerated() { rates.start[index] = PredictorNetwork.rate(scale) }
    startRank = recipe.rank ?? Self.startRank(statistics, shape: shape, largest: recipe.largestRank)
    let tokens = recipe.epochs * Double(learnt.count)
    trainingRounds = max(1, Int((tokens / Double(min(recipe.roundTokens, max(learnt.count, 1)))).rounded(.up)))
    scratch = TrainingScratch(
      batch: recipe.batch, inputs: shape.inputs, neurons: shape.neurons,
      rank: recipe.rank ?? max(recipe.largestRank, startRank))
    state = LayerState(phase: recipe.rank == nil ? .probing : .training, silentWeight: recipe.silentWeight)
    var random = SplitMix64(seed: Self.seed(recipe.seed, traces.layer, 0))
    network = PredictorNetwork(
      inputScales: statistics.inputScales, neurons: shape.neurons, rank: startRank, type: recipe.format,
      random: &random)
  }

  /// The rank to begin with: the more neurons fire the more there is to tell apart, and the less the more often it is always
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

  private static func seed(_ seed: UInt64, _ layer: Int, _ purpose: Int) -> UInt64 {
    var random = SplitMix64(seed: seed)
    var mixed = SplitMix64(seed: random.next() ^ UInt64(layer) << 32 ^ UInt64(bitPattern: Int64(purpose)))
    return mixed.next()
  }

  // MARK: Progress

  var isDone: Bool { state.phase == .done }

  /// Share of the rounds that are done, as far as can be told.
  var progress: Double {
    if isDone { return 1 }
    let probing = recipe.rank == nil ? 3 * recipe.probeRounds : 0
    let trimming = recipe.rank == nil ? 2 * recipe.trimRounds : 0
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
    let evaluation = try LayerEvaluation(network, on: traces, tokens: heldOut, goal: recipe.goal, scratch: scratch)
    adjustSilentWeight(evaluation)
    switch state.phase {
    case .probing: endProbe(evaluation)
    case .training: endTrainingRound(evaluation)
    case .trimming: endTrimmingRound(evaluation)
    case .done: break
    }
  }

  /// Adam's rate in the course of a phase.
  ///
  /// - Parameter part: of the round that is done.
  private func rate(_ part: Double) -> Float {
    let warm = min(1, Float(state.step + 1) / Float(max(recipe.warmUpSteps, 1)))
    let (start, rounds): (Float, Int)
    switch state.phase {
    case .probing, .done: return recipe.rate * warm
    case .training: (start, rounds) = (1, trainingRounds)
    case .trimming: (start, rounds) = (0.3, recipe.trimRounds)
    }
    let course = min(1, (Double(state.round) + part) / Double(max(rounds, 1)))
    let wave = Float(0.5 + 0.5 * cos(Double.pi * course))
    return recipe.rate * warm * (recipe.finalRateShare + (start - recipe.finalRateShare) * wave)
  }

  /// One step, on the next tokens in this pass's order.
  private func learn(count: Int, rate: Float) {
    let (d, f) = (network.inputs, network.neurons)
    for row in 0..<count {
      let token = token(at: state.seen + row)
      traces.readInput(token, into: scratch.input.start + row * d)
      traces.readWeights(token, weighing(token), into: scratch.weights.start + row * f)
    }
    if state.step % max(recipe.roundingInterval, 1) == 0 { network.round() }
    scratch.predict(network, count: count)
    state.seen += count
    state.step += 1
    let step = AdamStep(number: state.step, rate: rate, decay: recipe.decay * rate / recipe.rate)
    scratch.learn(network, count: count, silentWeight: state.silentWeight) { matrix, gradient in
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

  /// How a token's neurons are weighed.
  private func weighing(_ token: Int) -> LayerTraces.Weighing {
    guard recipe.goal.countsContributions else { return LayerTraces.Weighing(share: 0, base: 1, limit: 1) }
    let sums = traces.sums(token)
    let share =
      sums.contribution > 0 ? recipe.contributionWeight * Float(statistics.fired) / sums.contribution : 0
    return LayerTraces.Weighing(share: share, base: recipe.firingWeight, limit: recipe.weightLimit)
  }

  /// The token at a place in the order in which all are learnt from, shuffled anew for every pass.
  private func token(at place: Int) -> Int {
    let pass = place / learnt.count
    if permutation.pass != pass {
      var random = SplitMix64(seed: Self.seed(recipe.seed, traces.layer, 1 + pass))
      var tokens = (0..<UInt32(clamping: learnt.count)).map { $0 }
      for index in stride(from: tokens.count - 1, to: 0, by: -1) {
        tokens.swapAt(index, Int(random.next() % UInt64(index + 1)))
      }
      permutation = (pass, tokens)
    }
    return learnt.lowerBound + Int(permutation.tokens[place % learnt.count])
  }

  /// Moves the weight of silent neurons so that what is found comes nearer to what is wanted.
  private func adjustSilentWeight(_ evaluation: LayerEvaluation) {
    func odds(_ share: Double) -> Double { log(max(share, 1e-5) / max(1 - share, 1e-5)) }
    let change = recipe.silentWeightGain * (odds(evaluation.share(recipe.goal)) - odds(recipe.goal.share))
    state.silentWeight *= Float(exp(min(max(change, -1), 1)))
    state.silentWeight = min(max(state.silentWeight, 1e-4), 1e3)
  }

  // MARK: Decisions

  private func score(_ evaluation: LayerEvaluation, atGoal: Bool) -> Double {
    cost.score(
      predictorBytes: network.byteCount, computed: atGoal ? evaluation.computedAtGoal : evaluation.computed,
      missing: atGoal ? 0 : recipe.goal.share - evaluation.share(recipe.goal), limit: recipe.computedLimit)
  }

  /// Goes on with a larger rank if this one is better than the one before, and with the better one otherwise.
  private func endProbe(_ evaluation: LayerEvaluation) {
    guard state.round >= recipe.probeRounds else { return }
    let score = score(evaluation, atGoal: true)
    let rank = network.rank
    let improves = state.probed.map { score < $0.score } ?? true
    if improves { state.probed = LayerState.Probe(rank: rank, score: score) }
    let next = min(
      recipe.largestRank,
      (rank + max(TrainingRecipe.rankStep, rank / 2)) / TrainingRecipe.rankStep * TrainingRecipe.rankStep)
    state.round = 0
    if improves, next > rank {
      var random = SplitMix64(seed: Self.seed(recipe.seed, traces.layer, -next))
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
    guard state.round >= trainingRounds || isStuck else { return }
    beginTrimming()
  }

  /// Takes the least important units away, as many as a block holds, if ranks are this training's to choose.
  private func beginTrimming() {
    state.round = 0
    guard let best, let found = state.best else { return }
    let rank = best.rank - TrainingRecipe.rankStep
    network = best.copy()
    guard recipe.rank == nil, rank >= TrainingRecipe.rankStep else {
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
    let score = score(evaluation, atGoal: false)
    if let found = state.best, found.score <= score { return }
    state.best = LayerState.Best(rank: network.rank, score: score, round: state.round, evaluation: evaluation)
    best = network.copy()
  }

  // MARK: Saving

  /// Saves all that going on depends on.
  func save(_ path: String) throws {
    try StateFile.write(path, state, blocks: ([network] + [best].compactMap { $0 }).flatMap(Self.blocks))
  }

  private static func blocks(_ network: PredictorNetwork) -> [UnsafeRawBufferPointer] {
    [network.fc1, network.fc2].flatMap { [$0.values.bytes, $0.means.bytes, $0.squares.bytes] }
  }

  /// Takes up what was saved.
  ///
  /// - Throws: `TrainingError.damaged`, `FileError`.
  func restore(_ path: String) throws {
    let file = try StateFile<LayerState>(path)
    let shape = traces.shape
    func network(_ blocks: ArraySlice<UnsafeRawBufferPointer>) throws -> PredictorNetwork {
      let blocks = Array(blocks)
      let rank = blocks[0].count / (4 * shape.inputs)
      let fc1 = LearntMatrix(rows: rank, columns: shape.inputs, format: recipe.format.format(columns: shape.inputs))
      let fc2 = LearntMatrix(rows: shape.neurons, columns: rank, format: recipe.format.format(columns: rank))
      let buffers = [fc1, fc2].flatMap { [$0.values, $0.means, $0.squares] }
      for (buffer, block) in zip(buffers, blocks) {
        guard block.count == buffer.bytes.count, let source = block.baseAddress else {
          throw TrainingError.damaged(path)
        }
        UnsafeMutableRawPointer(buffer.start).copyMemory(from: source, byteCount: block.count)
      }
      return PredictorNetwork(fc1: fc1, fc2: fc2)
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
    try LayerEvaluation(network, on: traces, tokens: Array(tokens), goal: recipe.goal, scratch: scratch)
  }
}
