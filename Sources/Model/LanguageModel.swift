public import PowerInferGGUF
public import PowerInferPlatform

/// A model file opened, checked and ready to compute with: hyperparameters, weights, tokenizer, chat template.
///
/// Opening maps the file, whose pages are read when first used, or reads the weights into memory of their own (`Residency`), where
/// rows are arranged for the kernels (`RowLayout`).
public final class LanguageModel: Sendable {
  /// The file, which keeps the weights' bytes mapped.
  public let file: GGUFFile
  /// Hyperparameters.
  public let configuration: ModelConfiguration
  /// Matrices and vectors, found and checked; valid while this model lives.
  public let weights: Weights
  private let copy: WeightCopy?
  /// Text to token ids and back, by the file's own vocabulary.
  public let tokenizer: Tokenizer
  /// Angles of every position.
  public let rotary: RotaryEmbedding

  /// Opens a model file, or all parts of a split one.
  ///
  /// - Parameters:
  ///   - path: of the file, or of any part of a split one.
  ///   - residency: how it comes into memory.
  ///   - overrides: keys that are set in place of the file's.
  ///   - reading: how neurons will be read, by the activation function.
  ///   - nodes: memory nodes of the threads that will read weights.
  /// - Throws: `GGUFError`, ``ModelError`` or ``VocabularyError``.
  public convenience init(
    opening path: String, residency: Residency = .mapped, overriding overrides: [MetadataOverride] = [],
    reading: (Activation) -> NeuronReading = { _ in .listed },
    nodes: MemoryNodes = .current.serving(threads: Processors.recommended)
  ) throws {
    try self.init(
      file: GGUFFile(opening: path, overriding: overrides), residency: residency, reading: reading, nodes: nodes)
  }

  /// Checks a file that is open already.
  ///
  /// - Parameters:
  ///   - file: the model's.
  ///   - residency: how its weights come into memory.
  ///   - reading: how neurons will be read, by the activation function.
  ///   - nodes: memory nodes of the threads that will read weights.
  /// - Throws: `GGUFError`, `FileError`, ``ModelError`` or ``VocabularyError``.
  public init(
    file: GGUFFile, residency: Residency = .mapped, reading: (Activation) -> NeuronReading = { _ in .listed },
    nodes: MemoryNodes = .current.serving(threads: Processors.recommended)
  ) throws {
    self.file = file
    let configuration = try ModelConfiguration(metadata: file.metadata, magic: file.magic)
    // Says what is wrong with a file before much of it is read.
    let mapped = try Weights(file: file, configuration: configuration, copy: nil)
    let copy =
      try residency.copies(file.byteCount)
      ? WeightCopy(of: file, reading: reading(configuration.activation), nodes: nodes) : nil
    weights = try copy.map { try Weights(file: file, configuration: configuration, copy: $0) } ?? mapped
    self.configuration = configuration
    self.copy = copy
    tokenizer = try Tokenizer(metadata: file.metadata)
    rotary = RotaryEmbedding(configuration.rotary, divisors: weights.rotaryDivisors)
    try file.checkWholeness()
  }

  /// What the file says that cannot be so and was passed over, in sentences to show once.
  public var remarks: [String] { tokenizer.remarks }

  /// Bytes of all tensors.
  public var byteCount: Int { file.tensors.reduce(0) { $0 + $1.byteCount } }

  /// Number of weights, tied matrices counted once.
  public var parameterCount: Int { file.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }
}
