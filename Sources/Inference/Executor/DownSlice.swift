import PowerInferKernels
import PowerInferModel
import PowerInferSparsity

/// A down projection with a row per output, of which the last neurons are computed here: of every row its end.
struct DownSlice {
  let matrix: Matrix  // [resident neurons, d]
  private let first: Int  // of the neurons
  /// What they give, in the form that products read; shared by layers with as many neurons.
  private let forms: Forms

  private final class Forms {
    let shared: Activations  // [B, neurons]
    let own: [Activations]  // per worker, [1, neurons]

    init(_ columns: Int, capacity: Int, workers: Int) {
      shared = Activations(columns: columns, capacity: capacity)
      own = (0..<workers).map { _ in Activations(columns: columns, capacity: 1) }
    }
  }

  /// Those of all layers; `nil` where a layer has all neurons here, or a row for each.
  ///
  /// - Parameters:
  ///   - capacity: rows of a batch at most.
  ///   - workers: of the team.
  static func all(_ layers: [LayerWeights], _ plan: SparsityPlan, capacity: Int, workers: Int) -> [DownSlice?] {
    var made: [Int: Forms] = [:]
    return zip(layers, plan.layers).map { layer, plan in
      guard plan.neurons == nil, case .rows(let down) = layer.down, down.layout == .blocks,
        let neurons = plan.resident.end(of: down.columns), neurons.lowerBound > 0, !neurons.isEmpty,
        neurons.lowerBound.isMultiple(of: max(32, down.format.blockElements))
      else { return nil }
      let forms = made[neurons.count] ?? Forms(neurons.count, capacity: capacity, workers: workers)
      made[neurons.count] = forms
      return DownSlice(matrix: down.columns(neurons), first: neurons.lowerBound, forms: forms)
    }
  }

  /// What the neurons give, ready for products with ``matrix``.
  func prepared(_ hidden: Activations, rows: RowGroup, kernels: Kernels, _ worker: Worker) -> Activations {
    let form = rows.isAlone ? forms.own[worker.index] : forms.shared
    if !rows.isAlone {
      // Everyone has read what the layer before left there.
      if worker.leads { rows.setPanels(of: form) }
      worker.sync()
    }
    worker.each(rows) { row in
      let source = hidden.row(row) + first
      if matrix.format.usesQuantizedActivations {
        form.quantize(from: source, token: row, using: kernels)
      } else {
        form.row(row).update(from: source, count: matrix.columns)
      }
    }
    return form
  }
}

extension ResidentNeurons {
  /// The neurons, where they are the last ones of so many.
  fileprivate func end(of neurons: Int) -> Range<Int>? {
    switch self {
    case .all: 0..<neurons
    case .ranges(let ranges): ranges.count == 1 && ranges[0].upperBound == neurons ? ranges[0] : nil
    case .list: nil
    }
  }
}
