public import PowerInferKernels
public import PowerInferModel

/// The Euclidean norm of what each neuron adds to the output when it gives 1: its row of the down projection by neuron.
public enum NeuronNorms {
  /// The norms of all layers, [layers][neurons]. Not finite where the weights are not.
  public static func norms(of model: LanguageModel, team: ThreadTeam) -> [[Float]] {
    let layers = model.weights.layers
    let neurons = model.configuration.feedForwardSize
    let results = UnsafeMutablePointer<Float>.allocate(capacity: layers.count * neurons)
    defer { results.deallocate() }
    // Every member writes layers of its own.
    let shared = Unguarded(results)
    team.run { member in
      for index in member.share(of: layers.count) {
        let norms = norms(of: layers[index].down, count: neurons)
        (shared.value + index * neurons).initialize(from: norms, count: neurons)
      }
    }
    return layers.indices.map { Array(UnsafeBufferPointer(start: results + $0 * neurons, count: neurons)) }
  }

  /// The norms of one layer, [neurons], summed in double precision.
  static func norms(of down: DownProjection, count neurons: Int) -> [Float] {
    var squares = [Double](repeating: 0, count: neurons)
    switch down {
    case .neurons(let matrix):
      forEachRow(of: matrix) { neuron, values in
        squares[neuron] = values.reduce(0) { $0 + Double($1) * Double($1) }
      }
    case .rows(let matrix):
      forEachRow(of: matrix) { _, values in
        for (neuron, value) in values.enumerated() { squares[neuron] += Double(value) * Double(value) }
      }
    }
    return squares.map { Float($0.squareRoot()) }
  }

  private static func forEachRow(of matrix: Matrix, body: (Int, UnsafeBufferPointer<Float>) -> Void) {
    let row = UnsafeMutablePointer<Float>.allocate(capacity: matrix.columns)
    defer { row.deallocate() }
    for index in 0..<matrix.rows {
      Kernels.active.dequantize(matrix, row: index, into: row)
      body(index, UnsafeBufferPointer(start: row, count: matrix.columns))
    }
  }
}
