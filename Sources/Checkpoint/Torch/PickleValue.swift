/// What a pickle of tensors is made of.
///
/// Containers and tensors are kept by the unpickler and named by number: a pickle can put a container into itself, and
/// nesting of any depth must cost no stack.
enum PickleValue: Equatable {
  case none
  case bool(Bool)
  case integer(Int)
  case real(Double)
  case string(String)
  /// An index into ``Unpickler/sequences``.
  case tuple(Int)
  /// An index into ``Unpickler/sequences``.
  case list(Int)
  /// An index into ``Unpickler/dictionaries``.
  case dictionary(Int)
  case global(PickleGlobal)
  /// An index into ``Unpickler/storages``.
  case storage(Int)
  /// An index into ``Unpickler/tensors``.
  case tensor(Int)

  /// What a message calls it.
  var inWords: String {
    switch self {
    case .none: "nothing"
    case .bool: "a truth value"
    case .integer: "a whole number"
    case .real: "a number"
    case .string: "a text"
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary: "a dictionary"
    case .global: "a Python object"
    case .storage: "bare numbers"
    case .tensor: "a tensor"
    }
  }
}

/// The Python objects that a file of tensors may ask for: all there are.
enum PickleGlobal: Equatable {
  case orderedDictionary
  case rebuildTensor
  case rebuildParameter
  case rebuildFromType
  case tensorClass
  case size
  case storage(ElementType)

  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
    case ("torch._tensor", "_rebuild_from_type_v2"): self = .rebuildFromType
    case ("torch", "Tensor"), ("torch.nn.parameter", "Parameter"): self = .tensorClass
    case ("torch", "Size"): self = .size
    case ("torch", let name), ("torch.storage", let name):
      guard let type = PickleGlobal.storages[name] else { return nil }
      self = .storage(type)
    default: return nil
    }
  }

  private static let storages: [String: ElementType] = [
    "DoubleStorage": .f64, "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16, "LongStorage": .i64,
    "IntStorage": .i32, "ShortStorage": .i16, "CharStorage": .i8, "ByteStorage": .u8, "BoolStorage": .bool,
  ]
}

/// Numbers that tensors are views of: a member of the archive.
struct PickleStorage: Equatable {
  let type: ElementType
  /// The member's name in the folder "data".
  let key: String
  /// Numbers that it is said to hold.
  let count: Int
}

/// A view of a storage.
struct PickleTensor: Equatable {
  let storage: PickleStorage
  let offset: Int
  let shape: [Int]
  let strides: [Int]
}
