import PowerInferKernels

/// The combination of a network's units that comes nearest to 1 for every token: what all scores are moved by, for there are no
/// biases.
struct ScoreShift {
  private let weights: [Double]  // [rank]

  /// Fits the combination by least squares, with a little restraint.
  ///
  /// - Parameter tokens: to fit it to.
  init(_ network: PredictorNetwork, on traces: LayerTraces, tokens: [Int], scratch: TrainingScratch) {
    let (d, r) = (network.inputs, network.rank)
    var (products, sums) = ([Double](repeating: 0, count: r * r), [Double](repeating: 0, count: r))
    for start in stride(from: 0, to: tokens.count, by: scratch.batch) {
      let batch = tokens[start..<min(start + scratch.batch, tokens.count)]
      for (row, token) in batch.enumerated() { traces.readInput(token, into: scratch.input.start + row * d) }
      scratch.predict(network, count: batch.count)
      let hidden = FloatMatrix(scratch.hidden.start, stride: r)
      Kernels.active.multiply(
        FloatMatrix(scratch.hidden.start, stride: r, isTurned: true), hidden, rows: r, columns: r, depth: batch.count,
        into: scratch.square.start, stride: r, scratch: scratch.product.start)
      for index in 0..<r * r { products[index] += Double(scratch.square.start[index]) }
      for row in 0..<batch.count {
        for unit in 0..<r { sums[unit] += Double(scratch.hidden.start[row * r + unit]) }
      }
    }
    let trace = (0..<r).reduce(0.0) { $0 + products[$1 * r + $1] }
    // Also makes units that never speak weigh nothing.
    let restraint = max(trace / Double(r) * 1e-3, 1e-12)
    for unit in 0..<r { products[unit * r + unit] += restraint }
    weights = Self.solve(&products, sums)
  }

  /// Moves all scores of the network by about so much.
  func move(_ network: PredictorNetwork, by amount: Double) {
    let steps = weights.map { Float($0 * amount) }
    for neuron in 0..<network.neurons {
      let row = network.fc2.values.start + neuron * network.rank
      for unit in steps.indices { row[unit] += steps[unit] }
    }
    network.fc2.round()
  }

  /// x of A x = b for a symmetric positive A [n, n], by Cholesky's decomposition in place.
  static func solve(_ a: inout [Double], _ b: [Double]) -> [Double] {
    let n = b.count
    for j in 0..<n {
      for k in 0..<j { a[j * n + j] -= a[j * n + k] * a[j * n + k] }
      a[j * n + j] = max(a[j * n + j], 1e-300).squareRoot()
      for i in j + 1..<max(n, j + 1) {
        for k in 0..<j { a[i * n + j] -= a[i * n + k] * a[j * n + k] }
        a[i * n + j] /= a[j * n + j]
      }
    }
    var x = b
    for i in 0..<n {
      for k in 0..<i { x[i] -= a[i * n + k] * x[k] }
      x[i] /= a[i * n + i]
    }
    for i in (0..<n).reversed() {
      for k in i + 1..<max(n, i + 1) { x[i] -= a[k * n + i] * x[k] }
      x[i] /= a[i * n + i]
    }
    return x
  }
}
