import CPowerInferKernels

/// How the elements of a weight row are stored. Raw values are the type numbers of the GGUF format.
public enum WeightFormat: UInt32, Sendable, CaseIterable {
  case f32 = 0
  case f16 = 1
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8
  case q4_K = 12
  case q5_K = 13
  case q6_K = 14
  case bf16 = 30

  /// Elements that share one block.
  public var blockElements: Int {
    switch self {
    case .f32, .f16, .bf16: 1
    case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
    case .q4_K, .q5_K, .q6_K: 256
    }
  }

  /// Bytes of one block.
  public var blockBytes: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    case .q4_0: 18
    case .q4_1: 20
    case .q5_0: 22
    case .q5_1: 24
    case .q8_0: 34
    case .q4_K: 144
    case .q5_K: 176
    case .q6_K: 210
    }
  }

  /// Bytes of a row. `columns` must be a multiple of ``blockElements``.
  public func rowBytes(columns: Int) -> Int {
    columns / blockElements * blockBytes
  }

  /// Whether products with this format read the 8-bit form of the activations (true) or their floats (false).
  public var usesQuantizedActivations: Bool { blockElements > 1 }
}
