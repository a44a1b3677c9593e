/// Sees what the neurons of every layer do, for profiles, calibration and measures of quality.
///
/// Called by the workers of an engine in the middle of a pass, for every layer and batch of tokens; each range of neurons by
/// one worker. Tokens that come alone are computed as batches are while somebody observes.
public protocol NeuronObserver: AnyObject, Sendable {
  /// Looks at some neurons of a layer; the arrays are valid until it returns.
  func observe(_ view: NeuronView)
  /// Looks at what a layer's predictor reads, or would read, for some tokens; valid until it returns. Comes before the layer's
  /// neurons, and does nothing unless it is written.
  func observe(_ input: PredictorInputView)
}

extension NeuronObserver {
  public func observe(_ input: PredictorInputView) {}
}

/// What the predictor of a layer reads for a batch of tokens: the residual as it is, never normalised (spec §4.1). Element
/// `t * stride + column` belongs to a token.
public struct PredictorInputView {
  /// Counted from 0.
  public let layer: Int
  /// Who calls: 0 ..< the engine's threads.
  public let worker: Int
  /// Batch indices covered by this call.
  public let tokens: Range<Int>
  /// Hidden size.
  public let stride: Int
  /// [tokens of the batch, stride]
  public let values: UnsafePointer<Float>
}

/// What some neurons of a layer do for a batch of tokens. Of all arrays, element `t * stride + neuron` belongs to a token and
/// a neuron.
public struct NeuronView {
  /// Counted from 0.
  public let layer: Int
  /// Who calls: 0 ..< the engine's threads.
  public let worker: Int
  /// Neurons of the layer, in the file's order.
  public let neurons: Range<Int>
  /// Tokens of the batch.
  public let tokens: Int
  /// Neurons of a layer.
  public let stride: Int
  /// gate · x; `nil` where neurons have no gate.
  public let gate: UnsafePointer<Float>?
  /// up · x, with its bias.
  public let up: UnsafePointer<Float>
  /// What the neurons give, none of them left out.
  public let hidden: UnsafePointer<Float>
  /// fc2 · relu(fc1 · p), NaN meaning active; `nil` where nothing is predicted. Infinite for neurons that are not asked
  /// about. Of leading bits, by how many deviations the margin is wider than it would have to be for the neuron.
  public let prediction: UnsafePointer<Float>?
}
