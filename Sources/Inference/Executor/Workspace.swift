import PowerInferKernels
import PowerInferModel

/// Every buffer a forward pass writes, allocated once: the hot path allocates nothing.
///
/// `B` is the most tokens in one pass; other letters as in `ModelConfiguration`.
final class Workspace {
  let residual: UnsafeMutablePointer<Float>  // [B, d], the stream that layers add to
  let normed: Activations  // [B, d], input of the attention and feed-forward matrices
  /// [B, d], input of the feed-forward beside ``normed``, the attention's; empty where layers have no parallel blocks.
  let normedBeside: Activations
  let own: [Own]  // per worker, for one token alone
  let outputs: Activations  // [logitRows, d], input of the output matrix
  let queries: UnsafeMutablePointer<Float>  // [B, heads · headSize]
  let keys: UnsafeMutablePointer<Float>  // [B, kvHeads · headSize]
  let values: UnsafeMutablePointer<Float>  // [B, kvHeads · headSize]
  let attended: Activations  // [B, heads · headSize]
  let gate: UnsafeMutablePointer<Float>  // [B, f]
  let up: UnsafeMutablePointer<Float>  // [B, f]
  let hidden: Activations  // [B, f], act(gate) · up
  let projected: UnsafeMutablePointer<Float>  // [B, d], what a block adds to the residual
  let cosines: UnsafeMutablePointer<Float>  // [B, rotary dimensions / 2]
  let sines: UnsafeMutablePointer<Float>  // [B, rotary dimensions / 2]
  let logits: UnsafeMutablePointer<Float>  // [logitRows, V]
  /// Positions whose logits are computed in one go.
  static let logitRows = 8

  /// What every worker computes for itself while one token comes alone.
  struct Own {
    let normed: Activations  // [1, d]
    let normedBeside: Activations  // [1, d], or empty
    let attended: Activations  // [1, heads · headSize]
    let hidden: Activations  // [1, f]

    init(configuration c: ModelConfiguration) {
      normed = Activations(columns: c.hiddenSize, capacity: 1)
      normedBeside = Activations(columns: c.hiddenSize, capacity: c.architecture.hasParallelBlocks ? 1 : 0)
      attended = Activations(columns: c.querySize, capacity: 1)
      hidden = Activations(columns: c.feedForwardSize, capacity: 1)
    }
  }

  /// Has the batch's 8-bit forms written for products of this kind.
  func setOrder(_ order: Activations.Order) {
    for input in [normed, normedBeside, attended, hidden] { input.order = order }
  }

  /// Makes the tokens in `kept` the first ones: their residuals and what attention gave them.
  func moveToFront(_ kept: Range<Int>) {
    guard kept.lowerBound > 0 else { return }
    let (hidden, query) = (normed.columns, attended.columns)
    // The memory may overlap, which `update(from:)` allows.
    residual.update(from: residual + kept.lowerBound * hidden, count: kept.count * hidden)
    attended.values.update(from: attended.values + kept.lowerBound * query, count: kept.count * query)
  }

  init(configuration c: ModelConfiguration, batchSize: Int, workers: Int) {
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> { .allocate(capacity: count) }
    let b = batchSize
    residual = floats(b * c.hiddenSize)
    normed = Activations(columns: c.hiddenSize, capacity: b)
    normedBeside = Activations(columns: c.hiddenSize, capacity: c.architecture.hasParallelBlocks ? b : 0)
    own = (0..<workers).map { _ in Own(configuration: c) }
    outputs = Activations(columns: c.hiddenSize, capacity: Self.logitRows)
    queries = floats(b * c.querySize)
    keys = floats(b * c.keyValueSize)
    values = floats(b * c.keyValueSize)
    attended = Activations(columns: c.querySize, capacity: b)
    gate = floats(b * c.feedForwardSize)
    up = floats(b * c.feedForwardSize)
    hidden = Activations(columns: c.feedForwardSize, capacity: b)
    projected = floats(b * c.hiddenSize)
    cosines = floats(b * c.rotary.dimensions / 2)
    sines = floats(b * c.rotary.dimensions / 2)
    logits = floats(Self.logitRows * c.vocabularySize)
  }

  /// Bytes that such a workspace and the scratch of ``Attention`` and ``FeedForward`` take; nil where they are too many to
  /// count.
  ///
  /// - Parameter ranks: of the predictors, where predictions are wanted.
  static func byteCount(
    configuration c: ModelConfiguration, batchSize: Int, contextSize: Int, workers: Int, ranks: [Int]? = nil
  ) -> Int? {
    // In floats. 8-bit forms take less than another half of their values, and the padding of short rows is at most a block
    // of 512 columns.
    let norms = c.architecture.hasParallelBlocks ? 2 : 1
    let inputs = (norms * c.hiddenSize + c.querySize + c.feedForwardSize) * 3 / 2 + (2 + norms) * 512
    let perToken =
      inputs
      + [
        2 * c.hiddenSize, c.querySize, 2 * c.keyValueSize, 2 * c.feedForwardSize, c.rotary.dimensions,
      ].reduce(0, +)
    let parts = [
      [batchSize, perToken], [workers, inputs],
      [Attention.floatCount(configuration: c, capacity: contextSize, workers: workers)],
      [logitRows, c.vocabularySize + c.hiddenSize * 3 / 2 + 512],
      [workers, NeuronScratch.floats(configuration: c).own], [NeuronScratch.floats(configuration: c).sums],
      ranks.map { [batchSize + workers, NeuronScratch.predictionFloats(configuration: c, ranks: $0)] } ?? [0],
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

  deinit {
    for buffer in [residual, queries, keys, values, gate, up, projected, cosines, sines, logits] {
      buffer.deallocate()
    }
  }
}
