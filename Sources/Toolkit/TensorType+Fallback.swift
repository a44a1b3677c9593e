import PowerInferGGUF

extension TensorType {
  /// This type and what takes its place where rows do not suit it, none of which stores a weight in fewer bits.
  var candidates: [TensorType] {
    switch self {
    case .q4_K: [.q4_K, .q5_0, .f16]
    case .q5_K: [.q5_K, .q5_1, .f16]
    case .q6_K: [.q6_K, .q8_0, .f16]
    default: [self, .f16]
    }
  }
}
