import PowerInferCheckpoint
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel

/// Llama and what is built like it: Mistral, Bamboo, Qwen2, the ReLU fine-tunes.
struct LlamaFolder: ConvertedFamily {
  static let modelTypes = ["llama", "mistral", "bamboo", "qwen2", "sparsellama"]
  static let prefixes = ["model.", ""]
  static let landmark = "embed_tokens.weight"

  let architecture: Architecture
  let layers: Int
  let hiddenSize: Int
  let neurons: Int
  let vocabularySize: Int
  let isTied: Bool
  let activation: Activation
  let notes: [String]
  private let heads: Int
  private let keyValueHeads: Int
  private let headSize: Int
  private let contextLength: Int
  private let epsilon: Double
  private let rotary: RotarySettings

  init(_ folder: ModelFolder) throws(ConvertError) {
    let c = folder.configuration
    let type = try c.string("model_type") ?? ""
    architecture =
      switch type {
      case "bamboo": .bamboo
      case "qwen2": .qwen2
      default: .llama
      }
    layers = try c.count("num_hidden_layers")
    hiddenSize = try c.count("hidden_size")
    neurons = try c.count("intermediate_size")
    vocabularySize = try c.count("vocab_size")
    heads = try c.count("num_attention_heads")
    keyValueHeads = try c.optionalCount("num_key_value_heads") ?? heads
    headSize = try c.optionalCount("head_dim") ?? hiddenSize / heads
    guard heads % keyValueHeads == 0 else {
      throw .wrongKey("num_key_value_heads", file: c.file, expected: "a divisor of num_attention_heads (\(heads))")
    }
    guard headSize > 0, headSize % 2 == 0 else { throw .wrongKey("head_dim", file: c.file, expected: "an even number") }
    contextLength = try c.count("max_position_embeddings", "max_sequence_length")
    epsilon = try c.number("rms_norm_eps")
    isTied = try c.bool("tie_word_embeddings") ?? (folder.weights["lm_head.weight"] == nil)
    let name = try c.string("hidden_act") ?? (type == "bamboo" ? "relu" : "silu")
    activation = try ConvertedFamilies.activation(name, c, key: "hidden_act")
    rotary = try RotarySettings(c, headSize: headSize, contextLength: contextLength)
    var notes = rotary.notes
    if name == "fatrelu" {
      notes.append(
        "The model was trained with FATReLU, which also silences activations below a small threshold; it is run with "
          + "ReLU.")
    }
    let usesWindow = try c.bool("use_sliding_window") ?? (type == "mistral")
    if usesWindow, let window = try c.optionalCount("sliding_window"), window < contextLength {
      notes.append(
        "The model was trained to look back \(window) tokens; it is run with attention to all of its context.")
    }
    self.notes = notes
  }

  func describe(in metadata: inout Metadata) {
    let prefix = architecture.name + "."
    metadata.set(prefix + "vocab_size", .uint32(UInt32(vocabularySize)))
    metadata.set(prefix + "context_length", .uint32(UInt32(contextLength)))
    metadata.set(prefix + "embedding_length", .uint32(UInt32(hiddenSize)))
    metadata.set(prefix + "block_count", .uint32(UInt32(layers)))
    metadata.set(prefix + "feed_forward_length", .uint32(UInt32(neurons)))
    metadata.set(prefix + "rope.dimension_count", .uint32(UInt32(headSize)))
    metadata.set(prefix + "attention.head_count", .uint32(UInt32(heads)))
    metadata.set(prefix + "attention.head_count_kv", .uint32(UInt32(keyValueHeads)))
    if headSize * heads != hiddenSize {
      metadata.set(prefix + "attention.key_length", .uint32(UInt32(headSize)))
      metadata.set(prefix + "attention.value_length", .uint32(UInt32(headSize)))
    }
    metadata.set(prefix + "attention.layer_norm_rms_epsilon", .float32(Float(epsilon)))
    rotary.describe(in: &metadata, prefix: prefix)
  }

  func take(from taker: inout TensorTaker, isSparse: Bool) throws(ConvertError) {
    let (queries, keys) = (heads * headSize, keyValueHeads * headSize)
    // The library rotates the halves of a head; files of all these families but Qwen2 neighbours.
    let order: RowOrder =
      architecture.positions == .rotary(.neighbours) ? .rotaryNeighbours(size: headSize) : .asStored
    try taker.matrix("embed_tokens.weight", as: "token_embd", rows: vocabularySize, columns: hiddenSize)
    try taker.vector("norm.weight", as: "output_norm.weight", count: hiddenSize)
    try taker.output(rows: vocabularySize, columns: hiddenSize, isTied: isTied)
    if let divisors = rotary.divisors { taker.computed(divisors, as: "rope_freqs.weight") }
    for layer in 0..<layers {
      let (source, target) = ("layers.\(layer).", "blk.\(layer).")
      try taker.vector(source + "input_layernorm.weight", as: target + "attn_norm.weight", count: hiddenSize)
      for (part, rows, order) in [("q", queries, order), ("k", keys, order), ("v", keys, .asStored)] {
        let name = source + "self_attn.\(part)_proj"
        try taker.matrix(name + ".weight", as: target + "attn_\(part)", rows: rows, columns: hiddenSize, order: order)
        if taker.has(name + ".bias") {
          try taker.vector(name + ".bias", as: target + "attn_\(part).bias", count: rows, order: order)
        }
      }
      let output = source + "self_attn.o_proj"
      try taker.matrix(output + ".weight", as: target + "attn_output", rows: hiddenSize, columns: queries)
      if taker.has(output + ".bias") {
        try taker.vector(output + ".bias", as: target + "attn_output.bias", count: hiddenSize)
      }
      try taker.vector(source + "post_attention_layernorm.weight", as: target + "ffn_norm.weight", count: hiddenSize)
      for part in ["gate", "up"] {
        let name = source + "mlp.\(part)_proj"
        try taker.matrix(name + ".weight", as: target + "ffn_\(part)", rows: neurons, columns: hiddenSize)
        if taker.has(name + ".bias") {
          try taker.vector(name + ".bias", as: target + "ffn_\(part).bias", count: neurons)
        }
      }
      let down = source + "mlp.down_proj"
      try takeDown(down, layer: layer, from: &taker, isSparse: isSparse, hasBias: taker.has(down + ".bias"))
    }
  }
}
