import PowerInfer
import PowerInferModel

/// Sums the squares of what goes into the matrices of every layer, by element.
///
/// Each element is summed by one worker at a time, token after token: the same bits for any number of threads.
// Unchecked: of a call's elements each is one worker's; the first worker counts tokens.
final class SquareRecorder: ActivationObserver, @unchecked Sendable {
  private let places: [MatrixInput: (start: Int, columns: Int)]  // within a layer
  private let layerColumns: Int
  private let layers: Int
  private let sums: UnsafeMutablePointer<Double>  // [layers, layerColumns], and the output's
  private let tokens: UnsafeMutablePointer<Int>  // [layers + 1, inputs]

  init(configuration c: ModelConfiguration) {
    var places: [MatrixInput: (Int, Int)] = [:]
    var start = 0
    for input in MatrixInput.allCases where input != .output {
      places[input] = (start, c.columns(of: input))
      start += c.columns(of: input)
    }
    places[.output] = (0, c.hiddenSize)
    self.places = places
    layerColumns = start
    layers = c.layerCount
    let count = layers * start + c.hiddenSize
    sums = .allocate(capacity: count)
    sums.initialize(repeating: 0, count: count)
    tokens = .allocate(capacity: (layers + 1) * MatrixInput.allCases.count)
    tokens.initialize(repeating: 0, count: (layers + 1) * MatrixInput.allCases.count)
  }

  deinit {
    sums.deallocate()
    tokens.deallocate()
  }

  func observe(_ view: ActivationView) {
    guard let place = places[view.input] else { return }
    if view.worker == 0 { tokens[tokenIndex(view.layer, view.input)] += view.tokens }
    let own = sums + view.layer * layerColumns + place.start
    let begin = view.columns * view.worker / view.workers
    let end = view.columns * (view.worker + 1) / view.workers
    for token in 0..<view.tokens {
      let x = view.values + token * view.columns
      for column in begin..<end { own[column] += Double(x[column]) * Double(x[column]) }
    }
  }

  private func tokenIndex(_ layer: Int, _ input: MatrixInput) -> Int {
    layer * MatrixInput.allCases.count + input.rawValue
  }

  /// What was seen of a layer's input; nil where nothing was.
  func entry(layer: Int, input: MatrixInput) -> ImportanceMatrix.Entry? {
    guard let place = places[input], layer <= layers else { return nil }
    let count = tokens[tokenIndex(layer, input)]
    let own = sums + layer * layerColumns + place.start
    return count == 0
      ? nil : ImportanceMatrix.Entry(sums: (0..<place.columns).map { Float(own[$0]) }, counts: [Float(count)])
  }
}
