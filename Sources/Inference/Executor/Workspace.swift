import PowerInferKernels
import PowerInferModel

/// Every buffer a forward pass writes, allocated once: the hot path allocates nothing.
///
/// `B` is the most rows in one pass; other letters as in `ModelConfiguration`.
final class Workspace {
  /// What small steps on rows read and write: everyone's buffers, or a worker's own for a row alone.
  struct Rows {
    let residual: UnsafeMutablePointer<Float>  // [rows, d], the stream that blocks add to
    /// [rows, d], input of the attention and feed-forward matrices, at last of the output matrix.
    let normed: Activations
    /// [rows, d], input of the feed-forward beside ``normed``, the attention's; empty where layers have no parallel blocks.
    let normedBeside: Activations
    /// [rows, heads · headSize], the 8-bit form of what attention gives; also the floats where these buffers are everyone's.
    let attended: Activations
    let hidden: Activations  // [rows, f], the same of act(gate) · up
    let cosines: UnsafeMutablePointer<Float>  // [rows, rotary dimensions / 2]
    let sines: UnsafeMutablePointer<Float>  // [rows, rotary dimensions / 2]

    init(configuration c: ModelConfiguration, capacity: Int) {
      residual = .allocate(capacity: capacity * c.hiddenSize)
      normed = Activations(columns: c.hiddenSize, capacity: capacity)
      normedBeside = Activations(columns: c.hiddenSize, capacity: c.architecture.hasParallelBlocks ? capacity : 0)
      attended = Activations(columns: c.querySize, capacity: capacity)
      hidden = Activations(columns: c.feedForwardSize, capacity: capacity)
      cosines = .allocate(capacity: capacity * c.rotary.dimensions / 2 + 1)
      sines = .allocate(capacity: capacity * c.rotary.dimensions / 2 + 1)
    }

    func deallocate() {
      for buffer in [residual, cosines, sines] { buffer.deallocate() }
    }

    /// Has 8-bit forms written for the products that the rows are computed with.
    func setPanels(_ rows: RowGroup) {
      for input in [normed, normedBeside, attended, hidden] { rows.setPanels(of: input) }
    }
  }

  let shared: Rows  // [B]
  private let own: [Rows]  // per worker, [1]
  let queries: UnsafeMutablePointer<Float>  // [B, heads · headSize]
  let keys: UnsafeMutablePointer<Float>  // [B, kvHeads · headSize]
  let values: UnsafeMutablePointer<Float>  // [B, kvHeads · headSize]
  let gate: UnsafeMutablePointer<Float>  // [B, f]
  let up: UnsafeMutablePointer<Float>  // [B, f]
  let attentionOutput: UnsafeMutablePointer<Float>  // [B, d], what the attention adds to the residual
  let feedForwardOutput: UnsafeMutablePointer<Float>  // [B, d], what the feed-forward adds to it
  let logits: UnsafeMutablePointer<Float>  // [logitCapacity, V]
  /// Rows whose logits are computed in one go: as many as answers usually go on together, so that the output matrix is read once.
  private static let mostLogitRows = 32
  let logitCapacity: Int

  private let hiddenSize: Int
  private let querySize: Int

  init(configuration c: ModelConfiguration, batchSize b: Int, workers: Int) {
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> { .allocate(capacity: count) }
    (hiddenSize, querySize) = (c.hiddenSize, c.querySize)
    shared = Rows(configuration: c, capacity: b)
    own = (0..<workers).map { _ in Rows(configuration: c, capacity: 1) }
    queries = floats(b * c.querySize)
    keys = floats(b * c.keyValueSize)
    values = floats(b * c.keyValueSize)
    gate = floats(b * c.feedForwardSize)
    up = floats(b * c.feedForwardSize)
    attentionOutput = floats(b * c.hiddenSize)
    feedForwardOutput = floats(b * c.hiddenSize)
    logitCapacity = min(Self.mostLogitRows, b)
    logits = floats(logitCapacity * c.vocabularySize)
  }

  deinit {
    shared.deallocate()
    for rows in own { rows.deallocate() }
    for buffer in [queries, keys, values, gate, up, attentionOutput, feedForwardOutput, logits] { buffer.deallocate() }
  }

  /// The buffers that small steps on these rows use: the one place that decides it.
  func rows(_ group: RowGroup, _ worker: Worker) -> Rows { group.isAlone ? own[worker.index] : shared }

  /// A worker's own buffers, for a row alone.
  func own(_ worker: Int) -> Rows { own[worker] }

  /// Makes some rows the first ones: their residuals, what attention gave them, and what blocks are about to add.
  ///
  /// - Parameter rows: ascending.
  func moveToFront(_ rows: UnsafeBufferPointer<Int>) {
    for (target, source) in rows.enumerated() where source != target {
      func move(_ buffer: UnsafeMutablePointer<Float>, _ width: Int) {
        (buffer + target * width).update(from: buffer + source * width, count: width)
      }
      move(shared.residual, hiddenSize)
      move(shared.attended.values, querySize)
      move(attentionOutput, hiddenSize)
      move(feedForwardOutput, hiddenSize)
    }
  }

  /// Bytes that such a workspace and the scratch of ``Attention`` and ``FeedForward`` take; nil where they are too many to
  /// count.
  ///
  /// - Parameters:
  ///   - ranks: of the predictors, where predictions are wanted.
  ///   - asksLeadingBits: whether leading bits are.
  static func byteCount(
    configuration c: ModelConfiguration, batchSize: Int, contextSize: Int, workers: Int, ranks: [Int]? = nil,
    asksLeadingBits: Bool = false
  ) -> Int? {
    // In floats. 8-bit forms take less than another half of their values, and the padding of short rows is at most a block
    // of 512 columns.
    let norms = c.architecture.hasParallelBlocks ? 2 : 1
    let inputs =
      (norms * c.hiddenSize + c.querySize + c.feedForwardSize) * 3 / 2 + (2 + norms) * 512 + c.hiddenSize
      + c.rotary.dimensions
    let perRow = inputs + [3 * c.hiddenSize, c.querySize, 2 * c.keyValueSize, 2 * c.feedForwardSize, 8].reduce(0, +)
    let parts = [
      [batchSize, perRow], [workers, inputs],
      [Attention.floatCount(configuration: c, capacity: contextSize, workers: workers)],
      [min(mostLogitRows, batchSize), c.vocabularySize],
      [workers, NeuronScratch.floats(configuration: c, batchSize: batchSize).own],
      [NeuronScratch.floats(configuration: c, batchSize: batchSize).sums],
      ranks.map { [batchSize + workers, NeuronScratch.predictionFloats(configuration: c, ranks: $0)] } ?? [0],
      [batchSize, asksLeadingBits ? NeuronScratch.leadingFloats(configuration: c).row : 0],
      [workers, asksLeadingBits ? NeuronScratch.leadingFloats(configuration: c).own : 0],
    ]
    var total = 0
    for part in parts {
      var product = MemoryLayout<Float>.stride
      for factor in part {
        let (next, overflow) = product.multipliedReportingOverflow(by: factor)
        if overflow { return nil }
        product = next
      }
      let (sum, overflow) = total.addingReportingOverflow(product)
      if overflow { return nil }
      total = sum
    }
    return total
  }
}
