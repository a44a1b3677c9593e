import PowerInferKernels

extension Architecture {
  /// Falcon 7B, 40B and 180B, and their ReLU fine-tunes.
  ///
  /// Attention and feed-forward side by side, layer norm, rotary embedding over halves, one matrix for queries, keys and
  /// values, no gate, no biases but the norms'. 7B normalises once for both blocks and has one key/value head; the larger
  /// ones have `attn_norm_2` for the attention alone. Almazrouei et al. 2023, arXiv:2311.16867; spec §4.2.
  public static let falcon = Architecture(
    name: "falcon", norm: .layer(defaultEpsilon: nil), positions: .rotary(.halves), hasParallelBlocks: true,
    hasFusedAttention: true, gating: .ungated, activation: .gelu, predictorInput: .layerInput, preTokenizer: "falcon")
}
