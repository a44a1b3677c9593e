import Dispatch
import PowerInferPlatform

/// Which neurons fire while answers are made, counted while somebody watches and at no other time.
///
/// Neurons stand in groups, from those that fired most so far to those that fired least; in the file's order until enough was seen. Workers
/// write counters of their own while a pass runs, and each neuron belongs to one of them; all else is for the thread that leads passes.
final class NeuronActivity {
  private let layers: Int
  private let neurons: Int
  private let workers: Int
  /// Rows of the pass that runs; 0 while nothing is counted.
  private(set) var rows = 0
  private var start: UInt64 = 0
  private var feedForwardTime: UInt64 = 0

  /// Tokens that were counted.
  private(set) var tokens = 0
  private var isSorted = false
  private var nextSorting = 16

  /// There once somebody has watched.
  private var buffers: Buffers?

  /// More rows at a time are not counted.
  private static let mostRows = 32

  private final class Buffers {
    let counts: UnsafeMutablePointer<UInt32>  // [layers, neurons], how often each fired
    let groups: UnsafeMutablePointer<UInt8>  // [layers, neurons], the group of each
    let sums: UnsafeMutablePointer<UInt32>  // [workers, rows, layers, groups], neurons that fired

    init(neurons: Int, sums count: Int) {
      counts = .allocate(capacity: neurons)
      counts.initialize(repeating: 0, count: neurons)
      groups = .allocate(capacity: neurons)
      sums = .allocate(capacity: count)
      sums.initialize(repeating: 0, count: count)
    }

    deinit {
      counts.deallocate()
      groups.deallocate()
      sums.deallocate()
    }
  }

  init(layers: Int, neurons: Int, workers: Int) {
    (self.layers, self.neurons, self.workers) = (layers, neurons, workers)
  }

  private var cells: Int { layers * TokenActivity.groups }

  // MARK: A pass

  /// Counts in the next pass, whose rows are all of answers.
  func begin(rows: Int) {
    guard rows <= Self.mostRows else { return }
    let buffers = buffers ?? makeBuffers()
    for worker in 0..<workers {
      (buffers.sums + worker * Self.mostRows * cells).update(repeating: 0, count: rows * cells)
    }
    self.rows = rows
    feedForwardTime = 0
    start = DispatchTime.now().uptimeNanoseconds
  }

  private func makeBuffers() -> Buffers {
    let made = Buffers(neurons: layers * neurons, sums: workers * Self.mostRows * cells)
    for layer in 0..<layers {
      for neuron in 0..<neurons { made.groups[layer * neurons + neuron] = group(ofRank: neuron) }
    }
    buffers = made
    return made
  }

  private func group(ofRank rank: Int) -> UInt8 { UInt8(truncatingIfNeeded: rank * TokenActivity.groups / neurons) }

  /// Counts the listed neurons of a layer for a row alone. Called by the worker that computed them.
  func note(layer: Int, worker: Int, _ list: UnsafeBufferPointer<UInt32>) {
    guard let buffers else { return }
    let first = layer * neurons
    let sums = buffers.sums + worker * Self.mostRows * cells + layer * TokenActivity.groups
    for neuron in list {
      buffers.counts[first + Int(neuron)] &+= 1
      sums[Int(buffers.groups[first + Int(neuron)])] &+= 1
    }
  }

  /// Counts those of some neurons of a layer that give something, for every row. Called by one worker for each neuron.
  ///
  /// - Parameter hidden: what neurons give, [rows, neurons]
  func note(layer: Int, worker: Int, _ some: Range<Int>, of hidden: UnsafePointer<Float>) {
    guard let buffers else { return }
    let first = layer * neurons
    for row in 0..<rows {
      let sums = buffers.sums + (worker * Self.mostRows + row) * cells + layer * TokenActivity.groups
      for neuron in some where hidden[row * neurons + neuron] != 0 {
        buffers.counts[first + neuron] &+= 1
        sums[Int(buffers.groups[first + neuron])] &+= 1
      }
    }
  }

  /// Adds what a layer took. Called by the leader.
  func add(feedForward nanoseconds: UInt64) { feedForwardTime += nanoseconds }

  /// What was counted of each row, once the pass is complete.
  func end() -> [TokenActivity] {
    guard rows > 0, let buffers else { return [] }
    let time = DispatchTime.now().uptimeNanoseconds - start
    let result = (0..<rows).map { row in
      var fired = [UInt32](repeating: 0, count: cells)
      for worker in 0..<workers {
        let part = buffers.sums + (worker * Self.mostRows + row) * cells
        for cell in 0..<cells { fired[cell] &+= part[cell] }
      }
      return TokenActivity(
        layers: layers, neurons: neurons, fired: fired, isSorted: isSorted, seconds: Double(time) * 1e-9,
        feedForwardSeconds: Double(feedForwardTime) * 1e-9)
    }
    tokens += rows
    rows = 0
    if tokens >= nextSorting {
      sort(buffers)
      // Sorting costs more than a token: ever more seldom.
      nextSorting = min(tokens * 2, tokens + 512)
    }
    return result
  }

  private func sort(_ buffers: Buffers) {
    for layer in 0..<layers {
      let first = layer * neurons
      let order = (0..<neurons).sorted { a, b in
        let (left, right) = (buffers.counts[first + a], buffers.counts[first + b])
        return left == right ? a < b : left > right
      }
      for (rank, neuron) in order.enumerated() { buffers.groups[first + neuron] = group(ofRank: rank) }
    }
    isSorted = true
  }

  /// How often each neuron fired, [layers][neurons]; empty where nobody has watched.
  var counts: [[UInt32]] {
    guard let buffers else { return [] }
    return (0..<layers).map { layer in
      Array(UnsafeBufferPointer(start: buffers.counts + layer * neurons, count: neurons))
    }
  }
}
