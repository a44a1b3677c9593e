import PowerInferGPU
import PowerInferModel

extension Engine {
  /// Bytes of keys and values, in all layers, that attention reads of each position.
  public var cacheBytesPerPosition: Int { pageLayout.bytesPerPosition }

  /// The mean number of bytes that decoding `tokens` tokens from position `start` on reads for each: the weights and the keys
  /// and values of the positions so far, its own among them.
  ///
  /// Of layers that decoded with a list of neurons since ``resetMeasurements()`` the weights of listed neurons count, of all
  /// others all weights (`Weights.bytesPerToken`).
  public func bytesPerToken(decoding tokens: Int, from start: Int = 0) -> Double {
    let positions = Double(start) + Double(tokens + 1) / 2
    let read = statistics.readBytes
    let others = WeightGroup.allCases.filter { $0 != .gateUp && $0 != .down }
    let feedForward = read.predictor + read.leadingBits + read.gateUp + read.down
    return Double(others.reduce(0) { $0 + model.weights.use($1).bytes }) + feedForward
      + positions * Double(cacheBytesPerPosition)
  }

  /// Whether ``bytesPerToken(decoding:from:)`` counts weights of silent neurons that were not read.
  public var bytesAreBound: Bool { statistics.bytesAreBound }

  /// Floating-point operations that products with weights take for a prompt, whose last token alone gets logits.
  public func operations(prompt tokens: Int) -> Int {
    2
      * model.weights.products(
        tokens: tokens, logits: 1, hasParallelBlocks: model.configuration.architecture.hasParallelBlocks)
  }

  /// How fast this engine's threads read memory; see ``MemoryBandwidth``.
  ///
  /// - Parameter seconds: how long to measure.
  /// - Throws: ``MemoryBandwidthError``.
  public func measureBandwidth(seconds: Double = 0.25) throws -> MemoryBandwidth {
    try MemoryBandwidth.measure(.read, on: team, seconds: seconds)
  }

  /// How fast the GPU that the model runs on reads its memory, in bytes per second; nil on the processor.
  ///
  /// - Throws: `GPUError`.
  public func measureGPUBandwidth() throws -> Double? {
    try withCore { try ($0.executor as? GPUExecutor)?.device.measureBandwidth().best }
  }

  /// Where the time went since ``resetMeasurements()``, prompts first; empty where the engine keeps no times.
  public var profileReports: [ProfileReport] {
    let statistics = statistics
    guard let stages = statistics.stages else { return [] }
    return Batch.Phase.allCases.compactMap {
      ProfileReport(
        stages, $0, model: model, cacheBytesPerPosition: cacheBytesPerPosition, read: statistics.readBytes)
    }
  }
}
