public import PowerInferGGUF

/// How a model is to be quantised.
public struct QuantizeOptions: Sendable, Equatable {
  /// The type of every weight that no other option names.
  public var type: TensorType
  /// The type of the output matrix (of the embeddings, where they are also the output); nil for the usual one.
  public var outputType: TensorType?
  /// Exceptions by name; the first that matches counts.
  public var overrides: [TensorTypeOverride]
  /// Whether all weights get `type`, the output matrix and those that a mix would give another included.
  public var isPure: Bool
  /// Gives some weights a larger type than `type`.
  public var mix: QuantizeMix?

  public init(
    type: TensorType, outputType: TensorType? = nil, overrides: [TensorTypeOverride] = [], isPure: Bool = false,
    mix: QuantizeMix? = nil
  ) {
    self.type = type
    self.mix = mix
    self.outputType = outputType
    self.overrides = overrides
    self.isPure = isPure
  }

  /// The types that can be written.
  public static let types: [TensorType] = [.f32, .f16, .bf16, .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K, .q5_K, .q6_K]

  /// The options that a name stands for, in any case: that of a type, or that of a mix.
  ///
  /// - Throws: `QuantizeError.unknownType` where it is neither.
  public init(named name: String) throws(QuantizeError) {
    if let mix = QuantizeMix(named: name) {
      self.init(type: mix.baseType, mix: mix)
    } else {
      self.init(type: try Self.type(named: name))
    }
  }

  /// What the weights get, in one word: the mix's name or the type's.
  public var name: String { mix.map { isPure ? type.name : $0.rawValue } ?? type.name }

  /// The type of that name, in any case.
  ///
  /// - Throws: `QuantizeError.unknownType` where there is none that can be written.
  public static func type(named name: String) throws(QuantizeError) -> TensorType {
    guard let type = TensorType(name: name), types.contains(type) else { throw .unknownType(name) }
    return type
  }

  /// The type the output matrix has where nothing else is said: the last matrix is the one whose errors show most, so it
  /// keeps 8 bits where the others get 4 or 5, and of the types with blocks of 256 those of 6.
  var usualOutputType: TensorType {
    if isPure { return type }
    switch type {
    case .q4_0, .q4_1, .q5_0, .q5_1: return .q8_0
    case .q4_K, .q5_K: return .q6_K
    default: return type
    }
  }

  /// The number by which `general.file_type` names the type most weights have.
  var fileType: UInt32 {
    if let mix, !isPure { return mix.fileType }
    return switch type {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q4_1: 3
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    // Those of the mixes that are nearest ("Q4_K_S" and "Q5_K_S"): a single type has no number of its own.
    case .q4_K: 14
    case .q5_K: 16
    case .q6_K: 18
    case .bf16: 32
    // "Guessed": not one of the types that can be written.
    default: 1024
    }
  }
}

/// An exception from the general type: "PATTERN=TYPE".
public struct TensorTypeOverride: Sendable, Equatable {
  /// A regular expression that is found anywhere in the tensor's name.
  public let pattern: String
  public let type: TensorType

  /// Takes "PATTERN=TYPE" apart.
  public init(_ text: String) throws(QuantizeError) {
    guard let equals = text.lastIndex(of: "="), equals != text.startIndex else { throw .badOverride(text) }
    pattern = String(text[..<equals])
    type = try QuantizeOptions.type(named: String(text[text.index(after: equals)...]))
    guard (try? Regex(pattern)) != nil else { throw .badPattern(pattern) }
  }
}
