import PowerInfer
import PowerInferKernels
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// Training on layers whose best predictor is known: neurons that fire where a small network of this kind says so.
@Suite struct LayerTrainingTests {
  private let folder: TemporaryFolder
  private let shape = TraceShape(layers: 1, inputs: 32, neurons: 40)
  private let tokens = 3000

  init() throws { folder = try TemporaryFolder() }

  /// Writes the traces of a teacher of `units` units, and returns the share of its neurons that fire.
  private func write(_ name: String, units: Int, seed: UInt64) throws -> Double {
    var generator = SeededGenerator(seed: seed)
    let fc1 = generator.floats(units * 32)
    let fc2 = generator.floats(40 * units).map { $0 - 0.3 }
    let writer = try TraceFile.Writer(folder.file(name), shape: shape, layer: 0, part: 0)
    var fired = 0
    for _ in 0..<tokens {
      let input = generator.floats(32)
      var record = [UInt8](repeating: 0, count: shape.inputBytes)
      Kernels.active.quantize(.q8_0, input, count: 32, into: &record)
      let hidden = (0..<units).map { unit in max(0, (0..<32).reduce(Float(0)) { $0 + fc1[unit * 32 + $1] * input[$1] })
      }
      var (bits, codes) = ([UInt8](repeating: 0, count: shape.bitBytes), [UInt8]())
      for neuron in 0..<40 {
        let score = (0..<units).reduce(Float(0)) { $0 + fc2[neuron * units + $1] * hidden[$1] }
        guard score > 0 else { continue }
        bits[neuron / 8] |= 1 << UInt8(neuron % 8)
        codes.append(ContributionCode.code(score))
      }
      fired += codes.count
      record += bits + codes
      try record.withUnsafeBytes { try writer.append($0, lengths: [$0.count]) }
    }
    try writer.finish()
    return Double(fired) / Double(tokens * 40)
  }

  private func training(
    _ name: String, _ recipe: TrainingRecipe, aim: LayerAim, start: PredictorNetwork? = nil
  ) throws -> LayerTraining {
    let traces = try LayerTraces([folder.file(name)], shape: shape, layer: 0, tokens: tokens)
    return try LayerTraining(
      traces, learnt: 0..<2500, heldOut: 2500..<3000, recipe: recipe,
      task: LayerTask(
        pass: 0, layer: 0, aim: aim, start: start, price: recipe.price, cost: LayerCost(neurons: 40, askedBytes: 34)))
  }

  private var recipe: TrainingRecipe {
    var recipe = TrainingRecipe()
    recipe.rank = 32
    recipe.batch = 50
    recipe.roundTokens = 2500
    recipe.epochs = 12
    recipe.freshRate = 5e-3
    recipe.warmUpSteps = 10
    return recipe
  }

  private func finish(_ training: LayerTraining) throws -> LayerEvaluation {
    while !training.isDone { try training.advance() }
    return try training.finalEvaluation(2500..<3000)
  }

  @Test func aTeacherIsFollowed() throws {
    let fired = try write("trace", units: 3, seed: 1)
    #expect(fired > 0.1 && fired < 0.5)
    var recipe = recipe
    recipe.epochs = 40
    recipe.patience = 40
    let before = try training("trace", recipe, aim: .computed(fired))
    let untrained = try before.finalEvaluation(2500..<3000)
    let found = try finish(before)
    // Nearly all there is, with no more than what fires; at random it would be as much as is computed.
    let aimed = LayerAim.computed(fired).point(on: found.curve)
    #expect(aimed.found > 0.99)
    #expect(abs(found.point.computed - fired) < 0.05 && found.point.found > 0.98)
    let guessed = LayerAim.computed(fired).point(on: untrained.curve)
    #expect(guessed.found < 0.8)
  }

  @Test(arguments: [0.9, 0.97]) func whatIsFoundIsWhatIsWanted(share: Double) throws {
    _ = try write("trace", units: 12, seed: 2)
    let found = try finish(training("trace", recipe, aim: .found(share)))
    #expect(abs(found.point.found - share) < 0.03)
    #expect(found.point.computed < 0.8)
  }

  @Test func ranksGrowNoFurtherThanPays() throws {
    _ = try write("trace", units: 3, seed: 1)
    var recipe = recipe
    recipe.rank = nil
    recipe.largestRank = 128
    recipe.epochs = 3
    // A predictor of 32 units tells all there is to tell, and each of its rows costs as much as a neuron's.
    let training = try training("trace", recipe, aim: .found(0.97))
    #expect(training.state.phase == .probing)
    _ = try finish(training)
    #expect(training.network.rank == 32)
    #expect(training.progress == 1)
  }

