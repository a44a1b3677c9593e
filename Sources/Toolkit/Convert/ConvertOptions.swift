public import PowerInferGGUF

/// How a model is to be converted.
public struct ConvertOptions: Sendable, Equatable {
  /// Of all matrices but those that a smaller type would hurt most; vectors are F32.
  public var type: TensorType
  /// Whether to write a PowerInfer file though there are no predictors.
  public var isPowerInfer: Bool
  /// `general.name`; nil for what the configuration or the folder is called.
  public var name: String?
  /// The activation of the neurons where the configuration does not say the truth; `silu`, `relu` or `gelu`.
  public var activation: String?
  /// `tokenizer.ggml.pre`, where the tokenizer's own description is of no known kind.
  public var preTokenizer: String?

  /// Keys that are set in place of what the folder says.
  public var overrides: [MetadataOverride]

  public init(
    type: TensorType = .f16, isPowerInfer: Bool = false, name: String? = nil, activation: String? = nil,
    preTokenizer: String? = nil, overrides: [MetadataOverride] = []
  ) {
    self.type = type
    self.isPowerInfer = isPowerInfer
    self.name = name
    self.activation = activation
    self.preTokenizer = preTokenizer
    self.overrides = overrides
  }
}
