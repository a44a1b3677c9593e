public import PowerInferKernels

/// What sets one model family apart from another: a short list of switches, no code.
///
/// A new family is a new file beside `Llama.swift` that declares its switches and an entry in ``all``. A switch exists only
/// when an executor acts on it.
public struct Architecture: Sendable, Equatable {
  /// `general.architecture`, also the prefix of the family's metadata keys.
  public let name: String

  /// What is done to the residual stream before a block of a layer reads it, and before the output matrix does.
  public let norm: NormKind

  /// How the model knows where in the sequence a token is.
  public let positions: Positions

  /// Whether attention and feed-forward of a layer both read the layer's input, and their results are added to it together;
  /// otherwise the feed-forward reads what the attention left.
  public let hasParallelBlocks: Bool

  /// Whether queries, keys and values are the rows of one matrix, `attn_qkv`.
  public let hasFusedAttention: Bool

  /// Which matrices of a layer have biases.
  public let biases: Biases

  /// What a feed-forward neuron makes of the input.
  public let gating: Gating

  /// The activation of a file that does not name one.
  public let activation: Activation

  /// The activation of a file with `PWRI` magic, which stores none: ReLU by definition of the format (spec §1.2).
  public let sparseActivation: Activation

  /// What the activation predictor of a layer reads (spec §4.1).
  public let predictorInput: PredictorInput

  /// How text is cut into words for a byte-level vocabulary whose file does not say it, as the files of 2023 do not: what the
  /// family was trained with. `nil` where its models differ.
  public let preTokenizer: String?

  /// What is not named is as most families have it, so that a new switch changes one file.
  init(
    name: String, norm: NormKind, positions: Positions, hasParallelBlocks: Bool = false,
    hasFusedAttention: Bool = false, biases: Biases = .none, gating: Gating = .gated, activation: Activation = .silu,
    sparseActivation: Activation = .relu, predictorInput: PredictorInput = .feedForwardInput,
    preTokenizer: String? = nil
  ) {
    self.name = name
    self.norm = norm
    self.positions = positions
    self.hasParallelBlocks = hasParallelBlocks
    self.hasFusedAttention = hasFusedAttention
    self.biases = biases
    self.gating = gating
    self.activation = activation
    self.sparseActivation = sparseActivation
    self.predictorInput = predictorInput
    self.preTokenizer = preTokenizer
  }

  /// Every family this engine computes.
  public static let all: [Architecture] = [.llama, .bamboo, .qwen2, .falcon, .opt]

  /// The family named by `general.architecture`.
  ///
  /// - Throws: ``ModelError/unsupportedArchitecture(_:known:)``.
  public static func named(_ name: String) throws -> Architecture {
    guard let found = all.first(where: { $0.name == name }) else {
      throw ModelError.unsupportedArchitecture(name, known: all.map(\.name))
    }
    return found
  }
}

/// A kind of normalisation of [hidden size] vectors.
public enum NormKind: Sendable, Equatable {
  /// x / √(mean(x²) + epsilon) · gain; epsilon from `attention.layer_norm_rms_epsilon` (Zhang and Sennrich 2019,
  /// arXiv:1910.07467).
  case rootMeanSquare
  /// (x - mean) / √(variance + epsilon) · gain + bias; epsilon from `attention.layer_norm_epsilon`, or this one where the
  /// file need not give it (Ba et al. 2016, arXiv:1607.06450).
  case layer(defaultEpsilon: Float?)
}

/// How a model knows where in the sequence a token is.
public enum Positions: Sendable, Equatable {
  /// Queries and keys are rotated by angles that grow with the position.
  case rotary(RotaryPairing)
  /// Row `position + offset` of `position_embd` is added to the token's embedding. There are no more positions than rows.
  case learned(offset: Int)
}

/// Which matrices of a layer have biases.
public enum Biases: Sendable, Equatable {
  /// None: a bias in the file is one too many.
  case none
  /// Those that the file has.
  case ifPresent
  /// All: a missing bias is an error.
  case everywhere
}

/// What a feed-forward neuron makes of the input x, `act` being the model's ``Activation``.
public enum Gating: Sendable, Equatable {
  /// act(gate · x) · (up · x)
  case gated
  /// act(gate · x) · act(up · x)
  case gatedBoth
  /// act(up · x): there is no gate.
  case ungated

  /// Activations that there are kernels for.
  public var activations: [Activation] {
    switch self {
    case .gated: [.silu, .relu]
    case .gatedBoth: [.relu]
    case .ungated: [.relu, .gelu]
    }
  }
}

/// What the activation predictor of a layer reads, never normalised.
public enum PredictorInput: Sendable, Equatable {
  /// The input of the layer.
  case layerInput
  /// The residual stream after the attention.
  case feedForwardInput
}

/// A non-linearity of feed-forward neurons; raw values are those of `hidden_activation`.
public enum Activation: String, Sendable, CaseIterable {
  /// x · sigmoid(x): the gate of Llama's SwiGLU.
  case silu
  /// max(x, 0): ReLU fine-tunes, OPT; most neurons are silent for a token.
  case relu
  /// x · Φ(x), Φ the normal distribution function: Falcon.
  case gelu

  /// As papers spell it.
  public var name: String {
    switch self {
    case .silu: "SiLU"
    case .relu: "ReLU"
    case .gelu: "GELU"
    }
  }
}