  @Test func unitsAreTakenAwayWhereNothingIsLost() throws {
    _ = try write("trace", units: 3, seed: 1)
    var recipe = recipe
    recipe.rank = nil
    recipe.largestRank = 96
    recipe.epochs = 3
    var random = SplitMix64(seed: 7)
    let start = PredictorNetwork(
      inputScales: Array(repeating: 1, count: 32), neurons: 40, rank: 96, type: .q8_0, random: &random)
    let training = try training("trace", recipe, aim: .found(0.97), start: start)
    #expect(training.network.rank == 96)
    _ = try finish(training)
    #expect(training.network.rank < 96)
  }

  /// Whatever is saved in the middle goes on to the same bits.
  @Test(arguments: [1, 4, 7, 11]) func savedWorkGoesOnAsIfNothingHadHappened(rounds: Int) throws {
    _ = try write("trace", units: 3, seed: 1)
    var recipe = recipe
    recipe.rank = nil
    recipe.largestRank = 64
    recipe.probeRounds = 2
    recipe.epochs = 4
    recipe.trimRounds = 2
    let whole = try training("trace", recipe, aim: .found(0.95))
    let expected = try finish(whole)
    let first = try training("trace", recipe, aim: .found(0.95))
    for _ in 0..<rounds { try first.advance() }
    try first.save(folder.file("checkpoint"))
    let second = try training("trace", recipe, aim: .found(0.95))
    try second.restore(folder.file("checkpoint"))
    #expect(second.state == first.state)
    #expect(try finish(second) == expected && second.network.fc2.encoded() == whole.network.fc2.encoded())
    #expect(zip(second.network.blocks, whole.network.blocks).allSatisfy { $0.elementsEqual($1) })
  }

  @Test func damagedCheckpointsAreFound() throws {
    _ = try write("trace", units: 3, seed: 1)
    let first = try training("trace", recipe, aim: .found(0.97))
    try first.advance()
    let path = folder.file("checkpoint")
    try first.save(path)
    let good = try folder.read("checkpoint")
    for place in [0, 9, 40, good.count / 2, good.count - 1] {
      var bad = good
      bad[place] ^= 4
      try folder.write("checkpoint", bad)
      #expect(throws: TrainingError.damaged(path)) { try first.restore(path) }
    }
    for count in [0, 8, 48, good.count - 1] {
      try folder.write("checkpoint", Array(good.prefix(count)))
      #expect(throws: TrainingError.damaged(path)) { try first.restore(path) }
    }
    // Whole, but of another rank.
    var other = recipe
    other.format = .f16
    try folder.write("checkpoint", good)
    try first.restore(path)
  }

  @Test func allScoresCanBeMoved() throws {
    _ = try write("trace", units: 3, seed: 1)
    let training = try training("trace", recipe, aim: .found(0.97))
    let scratch = TrainingScratch(batch: 50, inputs: 32, neurons: 40, rank: 32)
    func scores() -> [Float] {
      for row in 0..<50 { training.traces.readInput(2600 + row, into: scratch.input.start + row * 32) }
      scratch.predict(training.network, count: 50)
      return Array(UnsafeBufferPointer(start: scratch.scores.start, count: 50 * 40))
    }
    let before = scores()
    let shift = ScoreShift(training.network, on: training.traces, tokens: Array(0..<2000), scratch: scratch)
    shift.move(training.network, by: 0.5)
    let moves = zip(scores(), before).map { $0 - $1 }
    let mean = moves.reduce(0, +) / Float(moves.count)
    let spread = (moves.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(moves.count)).squareRoot()
    #expect(abs(mean - 0.5) < 0.05 && spread < 0.1, "\(mean) \(spread)")
  }

  @Test func equationsAreSolved() {
    // A = M Mᵀ of a random M, so that it is symmetric and positive.
    var generator = SeededGenerator(seed: 1)
    let n = 6
    let m = generator.floats(n * n).map(Double.init)
    let expected = generator.floats(n).map(Double.init)
    let a = (0..<n * n).map { place in
      (0..<n).reduce(0.0) { $0 + m[place / n * n + $1] * m[place % n * n + $1] }
    }
    let b = (0..<n).map { row in (0..<n).reduce(0.0) { $0 + a[row * n + $1] * expected[$1] } }
    var work = a
    for (x, y) in zip(ScoreShift.solve(&work, b), expected) { #expect(abs(x - y) < 1e-6) }
  }

  @Test func nothingToLearnIsSaid() throws {
    let writer = try TraceFile.Writer(folder.file("trace"), shape: shape, layer: 0, part: 0)
    let record = [UInt8](repeating: 0, count: shape.inputBytes + shape.bitBytes)
    for _ in 0..<tokens { try record.withUnsafeBytes { try writer.append($0, lengths: [$0.count]) } }
    try writer.finish()
    #expect(throws: TrainingError.alwaysSilent(layer: 0)) { try training("trace", recipe, aim: .found(0.97)) }
    #expect(
      TrainingError.alwaysSilent(layer: 3).description
        == "No neuron of layer 3 ever fires on this text, so that there is nothing to learn.")
  }
}
