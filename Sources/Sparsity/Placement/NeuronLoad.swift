import PowerInferKernels
public import PowerInferModel

/// What the neurons of a layer weigh, and how often each is computed.
public struct NeuronLoad: Sendable, Equatable {
  /// Bytes of a neuron: its rows of the gate (where there is one), of the up and of the down projection, and its bias.
  public let bytesPerNeuron: Int
  /// Share of tokens for which each neuron is computed, 0...1: [neurons], in the order of the file.
  public let frequencies: [Float]
  /// The same where the CPU computes them, if it reads another share of their bytes; `nil` where it does not. It falls and rises with
  /// ``frequencies``.
  public let processorFrequencies: [Float]?

  public init(bytesPerNeuron: Int, frequencies: [Float], processorFrequencies: [Float]? = nil) {
    self.bytesPerNeuron = bytesPerNeuron
    self.frequencies = frequencies
    self.processorFrequencies = processorFrequencies
  }

  /// Bytes that a token reads of some neurons on average, or of all.
  public func bytes(of neurons: [UInt32]? = nil) -> Double { sum(frequencies, neurons) }

  /// The same where the CPU computes them.
  public func processorBytes(of neurons: [UInt32]? = nil) -> Double {
    sum(processorFrequencies ?? frequencies, neurons)
  }

  private func sum(_ frequencies: [Float], _ neurons: [UInt32]?) -> Double {
    let sum =
      neurons.map { $0.reduce(0.0) { $0 + Double(frequencies[Int($1)]) } }
      ?? frequencies.reduce(0.0) { $0 + Double($1) }
    return sum * Double(bytesPerNeuron)
  }

  /// The loads of a model's layers.
  ///
  /// - Parameters:
  ///   - model: an open model.
  ///   - profile: how often its neurons fire; without one all of them count as computed for every token.
  /// - Throws: ``NeuronRecordError/shape(expected:found:)`` for a profile of another shape.
  public static func loads(
    of model: LanguageModel, profile: ActivationProfile? = nil
  ) throws(NeuronRecordError) -> [NeuronLoad] {
    let shape = FeedForwardShape(model.configuration)
    try profile?.check(shape)
    return model.weights.layers.enumerated().map { index, layer in
      NeuronLoad(
        bytesPerNeuron: bytes(of: layer, neurons: shape.neurons),
        frequencies: profile?.frequencies[index] ?? [Float](repeating: 1, count: shape.neurons))
    }
  }

  private static func bytes(of layer: LayerWeights, neurons: Int) -> Int {
    let biases = [layer.gateBias, layer.upBias].count { $0 != nil } * MemoryLayout<Float>.stride
    let up = layer.up.rowBytes + biases
    let gate = layer.gate?.rowBytes ?? 0
    switch layer.down {
    case .neurons(let down): return gate + up + down.rowBytes
    // A neuron is a column there: its share of every row, rounded up.
    case .rows(let down): return gate + up + (down.rows * down.rowBytes + neurons - 1) / neurons
    }
  }
}
