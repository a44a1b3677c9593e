import PowerInferGGUF
import PowerInferModel

/// OPT with a norm before each block: all sizes but 350M.
struct OPTFolder: ConvertedFamily {
  static let modelTypes = ["opt"]
  static let prefixes = ["model.decoder.", "decoder.", ""]
  static let landmark = "embed_tokens.weight"

  /// Rows of the position table that no position uses.
  private static let offset = 2

  let architecture = Architecture.opt
  let layers: Int
  let hiddenSize: Int
  let neurons: Int
  let vocabularySize: Int
  let isTied = true
  let activation: Activation
  let notes: [String] = []
  private let heads: Int
  private let positions: Int

  init(_ folder: ModelFolder) throws(ConvertError) {
    let c = folder.configuration
    layers = try c.count("num_hidden_layers")
    hiddenSize = try c.count("hidden_size")
    neurons = try c.count("ffn_dim")
    vocabularySize = try c.count("vocab_size")
    heads = try c.count("num_attention_heads")
    positions = try c.optionalCount("max_position_embeddings") ?? 2048
    guard try c.bool("do_layer_norm_before") != false else {
      throw .unsupported("norms after the blocks (do_layer_norm_before)")
    }
    guard try c.optionalCount("word_embed_proj_dim") ?? hiddenSize == hiddenSize else {
      throw .unsupported("embeddings of another size than the layers' (word_embed_proj_dim)")
    }
    guard try c.bool("_remove_final_layer_norm") != true else {
      throw .unsupported("no norm at the end (_remove_final_layer_norm)")
    }
    guard try c.bool("tie_word_embeddings") != false else {
      throw .unsupported("an output matrix of its own (tie_word_embeddings)")
    }
    activation = try ConvertedFamilies.activation(
      try c.string("activation_function") ?? "relu", c, key: "activation_function")
  }

  func describe(in metadata: inout Metadata) {
    metadata.set("opt.vocab_size", .uint32(UInt32(vocabularySize)))
    metadata.set("opt.context_length", .uint32(UInt32(positions + OPTFolder.offset)))
    metadata.set("opt.embedding_length", .uint32(UInt32(hiddenSize)))
    metadata.set("opt.block_count", .uint32(UInt32(layers)))
    metadata.set("opt.feed_forward_length", .uint32(UInt32(neurons)))
    metadata.set("opt.attention.head_count", .uint32(UInt32(heads)))
    // PyTorch's default, with which OPT was trained; the original PowerInfer does not read it, and computes with 0.
    metadata.set("opt.attention.layer_norm_epsilon", .float32(1e-5))
  }

  func take(from taker: inout TensorTaker, isSparse: Bool) throws(ConvertError) {
    try taker.matrix("embed_tokens.weight", as: "token_embd", rows: vocabularySize, columns: hiddenSize)
    try taker.matrix(
      "embed_positions.weight", as: "position_embd", rows: positions + OPTFolder.offset, columns: hiddenSize)
    try taker.layerNorm("final_layer_norm", as: "output_norm", count: hiddenSize)
    try taker.output(rows: vocabularySize, columns: hiddenSize, isTied: true)
    for layer in 0..<layers {
      let (source, target) = ("layers.\(layer).", "blk.\(layer).")
      try taker.layerNorm(source + "self_attn_layer_norm", as: target + "attn_norm", count: hiddenSize)
      for (name, part) in [("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v"), ("out_proj", "output")] {
        let own = source + "self_attn." + name
        try taker.matrix(own + ".weight", as: target + "attn_" + part, rows: hiddenSize, columns: hiddenSize)
        try taker.vector(own + ".bias", as: target + "attn_\(part).bias", count: hiddenSize)
      }
      try taker.layerNorm(source + "final_layer_norm", as: target + "ffn_norm", count: hiddenSize)
      try taker.matrix(source + "fc1.weight", as: target + "ffn_up", rows: neurons, columns: hiddenSize)
      try taker.vector(source + "fc1.bias", as: target + "ffn_up.bias", count: neurons)
      try takeDown(source + "fc2", layer: layer, from: &taker, isSparse: isSparse, hasBias: true)
    }
  }
}
