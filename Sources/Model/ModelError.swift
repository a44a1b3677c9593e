import PowerInferGGUF

/// Why a file that is a valid GGUF is not a model this engine can run.
public enum ModelError: Error, Equatable, CustomStringConvertible {
  // What the file says it is.
  case unsupportedArchitecture(String, known: [String])
  case unsupportedFeature(String)
  case invalidValue(key: String, value: String, expected: String)

  // What the file holds.
  case missingTensor(String)
  case unexpectedTensor(String)
  case wrongShape(tensor: String, expected: [Int], found: [Int])
  case unsupportedType(tensor: String, type: String, supported: [String])

  public var description: String {
    switch self {
    case .unsupportedArchitecture(let name, let known):
      return
        "The file holds a model of architecture \(shown(name)); this version runs \(known.joined(separator: ", "))."
    case .unsupportedFeature(let what):
      return "The model uses \(what), which this version does not compute."
    case .invalidValue(let key, let value, let expected):
      return "Metadata key \"\(key)\" is \(value), expected \(expected)."
    case .missingTensor(let name):
      return "Tensor \"\(name)\" is missing from the file."
    case .unexpectedTensor(let name):
      return "Tensor \(shown(name)) is in the file, but the model's architecture has no place for it."
    case .wrongShape(let tensor, let expected, let found):
      return "Tensor \"\(tensor)\" has shape \(found), expected \(expected) (contiguous dimension first)."
    case .unsupportedType(let tensor, let type, let supported):
      return
        "Tensor \"\(tensor)\" is stored as \(type); this version computes with \(supported.joined(separator: ", "))."
    }
  }
}
