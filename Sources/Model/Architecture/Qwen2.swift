import PowerInferKernels

extension Architecture {
  /// Qwen 1.5 to 2.5 without a mixture of experts: Llama with biases on queries, keys and values, and with rotary embedding
  /// over the halves of a head. Yang et al. 2024, arXiv:2407.10671.
  public static let qwen2 = Architecture(
    name: "qwen2", norm: .rootMeanSquare, positions: .rotary(.halves), biases: .ifPresent,
    preTokenizer: "qwen2")
}
