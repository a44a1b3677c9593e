import PowerInferCheckpoint
import PowerInferGGUF
import PowerInferModel

/// Falcon 7B, 40B and 180B, and their ReLU fine-tunes.
struct FalconFolder: ConvertedFamily {
  static let modelTypes = ["falcon", "RefinedWeb", "RefinedWebModel"]
  static let prefixes = ["transformer.", ""]
  static let landmark = "word_embeddings.weight"

  let architecture = Architecture.falcon
  let layers: Int
  let hiddenSize: Int
  let neurons: Int
  let vocabularySize: Int
  let isTied: Bool
  let activation: Activation
  let notes: [String]
  private let heads: Int
  private let keyValueHeads: Int
  private let epsilon: Double
  private let contextLength: Int
  private let rotary: RotarySettings

  init(_ folder: ModelFolder) throws(ConvertError) {
    let c = folder.configuration
    layers = try c.count("num_hidden_layers", "n_layer")
    hiddenSize = try c.count("hidden_size", "n_embed")
    neurons = try c.optionalCount("ffn_hidden_size") ?? 4 * hiddenSize
    vocabularySize = try c.count("vocab_size")
    heads = try c.count("num_attention_heads", "n_head")
    // Files of the 7B name as many key/value heads as heads, which only the new layout means.
    let isNewLayout = try c.bool("new_decoder_architecture") ?? (c["n_head_kv"] != nil)
    let sharesOneHead = try c.bool("multi_query") ?? true
    keyValueHeads =
      isNewLayout ? try c.optionalCount("num_kv_heads", "n_head_kv") ?? heads : sharesOneHead ? 1 : heads
    guard heads % keyValueHeads == 0 else {
      throw .wrongKey("num_kv_heads", file: c.file, expected: "a divisor of num_attention_heads (\(heads))")
    }
    guard hiddenSize % heads == 0 else {
      throw .wrongKey("num_attention_heads", file: c.file, expected: "a divisor of hidden_size (\(hiddenSize))")
    }
    guard try c.bool("alibi") != true else { throw .unsupported("positions by ALiBi (alibi)") }
    guard try c.bool("bias") != true else { throw .unsupported("biases in its matrices (bias)") }
    let isParallel = try c.bool("parallel_attn") ?? true
    guard isNewLayout || isParallel else {
      throw .unsupported("a feed-forward that waits for the attention (parallel_attn)")
    }
    epsilon = try c.number("layer_norm_epsilon")
    contextLength = try c.optionalCount("max_position_embeddings") ?? 2048
    rotary = try RotarySettings(c, headSize: hiddenSize / heads, contextLength: contextLength)
    notes = rotary.notes
    isTied = try c.bool("tie_word_embeddings") ?? (folder.weights["lm_head.weight"] == nil)
    let (name, key) = (try c.string("activation"), try c.string("hidden_act"))
    activation = try ConvertedFamilies.activation(name ?? key ?? "gelu", c, key: "activation")
  }

  func describe(in metadata: inout Metadata) {
    metadata.set("falcon.vocab_size", .uint32(UInt32(vocabularySize)))
    metadata.set("falcon.context_length", .uint32(UInt32(contextLength)))
    // How the rows of the fused matrix are ordered.
    metadata.set("falcon.tensor_data_layout", .string("jploski"))
    metadata.set("falcon.embedding_length", .uint32(UInt32(hiddenSize)))
    metadata.set("falcon.feed_forward_length", .uint32(UInt32(neurons)))
    metadata.set("falcon.block_count", .uint32(UInt32(layers)))
    metadata.set("falcon.attention.head_count", .uint32(UInt32(heads)))
    metadata.set("falcon.attention.head_count_kv", .uint32(UInt32(keyValueHeads)))
    metadata.set("falcon.attention.layer_norm_epsilon", .float32(Float(epsilon)))
    rotary.describe(in: &metadata, prefix: "falcon.")
  }

  func take(from taker: inout TensorTaker, isSparse: Bool) throws(ConvertError) {
    let size = hiddenSize / heads
    try taker.matrix("word_embeddings.weight", as: "token_embd", rows: vocabularySize, columns: hiddenSize)
    try taker.layerNorm("ln_f", as: "output_norm", count: hiddenSize)
    try taker.output(rows: vocabularySize, columns: hiddenSize, isTied: isTied)
    if let divisors = rotary.divisors { taker.computed(divisors, as: "rope_freqs.weight") }
    for layer in 0..<layers {
      let (source, target) = ("h.\(layer).", "blk.\(layer).")
      if taker.has(source + "ln_attn.weight") {
        try taker.layerNorm(source + "ln_mlp", as: target + "attn_norm", count: hiddenSize)
        try taker.layerNorm(source + "ln_attn", as: target + "attn_norm_2", count: hiddenSize)
      } else {
        try taker.layerNorm(source + "input_layernorm", as: target + "attn_norm", count: hiddenSize)
      }
      try taker.matrix(
        source + "self_attention.query_key_value.weight", as: target + "attn_qkv",
        rows: (heads + 2 * keyValueHeads) * size, columns: hiddenSize,
        order: .queriesKeysValues(heads: heads, keyValueHeads: keyValueHeads, size: size))
      try taker.matrix(
        source + "self_attention.dense.weight", as: target + "attn_output", rows: hiddenSize, columns: hiddenSize)
      try taker.matrix(
        source + "mlp.dense_h_to_4h.weight", as: target + "ffn_up", rows: neurons, columns: hiddenSize)
      try takeDown(source + "mlp.dense_4h_to_h", layer: layer, from: &taker, isSparse: isSparse)
    }
  }
}
