import PowerInferKernels

/// The traces of one layer, in the order of the text; the pages are the files'.
final class LayerTraces {
  let shape: TraceShape
  let layer: Int
  let tokens: Int
  private let parts: [TraceFile.Reader]
  private let starts: [Int]  // of every part, and the end
  private let row: FloatBuffer  // [paddedInputs]

  /// - Parameters:
  ///   - paths: of the layer's files, in order.
  ///   - tokens: that they hold together.
  /// - Throws: `TrainingError.damaged`, `FileError`.
  init(_ paths: [String], shape: TraceShape, layer: Int, tokens: Int) throws {
    self.shape = shape
    self.layer = layer
    var (parts, starts) = ([TraceFile.Reader](), [0])
    for (part, path) in paths.enumerated() {
      let reader = try TraceFile.Reader(path, shape: shape, layer: layer, part: part)
      // All parts but the last hold as many tokens as the first.
      if part > 0, starts[part] != part * starts[1] { throw TrainingError.damaged(path) }
      starts.append(starts[part] + reader.tokens)
      parts.append(reader)
    }
    guard starts.last == tokens, let last = paths.last else { throw TrainingError.damaged(paths.last ?? "") }
    if parts.count > 1, parts[parts.count - 1].tokens > parts[0].tokens { throw TrainingError.damaged(last) }
    (self.parts, self.starts, self.tokens) = (parts, starts, tokens)
    row = FloatBuffer(shape.paddedInputs)
  }

  /// The record of a token.
  private func record(_ token: Int) -> UnsafeRawBufferPointer {
    let part = min(token / max(starts[1], 1), parts.count - 1)
    return parts[part].record(token - starts[part])
  }

  /// Writes a token's input, [d], scaled to a mean square of 1: what a predictor without biases decides does not depend on the
  /// scale of what it reads, and training should not depend on it either.
  func readInput(_ token: Int, into input: UnsafeMutablePointer<Float>) {
    guard let bytes = record(token).baseAddress else { return }
    Kernels.active.dequantize(.q8_0, bytes, count: shape.paddedInputs, into: row.start)
    var squares: Float = 0
    for index in 0..<shape.inputs { squares += row.start[index] * row.start[index] }
    let scale = squares > 0 ? 1 / (squares / Float(shape.inputs)).squareRoot() : 0
    for index in 0..<shape.inputs { input[index] = row.start[index] * scale }
  }

  /// Writes the weights of a token's neurons, [f], 0 for those that do not fire.
  func readWeights(_ token: Int, _ weighing: ContributionWeighing, into weights: UnsafeMutablePointer<Float>) {
    let record = record(token)
    let firstCode = shape.inputBytes + shape.bitBytes
    weights.update(repeating: 0, count: shape.neurons)
    weighing.values.withUnsafeBufferPointer { values in
      var scale: Float = 1
      if let total = weighing.total {
        var sum: Float = 0
        for index in firstCode..<record.count { sum += values[Int(record[index])] }
        scale = sum > 0 ? total / sum : 0
      }
      var next = firstCode
      for byte in 0..<shape.bitBytes {
        var bits = record[shape.inputBytes + byte]
        while bits != 0 {
          let neuron = byte * 8 + bits.trailingZeroBitCount
          bits &= bits - 1
          // Bits past the last neuron, or without a code, are a damaged record's.
          guard neuron < shape.neurons, next < record.count else { return }
          weights[neuron] = scale * values[Int(record[next])]
          next += 1
        }
      }
    }
  }
}

/// What is known of a layer before anything is learnt, from some of its tokens.
struct LayerStatistics {
  /// Neurons that fire for a token, on average.
  var fired = 0.0
  /// Share of neurons that make 80 % of all activations.
  var skew = 0.0
  /// Root of the mean square of each input, scaled as `LayerTraces.readInput` does. [d]
  var inputScales: [Float]

  /// - Parameter tokens: to look at.
  init(_ traces: LayerTraces, tokens: [Int]) {
    let shape = traces.shape
    let (input, weights) = (FloatBuffer(shape.inputs), FloatBuffer(shape.neurons))
    var squares = [Double](repeating: 0, count: shape.inputs)
    var counts = [Int](repeating: 0, count: shape.neurons)
    let firing = ContributionWeighing(power: 0, total: nil)
    for token in tokens {
      traces.readInput(token, into: input.start)
      traces.readWeights(token, firing, into: weights.start)
      for index in 0..<shape.inputs { squares[index] += Double(input.start[index] * input.start[index]) }
      for neuron in 0..<shape.neurons where weights.start[neuron] > 0 { counts[neuron] += 1 }
    }
    let total = counts.reduce(0, +)
    inputScales = squares.map { Float(($0 / Double(max(tokens.count, 1))).squareRoot()) }
    fired = Double(total) / Double(max(tokens.count, 1))
    var (sum, hottest) = (0.0, 0)
    for count in counts.sorted(by: >) where sum < 0.8 * Double(total) {
      sum += Double(count)
      hottest += 1
    }
    skew = Double(hottest) / Double(max(shape.neurons, 1))
  }
}
