import PowerInferGPU
import PowerInferModel
import PowerInferSparsity

// What was measured.
extension GPUExecutor {
  /// What a layer's lists came to.
  struct NeuronCount {
    var tokens = 0
    var computed = 0
    var fired = 0
  }

  /// Notes how many neurons the first layers listed, and how many of these gave something.
  func count(layers: Int) throws {
    for (index, layer) in weights.layers.prefix(layers).enumerated()
    where layer.source != .dense && layer.neurons?.isListable == true {
      let at = index * GPUWorkspace.countStride
      let listed = Int(try work.hostCounts.load(UInt32.self, at: at, count: 1)[0])
      counts[index].tokens += 1
      counts[index].computed += listed
      // All that reach a threshold or are not silent count as firing, and what cannot be silent does.
      guard case .predictor = layer.source, model.configuration.activation == .relu else {
        counts[index].fired += listed
        continue
      }
      counts[index].fired += Int(
        try work.hostCounts.load(UInt32.self, at: at + GPUWorkspace.tallyOffset, count: 1)[0])
    }
  }

  public var statistics: ExecutorStatistics {
    var statistics = ExecutorStatistics(
      layers: weights.layers.indices.map { index in
        var layer = ExecutorStatistics.Layer(source: weights.layers[index].source)
        (layer.tokens, layer.computed, layer.fired) = (
          counts[index].tokens, counts[index].computed, counts[index].fired
        )
        layer.readBytes = readBytes(index)
        return layer
      })
    // What is left to the executor is decided at once.
    let listsSilent = weights.layers.contains { $0.source == .gate }
    statistics.mode = mode == .auto ? (listsSilent ? .gate : .dense) : mode
    statistics.reason = reason
    statistics.bytesAreBound =
      model.configuration.activation == .relu
      && weights.layers.contains { $0.source == .dense && $0.neurons?.isDownByNeuron == true }
    statistics.stages = isProfiled ? times.times : nil
    return statistics
  }

  /// Bytes that a decoded token reads of a layer's neurons here.
  private func readBytes(_ index: Int) -> ExecutorStatistics.ReadBytes {
    let (layer, count) = (weights.layers[index], counts[index])
    let predictor = layer.predictor?.matrices.map { $0.fc1.byteCount + $0.fc2.byteCount } ?? 0
    guard let own = layer.neurons else { return ExecutorStatistics.ReadBytes(predictor: Double(predictor)) }
    let (gate, up) = (Double(own.gate?.byteCount ?? 0), Double(own.up.matrix.byteCount))
    guard layer.source != .dense, count.tokens > 0 else {
      guard !own.isPart else {
        return ExecutorStatistics.ReadBytes(gateUp: gate + up, down: Double(own.down.matrix.byteCount))
      }
      let file = model.weights
      return ExecutorStatistics.ReadBytes(
        gateUp: Double(file.use(.gateUp, layer: firstLayer + index).bytes),
        down: Double(file.use(.down, layer: firstLayer + index).bytes))
    }
    let neurons = Double(count.tokens) * Double(own.count)
    let (computed, fired) = (Double(count.computed) / neurons, Double(count.fired) / neurons)
    let down = fired * Double(own.downByNeuron?.matrix.byteCount ?? 0)
    guard case .predictor = layer.source else {
      // The first matrix tells, be it the gate or the only one.
      return ExecutorStatistics.ReadBytes(gateUp: own.gate == nil ? up : gate + computed * up, down: down)
    }
    return ExecutorStatistics.ReadBytes(
      predictor: Double(predictor), gateUp: computed * (gate + up), down: down)
  }

  public func resetStatistics() {
    times = GPUStageTimes()
    counts = Array(repeating: NeuronCount(), count: counts.count)
    shared = HybridTimes(layers: model.configuration.layerCount)
  }

  public var memory: ExecutorMemory {
    ExecutorMemory(workspace: work.byteCount + tables.byteCount, copies: weightBytes)
  }
}
