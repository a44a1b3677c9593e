import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInferToolkit

@Suite struct PredictorTrainingTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func tiny(_ family: String = "llama", magic: Magic = .powerInfer) -> TinyModel {
    var tiny = TinyModel(magic: magic, weightType: .f16)
    tiny.architecture = family
    return tiny
  }

  private func open(_ tiny: TinyModel, _ name: String = "model.gguf") throws -> LanguageModel {
    try LanguageModel(opening: tiny.write(to: folder.file(name)))
  }

  private func text(_ model: LanguageModel, chunks: Int = 12) throws -> ScoredText {
    var generator = SeededGenerator(seed: 8)
    let tokens = (0..<chunks * 32).map { _ in Int32(generator.below(model.configuration.vocabularySize)) }
    return try ScoredText(tokens: tokens, contextSize: 32, beginning: 1)
  }

  private var recipe: TrainingRecipe {
    var recipe = TrainingRecipe()
    recipe.rank = 32
    recipe.batch = 32
    recipe.roundTokens = 128
    recipe.epochs = 2
    recipe.warmUpSteps = 4
    recipe.heldOutShare = 0.25
    return recipe
  }

  private func training(
    _ model: LanguageModel, _ recipe: TrainingRecipe, threads: Int = 2, thresholds: GateThresholds? = nil,
    savingInterval: Double = 15
  ) throws -> PredictorTraining {
    var training = try PredictorTraining(
      model: model, text: text(model), named: "a.txt", recipe: recipe,
      options: EngineOptions(threads: threads, batchSize: 20), thresholds: thresholds)
    training.savingInterval = savingInterval
    return training
  }

  @discardableResult private func run(
    _ training: PredictorTraining, _ name: String, restarts: Bool = false, keepsWork: Bool = false,
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> TrainingReport {
    try training.run(
      output: folder.file(name), folder: folder.file("work"), restarts: restarts, keepsWork: keepsWork,
      isCancelled: isCancelled)
  }

  // MARK: The result

  @Test(arguments: ["llama", "bamboo", "falcon", "opt"]) func everyFamilyGetsPredictors(family: String) throws {
    let model = try open(tiny(family))
    let report = try run(training(model, recipe), "out.gguf")
    #expect(try folder.names() == ["model.gguf", "out.gguf"])
    let out = try LanguageModel(opening: folder.file("out.gguf"))
    #expect(out.file.magic == .powerInfer && out.configuration.sparseThreshold == 0)
    // The same tensors in the same order, of which only predictors have changed.
    #expect(out.file.tensors.map(\.name) == model.file.tensors.map(\.name))
    for (old, new) in zip(model.file.tensors, out.file.tensors) {
      let isPredictor = new.name.contains(".fc")
      #expect(new.type == (isPredictor ? .q8_0 : old.type) && new.shape == old.shape)
      #expect(old.bytes.elementsEqual(new.bytes) == !isPredictor)
    }
    #expect(report.layers.map(\.rank) == [32, 32] && report.tokens == 9 * 32 && report.heldOutTokens == 3 * 32)
    #expect(report.predictorBytes == 2 * (32 * 68 + 96 * 34))
    let quality = try #require(try PredictorQuality(metadata: out.file.metadata))
    #expect(quality.text == "a.txt" && quality.tokens == 288 && quality.heldOutTokens == 96)
    #expect(quality.perplexity == Float(report.perplexity.value))
    #expect(quality.computed == report.layers.map { Float($0.shares.computed ?? -1) })
    #expect(quality.keptSquares == report.layers.map { Float($0.shares.keptSquares ?? -1) })
    let step = try #require(History.steps(of: out.file.metadata).last)
    #expect(
      step.wholeMatch(
        of: /train-predictor Q8_0, computed 0.25, rank 32, 2 passes, seed 1, text a.txt sha256 [0-9a-f]{16}/) != nil,
      "\(step)")
  }

  @Test func aModelWithoutPredictorsGetsThemAtItsEnd() throws {
    var tiny = tiny()
    tiny.changeLayouts = { $0.filter { !$0.name.contains(".fc") } }
    let model = try open(tiny)
    var recipe = recipe
    recipe.rank = nil
    recipe.largestRank = 64
    recipe.probeRounds = 1
    recipe.trimRounds = 1
    recipe.format = .q4_0
    let report = try run(training(model, recipe), "out.gguf")
    let out = try LanguageModel(opening: folder.file("out.gguf"))
    #expect(
      out.file.tensors.suffix(4).map(\.name) == [
        "blk.0.fc1.weight", "blk.0.fc2.weight", "blk.1.fc1.weight", "blk.1.fc2.weight",
      ])
    #expect(out.weights.layers.map { $0.predictor?.rank } == report.layers.map(\.rank))
    #expect(out.file.tensors.suffix(4).allSatisfy { $0.type == .q4_0 })
  }

  /// Random weights make neurons that a linear map tells apart well enough.
  @Test func trainedPredictorsFindMoreThanThoseOfTheModel() throws {
    let model = try open(tiny())
    let text = try text(model, chunks: 80)
    var recipe = recipe
    recipe.goal = .computed(0.5)
    recipe.epochs = 20
    recipe.rate = 5e-3
    recipe.rank = 64
    let training = try PredictorTraining(model: model, text: text, named: "a", recipe: recipe)
    let report = try run(training, "out.gguf")
    let computed = try #require(report.overall.computed)
    let kept = try #require(report.overall.keptSquares)
    #expect(abs(computed - 0.5) < 0.08)
    #expect(kept > 0.8)
    let before = try PredictorCheck(
      opening: folder.file("model.gguf"), text: text.suffix(chunks: 20), options: EngineOptions()
    ).run(progress: { _, _ in }, isCancelled: { false })
    for (old, new) in zip(before.layers, report.layers) {
      // What is found beside what is computed: random predictors find no more than they compute.
      let (oldGain, newGain) = (
        try #require(old.keptSquareShare) - #require(old.computedShare),
        try #require(new.shares.keptSquares) - #require(new.shares.computed)
      )
      #expect(oldGain < 0.15 && newGain > oldGain + 0.15)
    }
  }

  @Test func thresholdsSayWhatFires() throws {
    var tiny = tiny()
    tiny.activation = "silu"
    let model = try open(tiny)
    #expect(throws: TrainingError.neverSilent(activation: "silu")) { try training(model, recipe) }
    let thresholds = try GateThresholds(thresholds: [0.2, 0.2], target: 0.5, tokens: 1, text: "")
    let report = try run(training(model, recipe, thresholds: thresholds), "out.gguf")
    #expect(report.layers.count == 2)
  }

  // MARK: The same bytes

  @Test func sameBytesForAnyThreads() throws {
    let model = try open(tiny())
    for threads in [1, 2, 3] { try run(training(model, recipe, threads: threads), "\(threads).gguf") }
    let one = try folder.read("1.gguf")
    #expect(try folder.read("2.gguf") == one && folder.read("3.gguf") == one)
    var other = recipe
    other.seed = 2
    try run(training(model, other), "other.gguf")
    #expect(try folder.read("other.gguf") != one)
  }

  @Test func interruptedWorkGoesOnToTheSameBytes() throws {
    let model = try open(tiny())
    let questions = Mutex(0)
    try run(
      training(model, recipe, threads: 1), "whole.gguf",
      isCancelled: {
        questions.withLock { $0 += 1 }
        return false
      })
    let total = questions.withLock { $0 }
    #expect(total > 60)
    let whole = try folder.read("whole.gguf")
    for stop in stride(from: 1, to: total, by: 7) {
      let asked = Mutex(0)
      #expect(throws: TrainingError.cancelled(folder: folder.file("work"))) {
        try run(
          training(model, recipe, threads: 1), "out.gguf",
          isCancelled: {
            asked.withLock {
              $0 += 1
              return $0 >= stop
            }
          })
      }
      #expect(!(try folder.names().contains("out.gguf")))
      try run(training(model, recipe, threads: 2, savingInterval: 0), "out.gguf")
      #expect(try folder.read("out.gguf") == whole, "stopped at question \(stop)")
      try FileManager.default.removeItem(atPath: folder.file("out.gguf"))
    }
  }

  // MARK: The folder

  @Test func workOfOtherOptionsIsNotMixed() throws {
    let model = try open(tiny())
    try run(training(model, recipe), "out.gguf", keepsWork: true)
    let work = folder.file("work")
    var other = recipe
    other.seed = 9
    #expect(throws: TrainingError.otherWork(folder: work, what: "set of options")) {
      try run(training(model, other), "out.gguf")
    }
    let short = try PredictorTraining(model: model, text: text(model, chunks: 11), named: "a.txt", recipe: recipe)
    #expect(throws: TrainingError.otherWork(folder: work, what: "text")) { try run(short, "out.gguf") }
    let second = try open(TinyModel(magic: .powerInfer, weightType: .f16, seed: 4), "second.gguf")
    #expect(throws: TrainingError.otherWork(folder: work, what: "model")) {
      try run(training(second, recipe), "out.gguf")
    }
    try run(training(model, other), "out.gguf", restarts: true)
    #expect(try folder.names() == ["model.gguf", "out.gguf", "second.gguf"])
    #expect(
      TrainingError.otherWork(folder: "w", what: "text").description
        == "\"w\" holds work begun with another text; repeat that command to go on with it, or give --restart to begin anew."
    )
  }

  @Test func foreignFoldersAreLeftAlone() throws {
    let model = try open(tiny())
    let work = folder.file("work")
    try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: false)
    try Data("x".utf8).write(to: URL(filePath: work + "/precious"))
    for restarts in [false, true] {
      #expect(throws: TrainingError.foreignFolder(work)) {
        try run(training(model, recipe), "out.gguf", restarts: restarts)
      }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: work) == ["precious"])
    #expect(
      TrainingError.foreignFolder("w").description
        == "\"w\" is not empty and holds no work of this command; name another folder with --work-dir.")
  }

  @Test func oneProcessWorksInAFolder() throws {
    let model = try open(tiny())
    let origin = try TrainingOrigin(
      model: model, text: text(model), thresholds: nil, batchSize: 20, recipe: recipe)
    let held = try WorkFolder(folder.file("work"), origin: origin, restarts: false)
    #expect(throws: TrainingError.inUse(folder.file("work"))) { try run(training(model, recipe), "out.gguf") }
    withExtendedLifetime(held) {}
    #expect(TrainingError.inUse("w").description == "Another process works in \"w\".")
  }

  /// Of what is read in a pass nothing is left when it is over, even if the end came just before.
  @Test func tracesAreGoneAfterTheirPass() throws {
    let model = try open(tiny())
    try run(training(model, recipe), "out.gguf", keepsWork: true)
    let work = folder.file("work")
    let left = try FileManager.default.contentsOfDirectory(atPath: work)
    #expect(!left.contains { $0.hasPrefix("trace") } && left.contains("layer-0-0.result"))
    let whole = try folder.read("out.gguf")
    try Data([1]).write(to: URL(filePath: work + "/trace-0-0-0"))
    try run(training(model, recipe), "out.gguf", keepsWork: true)
    #expect(try !FileManager.default.contentsOfDirectory(atPath: work).contains("trace-0-0-0"))
    #expect(try folder.read("out.gguf") == whole)
  }

  @Test func damagedResultsAreFound() throws {
    let model = try open(tiny())
    try run(training(model, recipe), "out.gguf", keepsWork: true)
    let path = folder.file("work") + "/layer-1-1.result"
    var bytes = try Data(contentsOf: URL(filePath: path))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(filePath: path))
    #expect(throws: TrainingError.damaged(path)) { try run(training(model, recipe), "out.gguf") }
    let origin = folder.file("work") + "/work.json"
    try Data("{".utf8).write(to: URL(filePath: origin))
    #expect(throws: TrainingError.damaged(origin)) { try run(training(model, recipe), "out.gguf") }
    try run(training(model, recipe), "out.gguf", restarts: true)
  }

  /// It is not taken for a missing one, which would mean that nothing in the folder can be trusted.
  @Test func anOriginThatCannotBeReadKeepsTheWork() throws {
    let model = try open(tiny())
    try run(training(model, recipe), "out.gguf", keepsWork: true)
    let whole = try folder.read("out.gguf")
    let origin = folder.file("work") + "/work.json"
    try FileManager.default.moveItem(atPath: origin, toPath: folder.file("origin"))
    try FileManager.default.createDirectory(atPath: origin, withIntermediateDirectories: false)
    #expect(throws: FileError.isFolder(path: origin)) { try run(training(model, recipe), "out.gguf") }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("work")).contains("layer-1-1.result"))
    try FileManager.default.removeItem(atPath: origin)
    try FileManager.default.moveItem(atPath: folder.file("origin"), toPath: origin)
    try run(training(model, recipe), "out.gguf")
    #expect(try folder.read("out.gguf") == whole)
  }

  /// Work is thrown away only when the result is in its place.
  @Test func aResultThatCannotBePutInPlaceKeepsTheWork() throws {
    let model = try open(tiny())
    let output = folder.file("out.gguf")
    #expect(throws: GGUFError.self) {
      try training(model, recipe).run(
        output: output, folder: folder.file("work"),
        progress: { step, _, _ in
          guard step == .writing else { return }
          try? FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: false)
        })
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("work")).contains("layer-1-1.result"))
    try FileManager.default.removeItem(atPath: output)
    try run(training(model, recipe), "out.gguf")
  }

  // MARK: Bad input

  @Test func aDiskWithoutRoomIsSaidBeforehand() throws {
    #expect(throws: TrainingError.notEnoughDisk(folder: "w", needed: 10, free: 9)) {
      try PredictorTraining.checkDisk("w", needed: 10, free: 9)
    }
    try PredictorTraining.checkDisk("w", needed: 10, free: 10)
    try PredictorTraining.checkDisk("w", needed: 10, free: nil)
    #expect(
      TrainingError.notEnoughDisk(folder: "w", needed: 10, free: 9).description
        == "The work takes 10 bytes in \"w\", but its disk has 9 free; a shorter text (--chunks) takes less.")
    // What is written stays below what was reckoned with.
    let shape = TraceShape(layers: 1, inputs: 64, neurons: 96)
    #expect(TraceRun.byteBound(shape, tokens: 100) == 100 * (68 + 12 + 48 + 4))
  }

  @Test func whatIsOutOfRangeIsSaid() throws {
    let model = try open(tiny())
    let cases: [(TrainingError, (inout TrainingRecipe) -> Void, String)] = [
      (.goal(1), { $0.goal = .kept(1) }, "The share that is wanted is 1.0, expected more than 0 and less than 1."),
      (.goal(0), { $0.goal = .recall(0) }, "The share that is wanted is 0.0, expected more than 0 and less than 1."),
      (.rank(33), { $0.rank = 33 }, "The rank is 33, expected a multiple of 32 from 32 to 4096."),
      (.rank(8192), { $0.largestRank = 8192 }, "The rank is 8192, expected a multiple of 32 from 32 to 4096."),
      (
        .epochs(0), { $0.epochs = 0 },
        "The number of times to go through the text is 0.0, expected more than 0 and at most 1000."
      ),
      (
        .heldOut(0.6), { $0.heldOutShare = 0.6 },
        "The share of the text to hold out is 0.6, expected more than 0 and at most 0.5."
      ),
      (.passes(0), { $0.passes = 0 }, "The number of passes is 0, expected 1 to 8."),
      (
        .computedLimit(2), { $0.computedLimit = 2 },
        "The share of neurons to compute is 2.0, expected more than 0 and at most 1."
      ),
    ]
    for (error, change, sentence) in cases {
      var recipe = recipe
      change(&recipe)
      #expect(throws: error) { try training(model, recipe) }
      #expect(error.description == sentence)
    }
    #expect(throws: TrainingError.textTooShort(chunks: 3, needed: 4)) {
      try PredictorTraining(model: model, text: text(model, chunks: 3), named: "a")
    }
    #expect(
      TrainingError.textTooShort(chunks: 3, needed: 4).description
        == "The text has 3 chunks, expected at least 4: some to learn from and some to test with.")
  }

  @Test func modelsThatCannotHavePredictors() throws {
    let plain = try open(tiny(magic: .gguf))
    #expect(throws: TrainingError.downByOutput(tensor: "blk.0.ffn_down_t.weight")) { try training(plain, recipe) }
    #expect(
      TrainingError.downByOutput(tensor: "t").description
        == "The model has no \"t\"; expected a PowerInfer file, which stores the down projection with a row per neuron."
    )
  }

  @Test(arguments: ["blk.1.ffn_up.weight", "blk.0.attn_output.weight"]) func damagedModelsAreFound(name: String) throws
  {
    let path = try tiny().write(to: folder.file("good.gguf"))
    let file = try GGUFFile(opening: path)
    let writer = try GGUFWriter(
      folder.file("model.gguf"), magic: file.magic, metadata: file.metadata, tensors: file.tensors.map(\.layout))
    for tensor in file.tensors {
      var bytes = Array(tensor.bytes)
      // An F16 that is no number.
      if tensor.name == name { (bytes[100], bytes[101]) = (0xff, 0x7f) }
      try writer.append(bytes)
    }
    try writer.finish()
    let model = try LanguageModel(opening: folder.file("model.gguf"))
    let layer = name.contains("blk.1") ? 1 : 0
    #expect(throws: TrainingError.notFinite(layer: layer)) { try run(training(model, recipe), "out.gguf") }
    #expect(!(try folder.names().contains("out.gguf")))
  }
}
