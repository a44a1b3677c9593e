/// How the elements of a tensor are stored: the type ids of the GGUF format.
///
/// A type is described by its block: `blockElements` consecutive elements of a row take `blockBytes` bytes. That a type
/// is listed here means that files with it can be described and copied, not that this package computes with it.
public enum TensorType: UInt32, Sendable, CaseIterable {
  case f32 = 0
  case f16 = 1
  case q4_0 = 2
  case q4_1 = 3
  case q5_0 = 6
  case q5_1 = 7
  case q8_0 = 8
  case q8_1 = 9
  case q2_K = 10
  case q3_K = 11
  case q4_K = 12
  case q5_K = 13
  case q6_K = 14
  case q8_K = 15
  case iq2_XXS = 16
  case iq2_XS = 17
  case iq3_XXS = 18
  case iq1_S = 19
  case iq4_NL = 20
  case iq3_S = 21
  case iq2_S = 22
  case iq4_XS = 23
  case i8 = 24
  case i16 = 25
  case i32 = 26
  case i64 = 27
  case f64 = 28
  case iq1_M = 29
  case bf16 = 30
  case tq1_0 = 34
  case tq2_0 = 35
  case mxfp4 = 39
  case nvfp4 = 40
  case q1_0 = 41

  /// The name as the field writes it, such as "Q4_0" or "F16".
  public var name: String { layout.name }

  /// Elements in a block; the length of a row is a multiple of it.
  public var blockElements: Int { layout.elements }

  /// Bytes that a block takes.
  public var blockBytes: Int { layout.bytes }

  /// Bytes per `elements` elements; nil where they are no whole number of blocks, or too many to count.
  public func byteCount(elements: Int) -> Int? {
    guard elements >= 0, elements % blockElements == 0 else { return nil }
    let (bytes, overflow) = (elements / blockElements).multipliedReportingOverflow(by: blockBytes)
    return overflow ? nil : bytes
  }

  /// The type called `name`, in any case ("q4_0", "Q4_K").
  public init?(name: String) {
    let wanted = name.lowercased()
    guard let found = TensorType.allCases.first(where: { $0.name.lowercased() == wanted }) else { return nil }
    self = found
  }

  private var layout: (name: String, elements: Int, bytes: Int) {
    switch self {
    case .f32: ("F32", 1, 4)
    case .f16: ("F16", 1, 2)
    case .q4_0: ("Q4_0", 32, 18)
    case .q4_1: ("Q4_1", 32, 20)
    case .q5_0: ("Q5_0", 32, 22)
    case .q5_1: ("Q5_1", 32, 24)
    case .q8_0: ("Q8_0", 32, 34)
    case .q8_1: ("Q8_1", 32, 40)
    case .q2_K: ("Q2_K", 256, 84)
    case .q3_K: ("Q3_K", 256, 110)
    case .q4_K: ("Q4_K", 256, 144)
    case .q5_K: ("Q5_K", 256, 176)
    case .q6_K: ("Q6_K", 256, 210)
    case .q8_K: ("Q8_K", 256, 292)
    case .iq2_XXS: ("IQ2_XXS", 256, 66)
    case .iq2_XS: ("IQ2_XS", 256, 74)
    case .iq3_XXS: ("IQ3_XXS", 256, 98)
    case .iq1_S: ("IQ1_S", 256, 50)
    case .iq4_NL: ("IQ4_NL", 32, 18)
    case .iq3_S: ("IQ3_S", 256, 110)
    case .iq2_S: ("IQ2_S", 256, 82)
    case .iq4_XS: ("IQ4_XS", 256, 136)
    case .i8: ("I8", 1, 1)
    case .i16: ("I16", 1, 2)
    case .i32: ("I32", 1, 4)
    case .i64: ("I64", 1, 8)
    case .f64: ("F64", 1, 8)
    case .iq1_M: ("IQ1_M", 256, 56)
    case .bf16: ("BF16", 1, 2)
    case .tq1_0: ("TQ1_0", 256, 54)
    case .tq2_0: ("TQ2_0", 256, 66)
    case .mxfp4: ("MXFP4", 32, 17)
    case .nvfp4: ("NVFP4", 64, 36)
    case .q1_0: ("Q1_0", 128, 18)
    }
  }

  /// The type of id `id` in a file of the given architecture.
  ///
  /// PowerInfer's index files (architecture `generic.gpu_index`) keep the integer ids of 2023, which the format has
  /// since given to other types.
  init?(id: UInt32, architecture: String?) {
    if architecture == TensorType.indexArchitecture, let old = TensorType.integersOf2023[id] {
      self = old
      return
    }
    self.init(rawValue: id)
  }

  /// The id in a PowerInfer index file.
  var indexID: UInt32 {
    TensorType.integersOf2023.first { $0.value == self }?.key ?? rawValue
  }

  static let indexArchitecture = "generic.gpu_index"
  private static let integersOf2023: [UInt32: TensorType] = [16: .i8, 17: .i16, 18: .i32]
}
