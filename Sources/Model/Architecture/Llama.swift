import PowerInferKernels

extension Architecture {
  /// Llama 1 to 3 and its relatives that convert to the same tensors (SmolLM, Mistral, ReluLLaMA, ProSparse).
  ///
  /// RMS norm, grouped-query attention, rotary embedding over adjacent pairs, gated feed-forward. Touvron et al. 2023,
  /// arXiv:2302.13971 and arXiv:2307.09288; spec §4.2.
  public static let llama = Architecture(
    name: "llama", norm: .rootMeanSquare, positions: .rotary(.neighbours), biases: .ifPresent)
}
