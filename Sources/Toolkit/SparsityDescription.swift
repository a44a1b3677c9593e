public import PowerInferGGUF
import PowerInferPlatform
import PowerInferSparsity

/// What a file says of a model's sparsity and of its own making, read from headers alone.
///
/// A file of any kind may be described, damaged ones too: what is not there, or is not as it should be, is left out.
public struct SparsityDescription: Sendable, Equatable, Encodable {
  /// Of the predictors of all layers; nil where there are none.
  public struct Predictors: Sendable, Equatable, Encodable {
    public let layers: Int
    public let minimumRank: Int
    public let maximumRank: Int
    public let bytes: Int
    /// Types of their weights, in order of the first layer that has it.
    public let types: [String]
    /// What was measured when they were trained; nil where the file does not say.
    public let training: Training?
  }

  /// What predictors were found to do on text that nothing was learnt from: means over the layers, see `PredictorQuality`.
  public struct Training: Sendable, Equatable, Encodable {
    public let tokens: Int
    public let heldOutTokens: Int
    public let text: String
    /// With all neurons, and with those predicted.
    public let densePerplexity: Double
    public let perplexity: Double
    public let computed: Double
    public let recall: Double
    public let kept: Double

    init(_ quality: PredictorQuality) {
      func mean(_ shares: [Float]) -> Double {
        shares.reduce(0.0) { $0 + Double($1) } / Double(max(shares.count, 1))
      }
      (tokens, heldOutTokens, text) = (quality.tokens, quality.heldOutTokens, quality.text)
      (densePerplexity, perplexity) = (Double(quality.densePerplexity), Double(quality.perplexity))
      (computed, recall, kept) = (mean(quality.computed), mean(quality.recall), mean(quality.kept))
    }
  }

  /// Of a profile or of thresholds.
  public struct Record: Sendable, Equatable, Encodable {
    /// `profile` or `thresholds`.
    public let kind: String
    /// Where it is: nil for the described file's own metadata.
    public let file: String?
    public let tokens: Int
    public let text: String
    /// Share of neurons that fire for a token; of profiles.
    public let active: Double?
  }

  /// Of a GPU index.
  public struct Index: Sendable, Equatable, Encodable {
    /// Neurons on the GPU by layer.
    public let neurons: [Int]
    public let vramCapacity: Int?
  }

  public let predictors: Predictors?
  /// The file's own, and those that lie beside it.
  public let records: [Record]
  public let index: Index?
  /// How the file came about, oldest step first; see ``History``.
  public let history: [String]

  /// Whether there is nothing to say.
  public var isEmpty: Bool { predictors == nil && records.isEmpty && index == nil && history.isEmpty }

  /// Describes an open file.
  public init(_ file: GGUFFile) {
    predictors = Self.predictors(file)
    index = Self.index(file)
    history = History.steps(of: file.metadata)
    let own = NeuronRecordKind.allCases.compactMap { Self.record($0, in: file.metadata, file: nil) }
    let beside = file.paths.first.map { path in
      NeuronRecordKind.allCases.compactMap { kind -> Record? in
        let sidecar = kind.sidecarPath(forModelAt: path)
        guard FileIdentity(sidecar) != nil, let metadata = try? GGUFFile(opening: sidecar).metadata else { return nil }
        return Self.record(kind, in: metadata, file: sidecar)
      }
    }
    records = own + (beside ?? [])
  }

  private static func predictors(_ file: GGUFFile) -> Predictors? {
    // Not by number: a name may hold any.
    let parts = file.tensors.filter { $0.name.hasPrefix("blk.") }
    let first = parts.filter { $0.name.hasSuffix(".fc1.weight") }
    let second = parts.filter { $0.name.hasSuffix(".fc2.weight") }
    let ranks = first.compactMap { $0.shape.count == 2 ? $0.shape[1] : nil }
    guard let least = ranks.min(), let most = ranks.max() else { return nil }
    var types: [String] = []
    for tensor in first + second where !types.contains(tensor.type.name) { types.append(tensor.type.name) }
    return Predictors(
      layers: first.count, minimumRank: least, maximumRank: most,
      bytes: (first + second).reduce(0) { $0 + $1.byteCount }, types: types,
      training: (try? PredictorQuality(metadata: file.metadata)).map { Training($0) })
  }

  private static func index(_ file: GGUFFile) -> Index? {
    let buckets = file.tensors.filter { $0.name.hasPrefix("blk.") && $0.name.hasSuffix(".gpu_bucket") }
    guard !buckets.isEmpty else { return nil }
    return Index(neurons: buckets.map(\.elementCount), vramCapacity: file.metadata["split.vram_capacity"]?.integer)
  }

  private static func record(_ kind: NeuronRecordKind, in metadata: Metadata, file: String?) -> Record? {
    guard let tokens = metadata[kind.prefix + "tokens"]?.integer else { return nil }
    let frequencies = (try? metadata.floats(kind.prefix + "frequency")) ?? []
    let active = frequencies.isEmpty ? nil : frequencies.reduce(0.0) { $0 + Double($1) } / Double(frequencies.count)
    return Record(
      kind: kind.rawValue, file: file, tokens: tokens, text: metadata[kind.prefix + "text"]?.string ?? "",
      active: active)
  }
}
