import PowerInferCheckpoint
import PowerInferGGUF
import PowerInferModel

/// How models of some types become tensors and metadata.
protocol ConvertedFamily: Sendable {
  /// Values of `model_type`.
  static var modelTypes: [String] { get }
  /// `general.architecture`.
  var architecture: Architecture { get }
  var layers: Int { get }
  var hiddenSize: Int { get }
  var neurons: Int { get }
  var vocabularySize: Int { get }
  /// Whether the embeddings are the output matrix.
  var isTied: Bool { get }
  /// The activation as the configuration names it, made one that the engine knows.
  var activation: Activation { get }
  /// Sentences about what a user would not expect.
  var notes: [String] { get }
  /// What names may begin with, the usual first, and a name that every checkpoint has behind it.
  static var prefixes: [String] { get }
  static var landmark: String { get }

  /// Sets the keys that describe the model; `general.architecture` is set.
  func describe(in metadata: inout Metadata)

  /// Takes all tensors.
  ///
  /// - Parameter isSparse: whether the down projection gets a row per neuron.
  func take(from taker: inout TensorTaker, isSparse: Bool) throws(ConvertError)
}

extension ConvertedFamily {
  /// Takes the down projection of a layer, and its bias where there is one.
  func takeDown(
    _ name: String, layer: Int, from taker: inout TensorTaker, isSparse: Bool, hasBias: Bool = false
  ) throws(ConvertError) {
    let target = "blk.\(layer)." + (isSparse ? "ffn_down_t" : "ffn_down")
    if isSparse {
      try taker.transposedMatrix(name + ".weight", as: target, rows: hiddenSize, columns: neurons)
    } else {
      try taker.matrix(name + ".weight", as: target, rows: hiddenSize, columns: neurons)
    }
    if hasBias { try taker.vector(name + ".bias", as: target + ".bias", count: hiddenSize) }
  }
}

/// All families that are converted.
enum ConvertedFamilies {
  static func family(of folder: ModelFolder) throws(ConvertError) -> any ConvertedFamily {
    guard let type = try folder.configuration.string("model_type") else {
      throw .missingKey("model_type", file: folder.configuration.file)
    }
    // One by one: an initialiser with typed errors cannot be called on a type that is only known at run time.
    if LlamaFolder.modelTypes.contains(type) { return try LlamaFolder(folder) }
    if FalconFolder.modelTypes.contains(type) { return try FalconFolder(folder) }
    if OPTFolder.modelTypes.contains(type) { return try OPTFolder(folder) }
    let known = LlamaFolder.modelTypes + FalconFolder.modelTypes + OPTFolder.modelTypes
    throw .unknownModelType(type, known: known.sorted())
  }

  /// The activation that a configuration's name for it means.
  static func activation(_ name: String, _ settings: Settings, key: String) throws(ConvertError) -> Activation {
    switch name {
    case "silu", "swish": return .silu
    case "relu", "fatrelu": return .relu
    case "gelu", "gelu_new", "gelu_pytorch_tanh": return .gelu
    default: throw .unsupported("the activation \(shown(name))")
    }
  }
}
