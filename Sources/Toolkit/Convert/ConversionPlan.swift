import Crypto
import PowerInferCheckpoint
public import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferPlatform

/// Everything about a conversion that is decided before a weight is read: the tensors of the result, its metadata, and
/// whether all the input that it needs is there.
public struct ConversionPlan: Sendable {
  /// The four bytes that the result begins with.
  public let magic: Magic
  /// All keys of the result.
  public let metadata: Metadata
  /// Sentences about what a user would not expect.
  public let notes: [String]
  let tensors: [PlannedTensor]
  /// The files that are read.
  let inputs: [String]

  /// Names, types and shapes of the tensors of the result.
  public var layouts: [TensorLayout] { tensors.map(\.layout) }
  /// Bytes of weights that are read.
  public var inputBytes: Int { tensors.reduce(0) { $0 + $1.source.byteCount } }

  /// Reads everything about a model but its weights.
  ///
  /// - Parameters:
  ///   - path: the folder of a Hugging Face model.
  ///   - predictors: a folder of `model_N.pt`; nil for a model without predictors.
  ///   - options: what the result is to be.
  /// - Throws: ``ConvertError``, or what `ModelConfiguration` and `Tokenizer` throw of a description that makes no model.
  public init(_ path: String, predictors: String? = nil, options: ConvertOptions = ConvertOptions()) throws {
    let folder = try ModelFolder(path)
    let family = try ConvertedFamilies.family(of: folder)
    let activation =
      try options.activation.map { name throws(ConvertError) in
        try ConvertedFamilies.activation(name, folder.configuration, key: "--activation")
      } ?? family.activation
    guard family.architecture.gating.activations.contains(activation) else {
      throw ConvertError.unsupported("the activation \"\(activation.rawValue)\" with this architecture")
    }
    let isSparse = predictors != nil || options.isPowerInfer
    guard !isSparse || activation == .relu else { throw ConvertError.neverSilent(activation: activation.rawValue) }
    magic = isSparse ? .powerInfer : .gguf

    let predictorFolder = try predictors.map { path throws(ConvertError) in
      try PredictorFolder(path, layers: family.layers, hiddenSize: family.hiddenSize, neurons: family.neurons)
    }
    let types = TypeChoice(options: QuantizeOptions(type: options.type), isTied: family.isTied)
    var taker = TensorTaker(
      folder.weights, types: types, prefixes: type(of: family).prefixes, landmark: type(of: family).landmark)
    try family.take(from: &taker, isSparse: isSparse)
    if let predictorFolder { taker.predictors(predictorFolder.layers) }
    try taker.expectNothingLeft()
    tensors = taker.tensors

    var tokenizer = try TokenizerFolder(folder, count: family.vocabularySize, preTokenizer: options.preTokenizer)
    var metadata = Metadata()
    metadata.set("general.architecture", .string(family.architecture.name))
    metadata.set("general.name", .string(options.name ?? folder.name))
    family.describe(in: &metadata)
    // A file that does not say it means its family's own.
    if !isSparse, activation != family.architecture.activation {
      metadata.set("\(family.architecture.name).hidden_activation", .string(activation.rawValue))
    }
    metadata.set("general.file_type", .uint32(types.options.fileType))
    if options.type.blockElements > 1 { metadata.set("general.quantization_version", .uint32(2)) }
    if let threshold = predictorFolder?.threshold {
      metadata.set("powerinfer.sparse_threshold", .float32(Float(threshold)))
    }
    try tokenizer.describe(in: &metadata)
    for override in options.overrides { metadata.set(override.key, override.value) }
    History.append(try Self.step(folder, predictors: predictorFolder != nil, options: options), to: &metadata)
    self.metadata = metadata
    notes = family.notes + tokenizer.notes + Self.notes(tensors, isSparse: isSparse)
    inputs =
      folder.weights.paths
      + (predictors.map { folder in (0..<family.layers).map { "\(folder)/model_\($0).pt" } } ?? [])

    // What makes no model is found out before hours of work, not after.
    _ = try ModelConfiguration(metadata: metadata, magic: magic)
    _ = try Tokenizer(metadata: metadata)
  }

  /// The line of the file's history.
  private static func step(
    _ folder: ModelFolder, predictors: Bool, options: ConvertOptions
  ) throws(ConvertError) -> String {
    let path = folder.path + "/config.json"
    let file = try reading { () throws(CheckpointError) in try SettingsFile(path) }
    var hash = SHA256()
    hash.update(bufferPointer: file.bytes)
    var step = "convert \(options.type.name), config.json sha256 \(hexadecimal(hash.finalize()))"
    if predictors { step += ", with predictors" }
    return step
  }

  private static func notes(_ tensors: [PlannedTensor], isSparse: Bool) -> [String] {
    guard isSparse, let down = tensors.first(where: { $0.layout.name.hasSuffix("ffn_down_t.weight") }),
      ![.f16, .q4_0].contains(down.layout.type)
    else { return [] }
    return [
      "The original PowerInfer computes ffn_down_t only in F16 and Q4_0; it would load this file with "
        + "\(down.layout.type.name) and answer nonsense. This package reads all of them."
    ]
  }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
