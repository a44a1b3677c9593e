public import PowerInferGGUF

/// Why a model could not be quantised.
public enum QuantizeError: Error, Equatable, CustomStringConvertible {
  case unknownType(String)
  case badOverride(String)
  case badPattern(String)
  case unusedPattern(String)
  case sameFile(String)
  case unreadableType(tensor: String, type: TensorType)
  case notFinite(tensor: String, row: Int)
  case outOfRange(tensor: String, row: Int, type: TensorType)
  case notEnoughMemory(bytes: Int)
  case cancelled
  case container(GGUFError)

  public var description: String {
    switch self {
    case .unknownType(let name):
      "There is no type \"\(name)\" to write; expected one of "
        + (QuantizeOptions.types.map(\.name) + QuantizeMix.allCases.map(\.rawValue)).map { $0.lowercased() }
        .joined(separator: ", ") + "."
    case .badOverride(let text):
      "\"\(text)\" is no exception for tensors; expected PATTERN=TYPE, such as \"attn_v=q8_0\"."
    case .badPattern(let pattern):
      "\"\(pattern)\" is not a valid regular expression."
    case .unusedPattern(let pattern):
      "The pattern \"\(pattern)\" is found in no name of a weight that can be converted."
    case .sameFile(let path):
      "\"\(path)\" is the file being read; the result needs another name."
    case .unreadableType(let tensor, let type):
      "The tensor \"\(tensor)\" is stored as \(type.name), which cannot be read; expected one of "
        + readableTypes.map(\.name).joined(separator: ", ") + "."
    case .notFinite(let tensor, let row):
      "The tensor \"\(tensor)\" holds an infinite value or one that is not a number in row \(row); the input is damaged."
    case .outOfRange(let tensor, let row, let type):
      "The tensor \"\(tensor)\" holds a value in row \(row) that is too large for \(type.name)."
    case .notEnoughMemory(let bytes):
      "Error compensation takes \(bytes) bytes for one layer of this model, more than this machine gives."
    case .cancelled:
      "Cancelled; nothing was written."
    case .container(let error):
      error.description
    }
  }
}
