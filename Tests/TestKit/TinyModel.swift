public import PowerInferGGUF

/// A model of any family and size with random weights, the same for the same seed, written as a real file.
///
/// ```swift
/// let folder = try TemporaryFolder()
/// let path = try TinyModel(magic: .powerInfer, isTied: false).write(to: folder.file("tiny.gguf"))
/// ```
///
/// Rows of every weight must suit the weights' type: with the quantised ones all sizes are multiples of 32 (or 256).
public struct TinyModel: Sendable {
  public var magic = Magic.gguf
  /// "llama", "bamboo", "falcon" or "opt"; a file of any other name is written like a llama's.
  public var architecture = "llama"
  public var vocabulary = TinyVocabulary.bytePairs()
  public var hiddenSize = 64
  public var feedForwardSize = 96
  public var layers = 2
  public var heads = 4
  public var keyValueHeads = 2
  /// By default hidden size / heads.
  public var headSize: Int?
  public var contextLength = 128
  /// Hidden size of the predictor, for files with `PWRI` magic.
  public var predictorRank = 32
  /// The type of all 2-D weights; norms stay F32.
  public var weightType = TensorType.f32
  /// Whether the embeddings are also the output matrix.
  public var isTied = true
  /// Whether a falcon's layers have a second norm, as the larger ones do.
  public var hasSecondNorm = false
  public var ropeBase: Float = 10_000
  public var normEpsilon: Float = 1e-5
  /// Written as `hidden_activation`.
  public var activation: String?
  public var seed: UInt64 = 1
  /// Set after all others, so that a test can add a key or replace one.
  public var extraMetadata = Metadata()
  /// Applied to the tensors before their data are made, so that a test can drop, rename or reshape one.
  public var changeLayouts: @Sendable ([TensorLayout]) -> [TensorLayout] = { $0 }

  public init(
    magic: Magic = .gguf, weightType: TensorType = .f32, isTied: Bool = true, layers: Int = 2, seed: UInt64 = 1
  ) {
    self.magic = magic
    self.weightType = weightType
    self.isTied = isTied
    self.layers = layers
    self.seed = seed
  }

  /// A tensor with its data; `values` only where the type is F32 or F16, as the exact values stored.
  public struct Weight: Sendable {
    public let layout: TensorLayout
    public let values: [Float]?
    public let bytes: [UInt8]
  }

  public var vocabularySize: Int { vocabulary.tokens.count }

  /// The metadata that `write` writes.
  public var metadata: Metadata {
    var metadata = Metadata()
    metadata.set("general.architecture", .string(architecture))
    metadata.set("general.name", .string("tiny"))
    metadata.set("\(architecture).vocab_size", .uint32(UInt32(vocabularySize)))
    metadata.set("\(architecture).context_length", .uint32(UInt32(contextLength)))
    metadata.set("\(architecture).embedding_length", .uint32(UInt32(hiddenSize)))
    metadata.set("\(architecture).block_count", .uint32(UInt32(layers)))
    metadata.set("\(architecture).feed_forward_length", .uint32(UInt32(feedForwardSize)))
    metadata.set("\(architecture).attention.head_count", .uint32(UInt32(heads)))
    // As the converters of each family do, no more and no less.
    if architecture != "opt" {
      metadata.set("\(architecture).attention.head_count_kv", .uint32(UInt32(keyValueHeads)))
    }
    switch architecture {
    case "opt": break
    case "falcon": metadata.set("falcon.attention.layer_norm_epsilon", .float32(normEpsilon))
    default:
      metadata.set("\(architecture).attention.layer_norm_rms_epsilon", .float32(normEpsilon))
      metadata.set("\(architecture).rope.dimension_count", .uint32(UInt32(effectiveHeadSize)))
      metadata.set("\(architecture).rope.freq_base", .float32(ropeBase))
    }
    if headSize != nil {
      metadata.set("\(architecture).attention.key_length", .uint32(UInt32(effectiveHeadSize)))
      metadata.set("\(architecture).attention.value_length", .uint32(UInt32(effectiveHeadSize)))
    }
    if let activation { metadata.set("\(architecture).hidden_activation", .string(activation)) }
    if magic == .powerInfer { metadata.set("powerinfer.sparse_threshold", .float32(0)) }
    vocabulary.add(to: &metadata)
    for (key, value) in extraMetadata { metadata.set(key, value) }
    return metadata
  }

