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
  ///
  /// - Parameter isMapped: whether `places` says which value is a neuron's.
  public func specialization(isMapped: Bool = false) -> [UInt32] {
    let (rule, activation): (UInt32, ActivationKind) =
      switch self {
      case .from: (0, .none)
      case .above: (1, .none)
      case .magnitude(_, let activation): (2, activation)
      }
    return [rule, activation.rawValue, isMapped ? 1 : 0]
  }
}

/// Constants of ``ShaderName/compact``: lists, in ascending order, the neurons that the rule keeps for any token.
///
/// Bindings: values ([tokens, stride]), **list** ([neurons] `UInt32`), **starts** ([runs + 1], for ``ShaderName/down``), **counts**
/// (eight `UInt32`: the number of entries first; from index 4 on the grid of the kernel that goes through the list), places ([neurons]
/// `UInt32`: where a neuron's value is, ``certain`` for those that are kept without asking; takes anything where values are by neuron).
/// Grid: (1). Specialization: ``NeuronRule/specialization(isMapped:)``.
public struct CompactConstants: BitwiseCopyable, Sendable {
  /// Where in `counts` the number of entries is, for ``MatVecListedConstants`` and ``GateUpConstants``.
  public static let countIndex = 0
  /// Bytes of `counts`, and where in it the grid for `dispatchIndirect` begins.
  public static let countsByteCount = 32
  public static let gridOffset = 16
  /// The place of a neuron that is kept without asking.
  public static let certain = UInt32.max

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

/// ``ShaderName/tally`` counts the entries of a list whose values are above 0, or no numbers.
///
/// Bindings: values ([entries], or [neurons]), list, counts (of ``ShaderName/compact``), **found** (one `UInt32`). No constants. Grid:
/// (1). Specialization: ``specialization(byNeuron:)``.
public enum Tally {
  /// - Parameter byNeuron: whether values are by neuron; otherwise by entry.
  public static func specialization(byNeuron: Bool) -> [UInt32] { [byNeuron ? 1 : 0] }
}
