import PowerInferKernels

/// Rows that the steps of a pass compute, and how: by panels or by rows, and which may leave out neurons.
struct RowGroup: Equatable {
  var count: Int
  /// The first rows, whose products are made by panels of weight rows; those of the others by single rows.
  var panelCount: Int
  /// Rows that may leave out neurons: the last ones, or all.
  var skipping: Range<Int>

  /// A row by itself is bound by memory and by waiting: whatever is small every worker computes for itself, in buffers of its own,
  /// which costs less than a barrier.
  var isAlone: Bool { count == 1 && panelCount == 0 }

  init(count: Int, panelCount: Int, skipping: Range<Int>) {
    self.count = count
    self.panelCount = panelCount
    self.skipping = skipping
  }

  /// Rows of a batch, of which the first `promptCount` are of prompts.
  init(count: Int, promptCount: Int, arithmetic: Batch.Arithmetic, skipping: Range<Int>, kernels: Kernels) {
    self.count = count
    self.skipping = skipping
    panelCount =
      switch arithmetic {
      case .byCount: kernels.order(forTokens: count) == .panels ? count : 0
      case .byPhase: kernels.hasPanels ? promptCount : 0
      }
  }

  init(_ batch: Batch, kernels: Kernels) {
    self.init(
      count: batch.count, promptCount: batch.promptCount, arithmetic: batch.arithmetic, skipping: batch.skipping,
      kernels: kernels)
  }
}
