import Foundation
import PowerInferGGUF
import PowerInferGPU
import PowerInferKernels
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// Which neurons fire, counted at a first start and kept in a cache folder.
@Suite(.timeLimit(.minutes(10))) struct CountedProfileTests {
  private let folder: TemporaryFolder
  private let model: LanguageModel
  private let team = ThreadTeam(workers: 2)

  init() throws {
    folder = try TemporaryFolder()
    model = try Self.model(in: folder, "model.gguf")
  }

  private static func model(in folder: TemporaryFolder, _ name: String, seed: UInt64? = nil) throws -> LanguageModel {
    var tiny = TinyModel(magic: .powerInfer, isTied: false, layers: 3)
    (tiny.hiddenSize, tiny.feedForwardSize, tiny.heads, tiny.keyValueHeads) = (192, 768, 4, 2)
    if let seed { tiny.seed = seed }
    return try LanguageModel(opening: tiny.write(to: folder.file(name)))
  }

  private var options: EngineOptions { EngineOptions(contextSize: 64, threads: 2, batchSize: 8) }

  private func counted(_ model: LanguageModel? = nil) throws -> CountedProfile {
    try #require(CountedProfile(for: model ?? self.model, in: folder.file("cache/powerinfer")))
  }

  /// A second count of the same tokens, by an engine that tells every neuron's value itself, one token at a time.
  @Test func countsWhatFires() throws {
    let counted = try counted()
    #expect(counted.kept == nil)
    let remark = try #require(try counted.count(options, team))
    let profile = try #require(counted.kept)
    #expect(
      remark
        == "Which neurons fire was counted on \(profile.tokens) tokens and is kept in \(counted.path): later runs place neurons by it."
    )
    #expect(profile.tokens == CountedProfile.tokens)
    #expect(profile.frequencies.count == 3 && profile.frequencies.allSatisfy { $0.count == 768 })
    // Of random gates about half are above 0, none always and few never.
    let mean = profile.frequencies.joined().reduce(0, +) / Float(3 * 768)
    #expect((0.2..<0.8).contains(mean), "\(mean)")
    let activity = NeuronTotals()
    var own = options
    (own.contextSize, own.batchSize, own.observer) = (128, 1, activity)
    own.sparsity = SparsityOptions(mode: .dense)
    let tokens = Array(model.tokenizer.encode(CountedProfile.sample, addSpecial: true).prefix(128))
    try Engine(model: model, options: own).makeSequence().read(tokens)
    for layer in 0..<3 {
      for neuron in 0..<768 {
        let other = Float(activity.fired[layer * 768 + neuron]) / 128
        // A token alone and among others may round a value across 0.
        #expect(abs(profile.frequencies[layer][neuron] - other) <= 2.0 / 128)
      }
    }
  }

  @Test func damagedAndForeignFilesAreCountedAnew() throws {
    let counted = try counted()
    _ = try counted.count(options, team)
    let good = try #require(counted.kept)
    let bytes = try folder.read("cache/powerinfer/" + URL(filePath: counted.path).lastPathComponent)
    for damage in [Array(bytes.prefix(100)), [], Array("no model at all".utf8), Array(bytes.dropLast(64))] {
      try Data(damage).write(to: URL(filePath: counted.path))
      #expect(counted.kept == nil)
      _ = try counted.count(options, team)
      #expect(counted.kept == good)
    }
    // Another model has a file of its own; a copy of this one has the same, wherever it lies.
    let other = try self.counted(Self.model(in: folder, "other.gguf", seed: 77))
    #expect(other.path != counted.path && other.kept == nil)
    try Data(bytes).write(to: URL(filePath: other.path))
    #expect(other.kept == nil)
    try folder.write("copy.gguf", try folder.read("model.gguf"))
    #expect(try self.counted(LanguageModel(opening: folder.file("copy.gguf"))).kept == good)
  }

  @Test func aFolderThatCannotBeWrittenIsASentence() throws {
    try folder.write("file", "")
    let path = folder.file("file/powerinfer")
    let counted = try #require(CountedProfile(for: model, in: path))
    let remark = try counted.count(options, team)
    #expect(
      remark
        == "Which neurons fire was counted on 128 tokens, but cannot be kept for later runs: the folder \(path) cannot be made."
    )
    #expect(counted.kept == nil)
    #expect(CountedProfile(for: model, in: nil) == nil)
  }

  /// Many at once, as processes would: whoever comes last stays, and it is whole at any time.
  @Test func countingAtOnceLeavesAWholeFile() async throws {
    let counted = try counted()
    _ = try counted.count(options, team)
    let good = try #require(counted.kept)
    let (model, path) = (model, folder.file("cache/powerinfer"))
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<6 {
        group.addTask {
          let mine = try #require(CountedProfile(for: model, in: path))
          for _ in 0..<5 {
            try good.writeSidecar(mine.path, for: model)
            guard mine.kept == good else { return false }
          }
          return true
        }
      }
      for try await isWhole in group { #expect(isWhole) }
    }
    #expect(try folder.names().filter { $0.contains(".part") }.isEmpty)
  }

  /// The first start counts and the second does not; both place by it, and no answer changes.
  @Test(.enabled(if: GPUBench.device != nil, GPUBench.skipped)) func theSecondStartGoesByTheFirst() throws {
    var options = options
    options.gpu = .index(try #require(GPUBench.device).description.index)
    options.gpuOptions.cacheFolder = folder.file("cache")
    options.sparsity = SparsityOptions(mode: .gate)
    // Room for about half of the neurons.
    let planner = try HybridPlanner(model: model, options: options, speeds: .nominal)
    let device = try GPUBench.open(GPUOptions(deviceBudget: 1 << 30, blockBytes: 1 << 16))
    let whole = try HybridExecutor.make(planner, on: device, team: team)
    let (first, rest) = planner.neuronBytes(layer: 0)
    let budget = whole.gpu.device.usage.deviceBytes - (first + rest) * 768 * 3 / 2
    options.hybrid.budget = .bytes(budget)
    #expect(try planner.wantsFrequencies(budget: budget))
    #expect(try !planner.wantsFrequencies(budget: 1 << 30))
    let tokens = ExecutorBench.tokens(9, model, seed: 4)
    func start(_ options: EngineOptions) throws -> (remark: String?, hot: [[UInt32]], rows: [[Float]]) {
      let engine = try Engine(model: model, options: options)
      let hot = try #require(engine.statistics.hybrid).placement.hot
      return (engine.gpuRemark, hot, try engine.makeSequence().rows(tokens, phase: .prompt))
    }
    let one = try start(options)
    let two = try start(options)
    #expect(one.remark?.contains("128 tokens and is kept in") == true && two.remark == nil)
    #expect(one.hot == two.hot && one.rows == two.rows)
    #expect(one.hot.contains { !$0.isEmpty && $0.count < 768 })
    // The hottest by the file are on the device.
    let profile = try #require(CountedProfile(for: model, in: folder.file("cache"))?.kept)
    for (layer, hot) in one.hot.enumerated() where !hot.isEmpty && hot.count < 768 {
      let inside = Set(hot)
      let coldest = hot.map { profile.frequencies[layer][Int($0)] }.min() ?? 0
      let hottest =
        (0..<UInt32(768)).filter { !inside.contains($0) }.map { profile.frequencies[layer][Int($0)] }.max() ?? 1
      #expect(coldest >= hottest)
    }
    // Without a folder, with a division that is given, or where nothing may be divided, nothing is counted.
    var others = [options, options, options]
    others[0].gpuOptions.cacheFolder = nil
    others[1].hybrid.neurons = .none
    others[2].sparsity.mode = .dense
    for index in [1, 2] { others[index].gpuOptions.cacheFolder = folder.file("empty") }
    for other in others { #expect(try start(other).remark == nil) }
    let kept = try FileManager.default.contentsOfDirectory(atPath: folder.file("empty"))
    #expect(!kept.contains { $0.hasPrefix("profile-") })
  }
}

/// Totals of a single worker's or more, added under nobody's feet: a range of neurons is one worker's.
// Unchecked: as it says.
private final class NeuronTotals: NeuronObserver, @unchecked Sendable {
  let fired: UnsafeMutablePointer<Int>

  init() {
    fired = .allocate(capacity: 3 * 768)
    fired.initialize(repeating: 0, count: 3 * 768)
  }

  deinit { fired.deallocate() }

  func observe(_ view: NeuronView) {
    for token in 0..<view.tokens {
      for neuron in view.neurons {
        // By the gate, where the counter goes by what neurons give.
        guard let gate = view.gate else { continue }
        fired[view.layer * 768 + neuron] += gate[token * view.stride + neuron] > 0 ? 1 : 0
      }
    }
  }
}
