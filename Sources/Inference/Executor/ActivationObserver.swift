import PowerInferKernels

/// Sees what goes into the matrices of a model, for importance matrices and for error-compensated rounding (GPTQ).
///
/// Called by every worker of an engine in the middle of a pass, with the same vectors, which nobody changes until all workers
/// have returned: so that they can divide the work. All neurons are computed while somebody observes.
public protocol ActivationObserver: AnyObject, Sendable {
  /// Looks at what a batch of tokens puts into some matrices; the array is valid until it returns.
  func observe(_ view: ActivationView)
}

/// Matrices that are multiplied with the same vectors.
public enum MatrixInput: Int, Sendable, CaseIterable {
  /// Of the queries, keys and values: the layer's normalised input.
  case attention
  /// Of the attention's output matrix: what the heads give.
  case attentionOutput
  /// Of gate and up: the normalised input of the feed-forward.
  case feedForward
  /// Of the down projection: what the neurons give.
  case down
  /// Of the output matrix: the normalised last residual. Only of tokens whose logits are asked for.
  case output
}

/// What a batch of tokens puts into some matrices.
public struct ActivationView {
  /// Counted from 0; of the output matrix, the number of layers.
  public let layer: Int
  /// Which matrices of the layer.
  public let input: MatrixInput
  /// Who calls: 0 ..< ``workers``.
  public let worker: Int
  /// How many call with these vectors.
  public let workers: Int
  /// Tokens of the batch.
  public let tokens: Int
  /// Elements of a vector.
  public let columns: Int
  /// [tokens, columns]
  public let values: UnsafePointer<Float>
}

/// The way from the passes to an observer.
struct ActivationTap {
  let observer: any ActivationObserver

  /// The caller has synced since the vectors were written, and syncs before they are written again.
  func show(_ input: MatrixInput, layer: Int, _ vectors: Activations, count: Int, _ worker: Worker) {
    observer.observe(
      ActivationView(
        layer: layer, input: input, worker: worker.index, workers: worker.count, tokens: count,
        columns: vectors.columns, values: UnsafePointer(vectors.values)))
  }
}
