import GGUF

/// A model file opened, checked and ready to compute with: hyperparameters, weights, tokenizer, chat template.
///
/// Opening maps the file; pages are read when first used.
public final class LanguageModel: Sendable {
  public let file: GGUFFile
  public let configuration: ModelConfiguration
  public let weights: Weights
  public let tokenizer: Tokenizer
  public let rotary: RotaryEmbedding

  /// Opens a model file, or all parts of a split one.
  ///
  /// - Throws: `GGUFError`, ``ModelError`` or ``VocabularyError``.
  public convenience init(opening path: String) throws {
    try self.init(file: GGUFFile(opening: path))
  }

  public init(file: GGUFFile) throws {
    self.file = file
    configuration = try ModelConfiguration(metadata: file.metadata, magic: file.magic)
    weights = try Weights(file: file, configuration: configuration)
    tokenizer = try Tokenizer(metadata: file.metadata)
    rotary = RotaryEmbedding(configuration.rotary, divisors: weights.rotaryDivisors)
  }

  /// Bytes of all tensors.
  public var byteCount: Int { file.tensors.reduce(0) { $0 + $1.byteCount } }

  /// Number of weights, tied matrices counted once.
  public var parameterCount: Int { file.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }
}