  /// All tensors, in the order of the file.
  public var weights: [Weight] {
    var random = SeededGenerator(seed: seed)
    return changeLayouts(layouts).map { layout in weight(layout, &random) }
  }

  /// Writes the file and returns its path.
  @discardableResult
  public func write(to path: String) throws -> String {
    let weights = weights
    let writer = try GGUFWriter(path, magic: magic, metadata: metadata, tensors: weights.map(\.layout))
    for weight in weights { try writer.append(weight.bytes) }
    try writer.finish()
    return path
  }

  var effectiveHeadSize: Int { headSize ?? hiddenSize / heads }

  private func weight(_ layout: TensorLayout, _ random: inout SeededGenerator) -> Weight {
    let count = layout.shape.reduce(1, *)
    if layout.shape.count == 1 {
      return Weight(layout, floats: random.floats(count, scale: 0.1).map { $0 + 1 })
    }
    // Keeps a product's result about as large as its input: uniform numbers in ±√3 have variance 1.
    let scale = (3 / Float(layout.shape[0])).squareRoot()
    switch layout.type {
    case .f32, .f16: return Weight(layout, floats: random.floats(count, scale: scale))
    default: return Weight(layout, blocks: count / layout.type.blockElements, scale: scale, &random)
    }
  }
}

extension TinyModel.Weight {
  /// Encodes F32 or F16.
  public init(_ layout: TensorLayout, floats: [Float]) {
    self.layout = layout
    if layout.type == .f16 {
      let halves = floats.map(HalfPrecision.bits)
      bytes = halves.withUnsafeBytes { [UInt8]($0) }
      values = halves.map(HalfPrecision.float)
    } else {
      bytes = floats.withUnsafeBytes { [UInt8]($0) }
      values = floats
    }
  }

  /// Random blocks of a quantised type, whose half-precision scales are such that elements stay within ±`scale` or so.
  init(_ layout: TensorLayout, blocks: Int, scale: Float, _ random: inout SeededGenerator) {
    self.layout = layout
    values = nil
    var bytes = random.bytes(blocks * layout.type.blockBytes)
    // Where in a block the scales are (and the minima), and how large its integers get.
    let (positions, largest): ([Int], Float) =
      switch layout.type {
      case .q4_0: ([0], 8)
      case .q4_1: ([0, 2], 16)
      case .q5_0: ([0], 16)
      case .q5_1: ([0, 2], 32)
      case .q8_0: ([0], 127)
      case .q4_K: ([0, 2], 15 * 63)
      case .q5_K: ([0, 2], 31 * 63)
      case .q6_K: ([208], 32 * 127)
      default: ([], 1)
      }
    for block in 0..<blocks {
      for position in positions {
        let half = HalfPrecision.bits(scale / largest * (0.75 + 0.25 * random.float()))
        let start = block * layout.type.blockBytes + position
        bytes[start] = UInt8(truncatingIfNeeded: half)
        bytes[start + 1] = UInt8(half >> 8)
      }
    }
    if layout.type == .bf16 {
      // The upper half of a float: sign and mantissa at random, an exponent that fits.
      for element in 0..<blocks {
        let bits = (random.float() * scale).bitPattern >> 16
        bytes[element * 2] = UInt8(truncatingIfNeeded: bits)
        bytes[element * 2 + 1] = UInt8(truncatingIfNeeded: bits >> 8)
      }
    }
    self.bytes = bytes
  }
}
