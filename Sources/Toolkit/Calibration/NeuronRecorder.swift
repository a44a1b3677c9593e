import PowerInfer
import PowerInferKernels
import PowerInferModel

/// Counts, while an engine reads a text, how often every neuron fires, what it adds, and how the magnitudes are distributed
/// that thresholds are compared with.
///
/// A neuron's own sums are made by one worker at a time, token after token; what is counted over the neurons of a layer is
/// whole numbers. So the results are the same bits for any number of threads.
// Unchecked: of a layer each neuron is one worker's until the next pass; histograms, scratch and damage are per worker.
final class NeuronRecorder: NeuronObserver, @unchecked Sendable {
  private let layers: Int
  private let neurons: Int
  private let workers: Int
  private let gating: Gating
  private let activation: Activation
  private let kernels = Kernels.active

  private let thresholds: UnsafeMutablePointer<Float>  // [layers]
  private let norms: UnsafeMutablePointer<Float>  // [layers, neurons], of the rows of the down projection
  private let scales: UnsafeMutablePointer<Float>  // [layers], units of a histogram's weight in 1
  private let ones: UnsafeMutablePointer<Float>  // [neurons]

  private let tokens: UnsafeMutablePointer<Int>  // [layers]
  private let fired: UnsafeMutablePointer<UInt64>  // [layers, neurons], tokens
  private let added: UnsafeMutablePointer<Double>  // [layers, neurons], sum of |h| · norm
  private let counts: UnsafeMutablePointer<UInt64>  // [workers, layers, bins]
  private let weights: UnsafeMutablePointer<UInt128>  // [workers, layers, bins]
  private let magnitudes: UnsafeMutablePointer<Float>  // [workers, neurons]
  private let damaged: UnsafeMutablePointer<Int>  // [workers], the first layer with a value that is no number

  /// - Parameters:
  ///   - configuration: of the model.
  ///   - norms: of the rows of the down projection, [layers][neurons].
  ///   - thresholds: the least |act(gate)| of a neuron that counts as firing, [layers]; nil for any.
  ///   - workers: of the engine, at most.
  init(configuration c: ModelConfiguration, norms: [[Float]], thresholds: [Float]?, workers: Int) {
    layers = c.layerCount
    neurons = c.feedForwardSize
    self.workers = workers
    gating = c.architecture.gating
    activation = c.activation
    func copy(_ values: [Float]) -> UnsafeMutablePointer<Float> {
      let pointer = UnsafeMutablePointer<Float>.allocate(capacity: values.count)
      pointer.initialize(from: values, count: values.count)
      return pointer
    }
    func filled<Value>(_ value: Value, _ count: Int) -> UnsafeMutablePointer<Value> {
      let pointer = UnsafeMutablePointer<Value>.allocate(capacity: count)
      pointer.initialize(repeating: value, count: count)
      return pointer
    }
    self.thresholds = copy(thresholds ?? Array(repeating: 0, count: layers))
    self.norms = copy(norms.flatMap { $0 })
    // The largest row's neuron is counted in steps of 2⁻³²: far below what matters, and far from the end of the numbers.
    // Rows that are no numbers never come to be counted.
    scales = copy(
      norms.map { norms in
        let largest = norms.lazy.filter(\.isFinite).max() ?? 0
        return min(0x1p32 / largest, .greatestFiniteMagnitude)
      })
    ones = filled(1, neurons)
    tokens = filled(0, layers)
    fired = filled(0, layers * neurons)
    added = filled(0, layers * neurons)
    counts = filled(0, workers * layers * MagnitudeHistogram.binCount)
    weights = filled(0, workers * layers * MagnitudeHistogram.binCount)
    magnitudes = filled(0, workers * neurons)
    damaged = filled(.max, workers)
  }

  deinit {
    for pointer in [thresholds, norms, scales, ones, magnitudes] { pointer.deallocate() }
    for pointer in [tokens, damaged] { pointer.deallocate() }
    for pointer in [fired, counts] { pointer.deallocate() }
    added.deallocate()
    weights.deallocate()
  }

