import PowerInferModel
import PowerInferSparsity

extension Session {
  /// The mean number of bytes that decoding `tokens` tokens from position `start` on reads for each: the weights and the keys
  /// and values of the positions so far, its own among them.
  ///
  /// Of layers that decoded with a list of neurons since ``resetMeasurements()`` the weights of listed neurons count, of all
  /// others all weights (`Weights.bytesPerToken`).
  public func bytesPerToken(decoding tokens: Int, from start: Int = 0) -> Double {
    let positions = Double(start) + Double(tokens + 1) / 2
    let read = ReadBytes(model.weights, executor.feedForward)
    let others = WeightGroup.allCases.filter { $0 != .gateUp && $0 != .down }
    return Double(others.reduce(0) { $0 + model.weights.use($1).bytes }) + read.predictor + read.gateUp + read.down
      + positions * Double(cacheBytesPerPosition)
  }

  /// Whether ``bytesPerToken(decoding:from:)`` counts weights of silent neurons that were not read.
  public var bytesAreBound: Bool {
    guard model.configuration.activation == .relu else { return false }
    let feedForward = executor.feedForward
    return zip(feedForward.plan.layers, feedForward.trial.current).contains { $0.neurons != nil && $1 == .dense }
  }

  /// Floating-point operations that products with weights take for a prompt, whose last token alone gets logits.
  public func operations(prompt tokens: Int) -> Int {
    2
      * model.weights.products(
        tokens: tokens, logits: 1, hasParallelBlocks: model.configuration.architecture.hasParallelBlocks)
  }

  /// How fast this session's threads read memory; see ``MemoryBandwidth``.
  ///
  /// - Parameter seconds: how long to measure.
  /// - Throws: ``MemoryBandwidthError``.
  public func measureBandwidth(seconds: Double = 0.25) throws -> MemoryBandwidth {
    try MemoryBandwidth.measure(.read, on: team, seconds: seconds)
  }

  /// Where the time went since ``Profile/reset()``, prompts first; empty where the session keeps no profile.
  public var profileReports: [ProfileReport] {
    guard let profile else { return [] }
    return Profile.Phase.allCases.compactMap {
      ProfileReport(
        profile, $0, model: model, cacheBytesPerPosition: cacheBytesPerPosition,
        read: ReadBytes(model.weights, executor.feedForward))
    }
  }
}

extension Profile.Phase {
  /// The phase of a call with so many tokens.
  init(tokens: Int) { self = tokens > 1 ? .prompt : .decode }
}
