public import PowerInferGGUF
public import PowerInferModel
import PowerInferPlatform

/// Something measured about a model's neurons that is kept for later: in the model file's own metadata, or in a sidecar.
///
/// A sidecar is a GGUF file without tensors, with the same keys as the model file would have, a `general.type` that says what
/// it holds, and the ``ModelSignature`` of the model it belongs to. Beside `MODEL.gguf` it is found without being named, as
/// `MODEL.profile.gguf`, `MODEL.thresholds.gguf` or `MODEL.margins.gguf`; of a model in several files the first gives the name.
public protocol NeuronRecord: Sendable, Equatable {
  /// What it is a record of.
  static var kind: NeuronRecordKind { get }

  /// Reads the keys; nil where there are none of them.
  ///
  /// - Parameters:
  ///   - metadata: of the model file or of a sidecar.
  ///   - shape: of the model.
  /// - Throws: ``NeuronRecordError`` for a key that is missing, of the wrong type, version or length, or out of range.
  init?(metadata: Metadata, shape: FeedForwardShape) throws(NeuronRecordError)

  /// Sets the keys.
  func write(to metadata: inout Metadata)

  /// Makes sure that the record is of so many layers and neurons.
  ///
  /// - Throws: ``NeuronRecordError/shape(expected:found:)``, ``NeuronRecordError/layers(expected:found:)``.
  func check(_ shape: FeedForwardShape) throws(NeuronRecordError)
}

/// The kinds of records, and how their files and keys are named.
public enum NeuronRecordKind: String, Sendable, CaseIterable {
  /// ``ActivationProfile``
  case profile
  /// ``GateThresholds``
  case thresholds
  /// ``LeadingBitMargins``
  case margins

  /// What a message calls it.
  public var name: String {
    switch self {
    case .profile: "activation profile"
    case .thresholds: "gate thresholds"
    case .margins: "margins of leading bits"
    }
  }

  /// What every key begins with.
  public var prefix: String {
    switch self {
    case .profile: "powerinfer.profile."
    case .thresholds: "powerinfer.threshold."
    case .margins: "powerinfer.bits."
    }
  }

  /// `MODEL.gguf` becomes `MODEL.profile.gguf`, and so on for other kinds; other names get the ending added.
  public func sidecarPath(forModelAt path: String) -> String {
    let stem = path.hasSuffix(".gguf") ? String(path.dropLast(".gguf".count)) : path
    return stem + ".\(rawValue).gguf"
  }

  /// `general.type` of a sidecar.
  var fileType: String {
    switch self {
    case .profile: "neuron-profile"
    case .thresholds: "gate-thresholds"
    case .margins: "bit-margins"
    }
  }
}

extension NeuronRecord {
  /// Finds the record of a model: in the sidecar named, else in the one that lies beside the model, else in the model file.
  ///
  /// - Parameters:
  ///   - model: whose neurons are meant.
  ///   - path: a sidecar, which must be there; nil to look where one would be.
  /// - Returns: nil where there is none.
  /// - Throws: ``NeuronRecordError`` for one that is damaged or belongs to another model.
  public static func find(for model: LanguageModel, sidecar path: String? = nil) throws(NeuronRecordError) -> Self? {
    if let path { return try Self(sidecar: path, for: model) }
    if let beside = sidecarPath(for: model), FileIdentity(beside) != nil {
      return try Self(sidecar: beside, for: model)
    }
    return try Self(in: model)
  }

  /// Where a model's sidecar is looked for; nil for a model in memory.
  public static func sidecarPath(for model: LanguageModel) -> String? {
    model.file.paths.first.map(sidecarPath(forModelAt:))
  }

  /// `MODEL.gguf` becomes `MODEL.profile.gguf`, and so on for other kinds; other names get the ending added.
  public static func sidecarPath(forModelAt path: String) -> String { kind.sidecarPath(forModelAt: path) }

  /// The record that a model file itself has among its metadata; nil where it has none.
  ///
  /// - Throws: ``NeuronRecordError``, naming the file.
  public init?(in model: LanguageModel) throws(NeuronRecordError) {
    do {
      try self.init(metadata: model.file.metadata, shape: FeedForwardShape(model.configuration))
    } catch {
      throw model.file.paths.first.map { .inFile(path: $0, reason: error) } ?? error
    }
  }

