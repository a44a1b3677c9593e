/// Where the list of neurons that a layer computes for a token comes from.
public enum ActivationSource: Sendable, Equatable {
  /// All neurons.
  case dense
  /// Those whose gate is not silent, so that nothing is lost.
  case gate
  /// Those whose leading bits allow that they are not silent: of which the product with the gate's two leading bits is not below
  /// -`margin` times the standard deviation of what the other bits add. With a threshold, those whose activation may reach this magnitude
  /// within the margin. The gates of these are completed, and decide.
  case bits(margin: Float, threshold: Float?)
  /// Those whose prediction is not below the threshold; NaN counts as active (spec §4.1).
  case predictor(threshold: Float)
  /// Those whose activation has at least this magnitude.
  case threshold(Float)

  /// The mode that asks for it.
  public var mode: SparsityMode {
    switch self {
    case .dense: .dense
    case .gate: .gate
    case .bits: .bits
    case .predictor: .predictor
    case .threshold: .threshold
    }
  }
}
