extension Architecture {
  /// OPT with a norm before each block (all sizes but 350M).
  ///
  /// Layer norm, learned positions, biases everywhere, ReLU without a gate, the embeddings as output matrix. Zhang et al.
  /// 2022, arXiv:2205.01068; spec §4.2. Files name no epsilon, and the original computes with 0.
  public static let opt = Architecture(
    name: "opt", norm: .layer(defaultEpsilon: 0), positions: .learned(offset: 2), biases: .everywhere,
    gating: .ungated, activation: .relu, preTokenizer: "gpt-2")
}
