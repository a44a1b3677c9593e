import PowerInferKernels

extension LayerWeights {
  /// Finds the weights of layer `index`.
  init(index: Int, find: inout TensorFinder, configuration c: ModelConfiguration) throws {
    let (d, f, q, kv) = (c.hiddenSize, c.feedForwardSize, c.querySize, c.keyValueSize)
    let family = c.architecture
    func name(_ part: String) -> String { "blk.\(index).\(part)" }

    let ownNorm = try find.norm(name("attn_norm"), c)
    if family.hasParallelBlocks {
      // A second norm is the attention's, and the first is then left to the feed-forward.
      let second = try find.optionalNorm(name("attn_norm_2"), c)
      attentionNorm = second ?? ownNorm
      feedForwardNorm = second == nil ? nil : ownNorm
    } else {
      attentionNorm = ownNorm
      feedForwardNorm = try find.norm(name("ffn_norm"), c)
    }

    if family.hasFusedAttention {
      let fused = try find.matrix(name("attn_qkv.weight"), columns: d, rows: q + 2 * kv)
      query = fused.rows(0..<q)
      key = fused.rows(q..<q + kv)
      value = fused.rows(q + kv..<q + 2 * kv)
    } else {
      query = try find.matrix(name("attn_q.weight"), columns: d, rows: q)
      key = try find.matrix(name("attn_k.weight"), columns: d, rows: kv)
      value = try find.matrix(name("attn_v.weight"), columns: d, rows: kv)
    }
    attentionOutput = try find.matrix(name("attn_output.weight"), columns: q, rows: d)
    queryBias = try find.bias(name("attn_q.bias"), count: q, family.biases)
    keyBias = try find.bias(name("attn_k.bias"), count: kv, family.biases)
    valueBias = try find.bias(name("attn_v.bias"), count: kv, family.biases)
    attentionOutputBias = try find.bias(name("attn_output.bias"), count: d, family.biases)

    gate = family.gating == .ungated ? nil : try find.matrix(name("ffn_gate.weight"), columns: d, rows: f)
    up = try find.matrix(name("ffn_up.weight"), columns: d, rows: f)
    let downName: String
    if let transposed = try find.optionalMatrix(name("ffn_down_t.weight"), columns: d, rows: f) {
      downName = "ffn_down_t"
      down = .neurons(transposed)
    } else {
      downName = "ffn_down"
      down = .rows(try find.matrix(name("ffn_down.weight"), columns: f, rows: d))
    }
    gateBias = gate == nil ? nil : try find.bias(name("ffn_gate.bias"), count: f, family.biases)
    upBias = try find.bias(name("ffn_up.bias"), count: f, family.biases)
    downBias = try find.bias(name(downName + ".bias"), count: d, family.biases)
    predictor = try find.predictor(fc1: name("fc1.weight"), fc2: name("fc2.weight"), columns: d, neurons: f)
    find.ignore(name("rope_freqs.weight"))
    find.ignore(name("attn_rot_embd.weight"))
  }
}
