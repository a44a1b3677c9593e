import PowerInferKernels

extension Architecture {
  /// Bamboo: Mistral with a ReLU on both sides of the gate, trained so that few neurons fire.
  ///
  /// All else is Llama's. Song et al. 2024, arXiv:2406.05955 (dReLU); spec §4.2.
  public static let bamboo = Architecture(
    name: "bamboo", norm: .rootMeanSquare, positions: .rotary(.neighbours), biases: .ifPresent,
    gating: .gatedBoth, activation: .relu)
}