  /// Bytes that a recorder takes.
  static func byteCount(configuration c: ModelConfiguration, workers: Int) -> Int {
    let bin = MemoryLayout<UInt64>.stride + MemoryLayout<UInt128>.stride
    return c.layerCount * (c.feedForwardSize * 20 + workers * MagnitudeHistogram.binCount * bin)
  }

  // MARK: Counting

  func observe(_ view: NeuronView) {
    // One worker has the layer's first neuron.
    if view.neurons.lowerBound == 0 { tokens[view.layer] += view.tokens }
    let place = view.layer * neurons + view.neurons.lowerBound
    let bins = (view.worker * layers + view.layer) * MagnitudeHistogram.binCount
    let own = magnitudes + view.worker * neurons
    let (counts, weights) = (counts + bins, weights + bins)
    let (fired, added, norms) = (fired + place, added + place, norms + place)
    let (threshold, scale) = (thresholds[view.layer], scales[view.layer])
    var isDamaged = false
    for token in 0..<view.tokens {
      let start = token * view.stride + view.neurons.lowerBound
      let hidden = view.hidden + start
      writeMagnitudes(gate: view.gate.map { $0 + start }, hidden: hidden, count: view.neurons.count, into: own)
      for index in 0..<view.neurons.count {
        let (magnitude, value) = (own[index], hidden[index])
        let contribution = abs(value) * norms[index]
        guard magnitude.isFinite, contribution.isFinite else {
          isDamaged = true
          continue
        }
        if value != 0, magnitude >= threshold { fired[index] += 1 }
        added[index] += Double(contribution)
        let bin = MagnitudeHistogram.bin(magnitude)
        counts[bin] += 1
        weights[bin] += UInt128(UInt64(min(contribution * scale, 0x1p62)))
      }
    }
    if isDamaged { damaged[view.worker] = min(damaged[view.worker], view.layer) }
  }

  /// |act(gate · x)|, or |act(up · x)| where neurons have no gate: what a threshold is compared with.
  private func writeMagnitudes(
    gate: UnsafePointer<Float>?, hidden: UnsafePointer<Float>, count: Int, into magnitudes: UnsafeMutablePointer<Float>
  ) {
    guard let gate else {
      for index in 0..<count { magnitudes[index] = abs(hidden[index]) }
      return
    }
    switch activation {
    case .relu: kernels.relu(gate, into: magnitudes, count: count)
    case .gelu: kernels.gelu(gate, into: magnitudes, count: count)
    case .silu: kernels.gateSiLU(gate, up: ones, into: magnitudes, count: count)
    }
    for index in 0..<count { magnitudes[index] = abs(magnitudes[index]) }
  }

  // MARK: Results

  /// The first layer that had a value that is no number; nil if none had.
  var damagedLayer: Int? {
    let layer = (0..<workers).reduce(Int.max) { min($0, damaged[$1]) }
    return layer == .max ? nil : layer
  }

  /// Tokens whose neurons were seen, the fewest of any layer.
  var tokenCount: Int { (0..<layers).reduce(Int.max) { min($0, tokens[$1]) } }

  /// Share of tokens for which each neuron fired, [layers][neurons].
  var frequencies: [[Float]] {
    perNeuron { layer, index in Float(Double(fired[index]) / Double(max(tokens[layer], 1))) }
  }

  /// Mean of |h| · ‖row of the down projection‖, [layers][neurons].
  var contributions: [[Float]] {
    perNeuron { layer, index in Float(added[index] / Double(max(tokens[layer], 1))) }
  }

  /// Of what thresholds are compared with, weighted by |h| · ‖row of the down projection‖; [layers].
  var histograms: [MagnitudeHistogram] {
    (0..<layers).map { layer in
      var histogram = MagnitudeHistogram()
      for worker in 0..<workers {
        let bins = (worker * layers + layer) * MagnitudeHistogram.binCount
        histogram.merge(counts: counts + bins, weights: weights + bins)
      }
      return histogram
    }
  }

  private func perNeuron(_ value: (_ layer: Int, _ index: Int) -> Float) -> [[Float]] {
    (0..<layers).map { layer in (0..<neurons).map { value(layer, layer * neurons + $0) } }
  }
}
