/// How many neurons were computed, and how many of them fired, in each layer while tokens were decoded.
///
/// Workers write counters of their own only, while a pass runs; sums are for the thread that leads passes, between passes.
final class NeuronCounters {
  /// What a layer has done so far.
  struct Sum: Equatable {
    var tokens = 0
    var computed = 0
    var fired = 0
  }

  private let layers: Int
  private let workers: Int
  // Per worker and layer: tokens (worker 0 only), neurons computed, neurons fired. Two cache lines apart.
  private let stride: Int
  private let counters: UnsafeMutablePointer<Int>

  init(layers: Int, workers: Int) {
    self.layers = layers
    self.workers = workers
    stride = (layers * 3 + 15) / 16 * 16
    counters = UnsafeMutableRawPointer.allocate(byteCount: workers * stride * 8, alignment: 128)
      .bindMemory(to: Int.self, capacity: workers * stride)
    reset()
  }

  deinit { counters.deallocate() }

  func reset() { counters.initialize(repeating: 0, count: workers * stride) }

  /// Called by worker 0, once for a token.
  func addToken(layer: Int) { counters[layer * 3] += 1 }

  func add(layer: Int, worker: Int, computed: Int, fired: Int) {
    let mine = counters + worker * stride + layer * 3
    mine[1] += computed
    mine[2] += fired
  }

  func sum(layer: Int) -> Sum {
    (0..<workers).reduce(into: Sum()) { sum, worker in
      let part = counters + worker * stride + layer * 3
      sum.tokens += part[0]
      sum.computed += part[1]
      sum.fired += part[2]
    }
  }
}
