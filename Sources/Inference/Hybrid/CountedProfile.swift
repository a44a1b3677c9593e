import Foundation
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// How often a model's neurons fire, counted at the first start that divides the model and kept in the user's cache folder: so that
/// neurons of a model without a profile are placed better than by chance.
///
/// A file is named after the model's ``ModelSignature``, which it also holds: a model that is moved or copied keeps its counts, and
/// another in its place has its own. It is a sidecar like those of `powerinfer profile`, without contributions. What cannot be read counts as not there,
/// and is counted anew; of processes that write at once, one's file stays.
struct CountedProfile {
  let model: LanguageModel
  let path: String
  private let folder: String

  /// - Parameter folder: where profiles are kept; `nil` keeps none.
  init?(for model: LanguageModel, in folder: String?) {
    guard let folder else { return nil }
    (self.model, self.folder) = (model, folder)
    path = URL(filePath: folder).appending(path: "profile-\(ModelSignature(model).digest.prefix(32)).gguf").path
  }

  /// What was counted before; `nil` where there is none, or none that is whole and of this model.
  var kept: ActivationProfile? {
    FileIdentity(path) == nil ? nil : try? ActivationProfile(sidecar: path, for: model)
  }

  /// Counts on the processor what some text makes fire, and keeps it.
  ///
  /// - Returns: a sentence about that; `nil` where the model has no tokens for the text.
  /// - Throws: as an engine.
  func count(_ options: EngineOptions, _ team: ThreadTeam) throws -> String? {
    guard let profile = try Self.count(model, options, team) else { return nil }
    let counted = "Which neurons fire was counted on \(profile.tokens) tokens"
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      try profile.writeSidecar(path, for: model)
      return "\(counted) and is kept in \(path): later runs place neurons by it."
    } catch let error as NeuronRecordError {
      return "\(counted), but cannot be kept for later runs: \(error)"
    } catch {
      return "\(counted), but cannot be kept for later runs: the folder \(folder) cannot be made."
    }
  }

  /// Tokens that are read: one pass over the weights, as a prompt.
  static let tokens = 128

  private static func count(
    _ model: LanguageModel, _ options: EngineOptions, _ team: ThreadTeam
  ) throws -> ActivationProfile? {
    let c = model.configuration
    let input = Array(model.tokenizer.encode(sample, addSpecial: true).prefix(min(tokens, c.contextLength)))
    guard !input.isEmpty else { return nil }
    let counter = FiringCounter(layers: c.layerCount, neurons: c.feedForwardSize)
    var own = EngineOptions(contextSize: input.count, threads: team.count, batchSize: input.count)
    own.sparsity = SparsityOptions(mode: .dense)
    own.tuning = options.tuning
    own.observer = counter
    let executor = try CPUExecutor(model: model, team: team, contextSize: input.count, options: own)
    try Engine(executor: executor, team: team, options: own).makeSequence().read(input)
    let frequencies = counter.counts.map { $0.map { Float($0) / Float(input.count) } }
    let none = [[Float]](repeating: [Float](repeating: 0, count: c.feedForwardSize), count: c.layerCount)
    return try ActivationProfile(
      frequencies: frequencies, contributions: none, tokens: input.count, text: "the first start")
  }

  /// A bit of everything that people ask a model for.
  static let sample = """
    Question: Why does the moon look larger near the horizon? Answer: It is an illusion; the eye compares it with trees and roofs. \
    def mean(values): return sum(values) / len(values)
    Dear Ms. Ortega, thank you for your letter of 3 March. We will send the 12 samples by Friday. Translate "good morning" into French: bonjour. \
    In 1969 the first people walked there, 384,400 km from home. Rain had fallen all night, and the river stood at the mill's second step; \
    nobody in the village could remember it so high. 1. Peel the onions. 2. Heat the oil. Summarise the text in one sentence, please.
    """
}

/// Counts for how many tokens each neuron gives anything.
// Unchecked: a range of neurons of a layer is one worker's in every call, and nobody reads before the pass is over.
final class FiringCounter: NeuronObserver, @unchecked Sendable {
  private let layers: Int
  private let neurons: Int
  private let fired: UnsafeMutablePointer<UInt32>  // [layers, neurons]

  init(layers: Int, neurons: Int) {
    (self.layers, self.neurons) = (layers, neurons)
    fired = .allocate(capacity: layers * neurons)
    fired.initialize(repeating: 0, count: layers * neurons)
  }

  deinit { fired.deallocate() }

  func observe(_ view: NeuronView) {
    let own = fired + view.layer * neurons
    for token in 0..<view.tokens {
      let hidden = view.hidden + token * view.stride
      for neuron in view.neurons where hidden[neuron] != 0 { own[neuron] += 1 }
    }
  }

  /// [layers][neurons]
  var counts: [[UInt32]] {
    (0..<layers).map { Array(UnsafeBufferPointer(start: fired + $0 * neurons, count: neurons)) }
  }
}
