import PowerInfer
import PowerInferModel

/// Counts, while an engine that asks leading bits reads a text, how wide their margin must be for each neuron.
///
/// All is counted in whole numbers, so that the results are the same bits for any number of threads.
// Unchecked: everything that is written is per worker.
final class MarginRecorder: NeuronObserver, @unchecked Sendable {
  private let layers: Int
  private let neurons: Int
  private let workers: Int
  private let norms: [Float]  // [layers, neurons], of the rows of the down projection
  private let scales: [Float]  // [layers], units of a histogram's weight in 1
  private let counts: UnsafeMutablePointer<UInt64>  // [workers, layers, bins]
  private let weights: UnsafeMutablePointer<UInt128>  // [workers, layers, bins]
  private let damaged: UnsafeMutablePointer<Int>  // [workers], the first layer with a value that is no number

  /// - Parameters:
  ///   - configuration: of the model.
  ///   - norms: of the rows of the down projection, [layers][neurons].
  ///   - workers: of the engine, at most.
  init(configuration c: ModelConfiguration, norms: [[Float]], workers: Int) {
    (layers, neurons, self.workers) = (c.layerCount, c.feedForwardSize, workers)
    self.norms = norms.flatMap { $0 }
    // As `NeuronRecorder` has it, of squares.
    scales = norms.map { norms in
      let largest = norms.lazy.filter(\.isFinite).max() ?? 0
      return min(0x1p32 / (largest * largest), .greatestFiniteMagnitude)
    }
    let count = workers * layers * MarginHistogram.binCount
    counts = .allocate(capacity: count)
    counts.initialize(repeating: 0, count: count)
    weights = .allocate(capacity: count)
    weights.initialize(repeating: 0, count: count)
    damaged = .allocate(capacity: workers)
    damaged.initialize(repeating: .max, count: workers)
  }

  deinit {
    counts.deallocate()
    weights.deallocate()
    damaged.deallocate()
  }

  func observe(_ view: NeuronView) {
    // A layer whose gates have no leading bits.
    guard let prediction = view.prediction else { return }
    let bins = (view.worker * layers + view.layer) * MarginHistogram.binCount
    let (counts, weights, scale) = (counts + bins, weights + bins, scales[view.layer])
    var isDamaged = false
    for token in 0..<view.tokens {
      for neuron in view.neurons {
        let place = token * view.stride + neuron
        // The engine's own margin is 0.
        let bin = MarginHistogram.bin(-prediction[place])
        counts[bin] += 1
        let contribution = view.hidden[place] * norms[view.layer * neurons + neuron]
        let square = contribution * contribution * scale
        if square.isFinite {
          weights[bin] += UInt128(UInt64(min(square, 0x1p62)))
        } else {
          isDamaged = true
        }
      }
    }
    if isDamaged { damaged[view.worker] = min(damaged[view.worker], view.layer) }
  }

  /// The first layer that had a value that is no number; nil if none had.
  var damagedLayer: Int? {
    let layer = (0..<workers).reduce(Int.max) { min($0, damaged[$1]) }
    return layer == .max ? nil : layer
  }

  /// [layers]
  var histograms: [MarginHistogram] {
    (0..<layers).map { layer in
      var histogram = MarginHistogram()
      for worker in 0..<workers {
        let bins = (worker * layers + layer) * MarginHistogram.binCount
        histogram.merge(counts: counts + bins, weights: weights + bins)
      }
      return histogram
    }
  }
}
