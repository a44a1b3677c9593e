import PowerInferKernels

/// What one layer's training works in.
final class TrainingScratch {
  let batch: Int
  let input: FloatBuffer  // [batch, d]
  let hidden: FloatBuffer  // [batch, rank]
  let scores: FloatBuffer  // [batch, f], then their gradient
  let weights: FloatBuffer  // [batch, f]
  let hiddenGradient: FloatBuffer  // [batch, rank]
  let square: FloatBuffer  // [rank, rank]
  let gradient: FloatBuffer  // of either matrix
  let product = FloatBuffer(Kernels.productScratch)

  init(batch: Int, inputs: Int, neurons: Int, rank: Int) {
    self.batch = batch
    input = FloatBuffer(batch * inputs)
    hidden = FloatBuffer(batch * rank)
    scores = FloatBuffer(batch * neurons)
    weights = FloatBuffer(batch * neurons)
    hiddenGradient = FloatBuffer(batch * rank)
    square = FloatBuffer(rank * rank)
    gradient = FloatBuffer(max(inputs, neurons) * rank)
  }

  /// Bytes that training a layer takes: this, a network and another that is kept.
  static func byteCount(batch: Int, inputs: Int, neurons: Int, rank: Int) -> Int {
    let matrices = (inputs + neurons) * rank
    return 4 * (batch * (inputs + 2 * rank + 2 * neurons) + (max(inputs, neurons) + 5 * rank) * rank + 8 * matrices)
  }

  /// scores = fc2 · relu(fc1 · input), of the first `count` tokens.
  func predict(_ network: PredictorNetwork, count: Int) {
    let (d, f, r) = (network.inputs, network.neurons, network.rank)
    let kernels = Kernels.active
    kernels.multiply(
      FloatMatrix(input.start, stride: d), FloatMatrix(network.fc1.rounded.start, stride: d, isTurned: true),
      rows: count,
      columns: r, depth: d, into: hidden.start, stride: r, scratch: product.start)
    kernels.relu(hidden.start, into: hidden.start, count: count * r)
    kernels.multiply(
      FloatMatrix(hidden.start, stride: r), FloatMatrix(network.fc2.rounded.start, stride: r, isTurned: true),
      rows: count, columns: f, depth: r, into: scores.start, stride: f, scratch: product.start)
  }

  /// After ``predict(_:count:)``: the gradients of the mean loss of the tokens by fc2 and then fc1, each handed to `use` while it
  /// is in ``gradient``.
  func learn(
    _ network: PredictorNetwork, count: Int, price: Float, use: (LearntMatrix, UnsafePointer<Float>) -> Void
  ) {
    let (d, f, r) = (network.inputs, network.neurons, network.rank)
    let kernels = Kernels.active
    kernels.logisticGradient(
      scores.start, weights: weights.start, price: price, factor: 1 / Float(count), count: count * f,
      into: scores.start)
    kernels.multiply(
      FloatMatrix(scores.start, stride: f), FloatMatrix(network.fc2.rounded.start, stride: r), rows: count, columns: r,
      depth: f, into: hiddenGradient.start, stride: r, scratch: product.start)
    kernels.keepWherePositive(hidden.start, in: hiddenGradient.start, count: count * r)
    kernels.multiply(
      FloatMatrix(scores.start, stride: f, isTurned: true), FloatMatrix(hidden.start, stride: r), rows: f, columns: r,
      depth: count, into: gradient.start, stride: r, scratch: product.start)
    use(network.fc2, gradient.start)
    kernels.multiply(
      FloatMatrix(hiddenGradient.start, stride: r, isTurned: true), FloatMatrix(input.start, stride: d), rows: r,
      columns: d, depth: count, into: gradient.start, stride: d, scratch: product.start)
    use(network.fc1, gradient.start)
  }
}