  /// Reads a sidecar.
  ///
  /// - Throws: ``NeuronRecordError`` for a file that is missing, damaged, of another kind or of another model, naming it.
  public init(sidecar path: String, for model: LanguageModel) throws(NeuronRecordError) {
    let metadata = try containing { () throws(GGUFError) in try GGUFFile(opening: path).metadata }
    do {
      try self.init(
        sidecar: metadata, shape: FeedForwardShape(model.configuration), signature: ModelSignature(model))
    } catch {
      throw .inFile(path: path, reason: error)
    }
  }

  private init(
    sidecar metadata: Metadata, shape: FeedForwardShape, signature: @autoclosure () -> ModelSignature
  ) throws(NeuronRecordError) {
    let type = metadata["general.type"]?.string
    guard type == Self.kind.fileType else { throw .otherKind(expected: Self.kind, found: type) }
    // Before the signature, which of a later version may be another.
    try Self.checkVersion(metadata)
    let digest = try containing { () throws(GGUFError) in try metadata.requireString(signatureKey) }
    guard ModelSignature(digest: digest) == signature() else { throw .otherModel }
    guard let record = try Self(metadata: metadata, shape: shape) else {
      throw .container(.missingKey(Self.versionKey))
    }
    self = record
  }

  /// Writes a sidecar, which appears under its name when it is complete.
  ///
  /// - Throws: ``NeuronRecordError`` for a file that cannot be written, or a model of another shape.
  public func writeSidecar(_ path: String, for model: LanguageModel) throws(NeuronRecordError) {
    try check(FeedForwardShape(model.configuration))
    var metadata = Metadata()
    metadata.set("general.type", .string(Self.kind.fileType))
    metadata.set("general.name", .string(model.configuration.name))
    metadata.set(signatureKey, .string(ModelSignature(model).digest))
    write(to: &metadata)
    try containing { () throws(GGUFError) in
      try GGUFWriter(path, metadata: metadata, tensors: []).finish()
    }
  }
}

/// Of a sidecar: the ``ModelSignature/digest`` of its model.
private let signatureKey = "powerinfer.signature"

// MARK: Reading and writing keys

extension NeuronRecord {
  static var version: Int { 1 }
  static var versionKey: String { key("version") }

  static func key(_ name: String) -> String { kind.prefix + name }

  /// Whether any of the record's keys is there.
  static func isPresent(in metadata: Metadata) -> Bool {
    metadata.contains { $0.key.hasPrefix(kind.prefix) }
  }

  static func checkVersion(_ metadata: Metadata) throws(NeuronRecordError) {
    let found = try containing { () throws(GGUFError) in try metadata.requireInteger(versionKey) }
    guard found == version else { throw .version(key: versionKey, expected: version, found: found) }
  }

  /// What every record says: how many tokens of which text were counted.
  static func origin(_ metadata: Metadata) throws(NeuronRecordError) -> (tokens: Int, text: String) {
    try containing { () throws(GGUFError) in
      (try metadata.requireInteger(key("tokens")), try metadata.string(key("text")) ?? "")
    }
  }

  static func floats(_ name: String, count: Int, in metadata: Metadata) throws(NeuronRecordError) -> [Float] {
    let values = try containing { () throws(GGUFError) in try metadata.requireFloats(key(name)) }
    guard values.count == count else { throw .count(key: key(name), expected: count, found: values.count) }
    return values
  }

  /// Sets the version and the origin.
  static func set(tokens: Int, text: String, in metadata: inout Metadata) {
    metadata.set(versionKey, .uint32(UInt32(version)))
    metadata.set(key("tokens"), .uint64(UInt64(tokens)))
    metadata.set(key("text"), .string(text))
  }
}

/// Runs `body` with the container's errors made those of records.
func containing<Value>(_ body: () throws(GGUFError) -> Value) throws(NeuronRecordError) -> Value {
  do {
    return try body()
  } catch {
    throw .container(error)
  }
}
