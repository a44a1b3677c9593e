/// A key of a model file that a user sets, in place of what the file says: `KEY=TYPE:VALUE`, as llama.cpp writes it.
public struct MetadataOverride: Sendable, Equatable {
  /// The key.
  public let key: String
  /// What it is to hold.
  public let value: MetadataValue

  /// - Parameter text: `KEY=TYPE:VALUE`; the types are `int`, `float`, `bool` and `str`.
  /// - Throws: ``MetadataOverrideError``.
  public init(_ text: String) throws(MetadataOverrideError) {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex,
      let colon = text[equals...].firstIndex(of: ":")
    else { throw .malformed(text) }
    let type = String(text[text.index(after: equals)..<colon])
    let given = String(text[text.index(after: colon)...])
    func read<Value>(_ value: Value?, _ expected: String) throws(MetadataOverrideError) -> Value {
      guard let value else { throw .value(given, expected: expected, in: text) }
      return value
    }
    switch type {
    case "int": value = .int64(try read(Int64(given), "a whole number"))
    case "float": value = .float64(try read(Double(given), "a number"))
    case "bool": value = .bool(try read(Bool(given), "true or false"))
    case "str": value = .string(given)
    default: throw .type(type, in: text)
    }
    key = String(text[..<equals])
  }
}

/// Why a text does not set a key.
public enum MetadataOverrideError: Error, Equatable, CustomStringConvertible {
  case malformed(String)
  case type(String, in: String)
  case value(String, expected: String, in: String)

  public var description: String {
    switch self {
    case .malformed(let text):
      "A metadata override must look like KEY=TYPE:VALUE, but it is \(shown(text))."
    case .type(let type, let text):
      "The type in the metadata override \(shown(text)) must be int, float, bool or str, but it is \(shown(type))."
    case .value(let value, let expected, let text):
      "The value in the metadata override \(shown(text)) must be \(expected), but it is \(shown(value))."
    }
  }
}
