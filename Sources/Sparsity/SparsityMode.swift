public import PowerInferModel

/// What is asked for: which neurons of a feed-forward layer are computed for a token.
public enum SparsityMode: String, Sendable, Codable, CaseIterable {
  /// Whatever was measured to be fastest without a loss: per layer, ``gate`` or ``dense``.
  case auto
  /// The neurons that the file's predictors expect to fire (PowerInfer, arXiv:2312.12456, §5.1).
  case predictor
  /// Every gate is computed; up and down only where the activation is not zero. Lossless for ReLU.
  case gate
  /// The two leading bits of every gate are read, the others only where the neuron may fire, and what fires is computed. Nothing is
  /// trained. With thresholds also for gates that are never exactly zero.
  case bits
  /// Up and down only where the activation of the gate reaches a calibrated magnitude (CATS, arXiv:2404.08763; TEAL,
  /// arXiv:2408.14690). For gates that are never exactly zero, such as SiLU's.
  case threshold
  /// All neurons.
  case dense
}

extension SparsityMode {
  /// Whether every neuron that gives something is computed.
  public var isLossless: Bool {
    switch self {
    case .auto, .gate, .dense: true
    case .predictor, .bits, .threshold: false
    }
  }

  /// How this will read the neurons of a model that is about to be opened, if one executor has them all.
  ///
  /// Of a ReLU model all lossless modes say the same, so that they compute the same bits.
  public func reading(_ activation: Activation) -> NeuronReading {
    switch self {
    case .predictor: .predicted
    case .bits: .leadingBits
    case .threshold: .wholeGates
    case .auto, .gate, .dense: activation == .relu ? .wholeGates : .whole
    }
  }
}
