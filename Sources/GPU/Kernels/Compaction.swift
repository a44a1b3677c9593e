// From values of neurons to a list of those that are computed (``ShaderName/compact``).

/// Which neurons a list keeps. What is not a number is kept by each.
public enum NeuronRule: Sendable, Equatable {
  /// A value not below: predictions.
  case from(Float)
  /// A value above: gates before ReLU, with 0.
  case above(Float)
  /// A magnitude not below: gates after their activation.
  case magnitude(Float, of: ActivationKind)

  var threshold: Float {
    switch self {
    case .from(let value), .above(let value), .magnitude(let value, _): value
    }
  }

  /// Values of the constants of ``ShaderName/compact``.
  public var specialization: [UInt32] {
    switch self {
    case .from: [0, ActivationKind.none.rawValue]
    case .above: [1, ActivationKind.none.rawValue]
    case .magnitude(_, let activation): [2, activation.rawValue]
    }
  }
}

/// Constants of ``ShaderName/compact``: lists, in ascending order, the neurons that the rule keeps for any token.
///
/// Bindings: values ([tokens, stride]), **list** ([neurons] `UInt32`), **starts** ([runs + 1], for ``ShaderName/down``), **counts**
/// (eight `UInt32`: the number of entries first; from index 4 on the grid of the kernel that goes through the list). Grid: (1).
/// Specialization: ``NeuronRule/specialization``.
public struct CompactConstants: BitwiseCopyable, Sendable {
  /// Where in `counts` the number of entries is, for ``MatVecListedConstants`` and ``GateUpConstants``.
  public static let countIndex = 0
  /// Bytes of `counts`, and where in it the grid for `dispatchIndirect` begins.
  public static let countsByteCount = 32
  public static let gridOffset = 16

  public var neurons: UInt32
  public var run: UInt32
  public var runs: UInt32
  public var tokens: UInt32
  public var stride: UInt32
  public var threshold: Float
  public var groupRows: UInt32
  public var gridY: UInt32

  /// - Parameters:
  ///   - runs: of the layer.
  ///   - tokens: whose values are asked.
  ///   - stride: floats from token to token of the values.
  ///   - rule: which neurons are kept.
  ///   - tiling: of the product that goes through the list.
  public init(runs: NeuronRuns, tokens: Int, stride: Int, rule: NeuronRule, tiling: ProductTiling) {
    (neurons, run, self.runs) = (UInt32(runs.neurons), UInt32(runs.run), UInt32(runs.count))
    (self.tokens, self.stride, threshold) = (UInt32(tokens), UInt32(stride), rule.threshold)
    (groupRows, gridY) = (UInt32(tiling.groupRows), UInt32(tiling.grid(rows: 1, tokens: tokens).y))
  }
}
