import Kernels
import Model

/// Every buffer a forward pass writes, allocated once: the hot path allocates nothing.
///
/// `B` is the most tokens in one pass; other letters as in ``Model/ModelConfiguration``.
final class Workspace {
  let residual: UnsafeMutablePointer<Float>  // [B, d], the stream that layers add to
  let normed: Activations  // [B, d], input of the attention and feed-forward matrices
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

  init(configuration c: ModelConfiguration, batchSize: Int) {
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> { .allocate(capacity: count) }
    let b = batchSize
    residual = floats(b * c.hiddenSize)
    normed = Activations(columns: c.hiddenSize, capacity: b)
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

  /// Bytes that such a workspace and the scratch of ``Attention`` take; nil where they are too many to count.
  static func byteCount(configuration c: ModelConfiguration, batchSize: Int, contextSize: Int, workers: Int) -> Int? {
    // In floats. The 8-bit forms of `normed`, `attended` and `hidden` take less than another half each, and the padding of
    // short rows is at most a block of 512 columns.
    let perToken = [
      3 * c.hiddenSize, 2 * c.querySize, 2 * c.keyValueSize, 3 * c.feedForwardSize, c.rotary.dimensions,
      (c.hiddenSize + c.querySize + c.feedForwardSize) / 2, 3 * 512,
    ].reduce(0, +)
    let parts = [
      [batchSize, perToken], [Attention.floatCount(configuration: c, capacity: contextSize, workers: workers)],
      [logitRows, c.vocabularySize],
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
