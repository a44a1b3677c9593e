import PowerInferGGUF

// Which tensors a file of each family holds, in order.

extension TinyModel {
  var layouts: [TensorLayout] {
    switch architecture {
    case "falcon": falcon
    case "opt": opt
    default: llama
    }
  }

  private var llama: [TensorLayout] {
    var result = [matrix("token_embd", hiddenSize, vocabularySize), vector("output_norm.weight")]
    if !isTied { result.append(matrix("output", hiddenSize, vocabularySize)) }
    for layer in 0..<layers {
      let prefix = "blk.\(layer)."
      result += [
        vector(prefix + "attn_norm.weight"),
        matrix(prefix + "attn_q", hiddenSize, queries),
        matrix(prefix + "attn_k", hiddenSize, keys),
        matrix(prefix + "attn_v", hiddenSize, keys),
        matrix(prefix + "attn_output", queries, hiddenSize),
        vector(prefix + "ffn_norm.weight"),
        matrix(prefix + "ffn_gate", hiddenSize, feedForwardSize),
        matrix(prefix + "ffn_up", hiddenSize, feedForwardSize),
      ]
      result += down(prefix)
    }
    return result
  }

  private var falcon: [TensorLayout] {
    var result = [matrix("token_embd", hiddenSize, vocabularySize)] + norm("output_norm")
    if !isTied { result.append(matrix("output", hiddenSize, vocabularySize)) }
    for layer in 0..<layers {
      let prefix = "blk.\(layer)."
      result += norm(prefix + "attn_norm")
      if hasSecondNorm { result += norm(prefix + "attn_norm_2") }
      result += [
        matrix(prefix + "attn_qkv", hiddenSize, queries + 2 * keys),
        matrix(prefix + "attn_output", queries, hiddenSize),
        matrix(prefix + "ffn_up", hiddenSize, feedForwardSize),
      ]
      result += down(prefix)
    }
    return result
  }

  private var opt: [TensorLayout] {
    var result = [
      matrix("token_embd", hiddenSize, vocabularySize), matrix("position_embd", hiddenSize, contextLength),
    ]
    result += norm("output_norm")
    for layer in 0..<layers {
      let prefix = "blk.\(layer)."
      result += norm(prefix + "attn_norm")
      for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
        result += [matrix(prefix + part, hiddenSize, hiddenSize), vector(prefix + part + ".bias")]
      }
      result += norm(prefix + "ffn_norm")
      result.append(matrix(prefix + "ffn_up", hiddenSize, feedForwardSize))
      result.append(vector(prefix + "ffn_up.bias", feedForwardSize))
      result += down(prefix) + [vector(prefix + (magic == .powerInfer ? "ffn_down_t.bias" : "ffn_down.bias"))]
    }
    return result
  }

  // MARK: Parts

  private var queries: Int { heads * effectiveHeadSize }
  private var keys: Int { keyValueHeads * effectiveHeadSize }

  private func matrix(_ name: String, _ columns: Int, _ rows: Int) -> TensorLayout {
    TensorLayout(name: name + ".weight", type: weightType, shape: [columns, rows])
  }

  private func vector(_ name: String, _ count: Int? = nil) -> TensorLayout {
    TensorLayout(name: name, type: .f32, shape: [count ?? hiddenSize])
  }

  private func norm(_ name: String) -> [TensorLayout] { [vector(name + ".weight"), vector(name + ".bias")] }

  private func down(_ prefix: String) -> [TensorLayout] {
    guard magic == .powerInfer else { return [matrix(prefix + "ffn_down", feedForwardSize, hiddenSize)] }
    return [
      matrix(prefix + "ffn_down_t", hiddenSize, feedForwardSize),
      matrix(prefix + "fc1", hiddenSize, predictorRank),
      matrix(prefix + "fc2", predictorRank, feedForwardSize),
    ]
  }
}
