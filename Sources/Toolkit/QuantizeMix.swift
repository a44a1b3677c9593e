public import PowerInferGGUF

/// Mixes of types under one name, as llama.cpp has them: most weights in one type, those whose errors show most in a larger one.
public enum QuantizeMix: String, Sendable, CaseIterable {
  case q4_K_S = "Q4_K_S"
  case q4_K_M = "Q4_K_M"
  case q5_K_S = "Q5_K_S"
  case q5_K_M = "Q5_K_M"

  /// The mix of that name, in any case.
  public init?(named name: String) {
    guard let mix = Self.allCases.first(where: { $0.rawValue.lowercased() == name.lowercased() }) else { return nil }
    self = mix
  }

  /// What most weights get.
  public var baseType: TensorType {
    switch self {
    case .q4_K_S, .q4_K_M: .q4_K
    case .q5_K_S, .q5_K_M: .q5_K
    }
  }

  /// The number by which `general.file_type` names the mix.
  var fileType: UInt32 {
    switch self {
    case .q4_K_S: 14
    case .q4_K_M: 15
    case .q5_K_S: 16
    case .q5_K_M: 17
    }
  }

  /// What a mix looks at besides names.
  struct Model {
    let isFalcon: Bool
    /// Llama's or Qwen2's with 80 layers and fewer key/value heads than heads: the matrix of the values is small there.
    let isSeventyBillion: Bool
    /// Of the model.
    let layers: Int
    /// The names of all tensors that make values, in the order of their layers.
    let values: [String]

    init(_ file: GGUFFile) {
      let architecture = file.metadata["general.architecture"]?.string ?? ""
      func number(_ key: String) -> Int? { file.metadata["\(architecture).\(key)"]?.integer }
      // Any number may stand there, and eighths are counted.
      layers = min(max(number("block_count") ?? 0, 0), Int(Int32.max))
      isFalcon = architecture == "falcon"
      let heads = number("attention.head_count")
      isSeventyBillion =
        layers == 80
        && (architecture == "qwen2" || (architecture == "llama" && heads != number("attention.head_count_kv") ?? heads))
      values = file.tensors.map(\.name).filter(QuantizeMix.makesValues).sorted { layer($0) < layer($1) }
    }
  }

  private static func makesValues(_ name: String) -> Bool {
    name.contains("attn_v.weight") || name.contains("attn_qkv.weight") || name.contains("attn_kv_b.weight")
  }

  /// The type of a weight that is neither the output nor the embeddings.
  func type(of name: String, in model: Model) -> TensorType {
    if Self.makesValues(name) {
      // Counted, and not read from the name, for not every layer of every model has one.
      let type = typeOfValues(at: model.values.firstIndex(of: name) ?? 0, of: model.values.count)
      return model.isSeventyBillion && type == .q4_K ? .q5_K : type
    }
    guard name.contains("ffn_down") else { return baseType }
    let (layer, layers) = (layer(name), model.layers)
    switch self {
    case .q4_K_M where model.isFalcon:
      return layer < layers / 16 ? .q6_K : Self.deservesMore(layer, of: layers) ? .q5_K : .q4_K
    case .q4_K_M, .q5_K_M: return Self.deservesMore(layer, of: layers) ? .q6_K : baseType
    case .q4_K_S: return !model.isFalcon && layer < layers / 8 ? .q5_K : .q4_K
    case .q5_K_S: return .q5_K
    }
  }

  private func typeOfValues(at index: Int, of count: Int) -> TensorType {
    switch self {
    case .q4_K_M, .q5_K_M: Self.deservesMore(index, of: count) ? .q6_K : baseType
    case .q4_K_S: index < 4 ? .q5_K : .q4_K
    case .q5_K_S: .q5_K
    }
  }

  /// The first and the last eighth, and every third between.
  private static func deservesMore(_ index: Int, of count: Int) -> Bool {
    index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2
  }
}

/// The layer in a name such as "blk.7.ffn_up.weight"; 0 where there is none.
private func layer(_ name: String) -> Int {
  let parts = name.split(separator: ".")
  return parts.count > 1 ? Int(parts[1]) ?? 0 : 0
}
