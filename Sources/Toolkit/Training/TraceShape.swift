import PowerInferKernels
import PowerInferModel

/// What the traces of a model are made of.
///
/// A record is one token in one layer: the predictor's input in 8-bit blocks, which is what it reads while decoding; a bit for
/// every neuron, set where it fires; and a ``ContributionCode`` for each of those that do, in order.
struct TraceShape: Equatable, Sendable {
  let layers: Int
  /// d
  let inputs: Int
  /// f
  let neurons: Int

  init(layers: Int, inputs: Int, neurons: Int) {
    self.layers = layers
    self.inputs = inputs
    self.neurons = neurons
  }

  init(_ configuration: ModelConfiguration) {
    self.init(
      layers: configuration.layerCount, inputs: configuration.hiddenSize, neurons: configuration.feedForwardSize)
  }

  /// Inputs rounded up to whole blocks.
  var paddedInputs: Int { (inputs + 31) / 32 * 32 }
  /// Bytes of a record's input.
  var inputBytes: Int { WeightFormat.q8_0.rowBytes(columns: paddedInputs) }
  /// Bytes of a record's bits.
  var bitBytes: Int { (neurons + 7) / 8 }
  /// Bytes of a record at most.
  var largestRecord: Int { inputBytes + bitBytes + neurons }
}
