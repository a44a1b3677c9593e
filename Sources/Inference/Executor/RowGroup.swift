import PowerInferKernels

/// Rows that the steps of a pass compute, and how: together or by single rows, and which may leave out neurons.
struct RowGroup: Equatable {
  var count: Int
  /// The first rows, whose products are made together, as `panelOrder` says; those of the others by single rows.
  var panelCount: Int
  var panelOrder = Activations.Order.panels
  /// Rows that may leave out neurons: the last ones, or all.
  var skipping: Range<Int>

  /// A row by itself is bound by memory and by waiting: whatever is small every worker computes for itself, in buffers of its own,
  /// which costs less than a barrier.
  var isAlone: Bool { count == 1 && panelCount == 0 }

  /// Has the 8-bit form of the rows written for the products that they are computed with.
  func setPanels(of input: Activations) {
    input.panelCount = panelCount
    input.panelOrder = panelOrder
  }

  init(count: Int, panelCount: Int, skipping: Range<Int>) {
    self.count = count
    self.panelCount = panelCount
    self.skipping = skipping
  }

  /// Rows of a batch, of which the first `promptCount` are of prompts.
  init(count: Int, promptCount: Int, arithmetic: Batch.Arithmetic, skipping: Range<Int>, kernels: Kernels) {
    self.count = count
    self.skipping = skipping
    switch arithmetic {
    case .byCount:
      let order = kernels.order(forTokens: count)
      panelCount = order == .rows ? 0 : count
      if order != .rows { panelOrder = order }
    case .byPhase: panelCount = kernels.hasPanels ? promptCount : 0
    }
  }

  init(_ batch: Batch, kernels: Kernels) {
    self.init(
      count: batch.count, promptCount: batch.promptCount, arithmetic: batch.arithmetic, skipping: batch.skipping,
      kernels: kernels)
  }
}
