import PowerInferPlatform

/// A value of a JSON text of any form, its strings with their exact bytes: for the settings that lie beside a checkpoint.
public enum JSONValue: Sendable, Equatable, Decodable {
  case null
  case bool(Bool)
  case integer(Int)
  case real(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .real(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(ExactJSON.restored(value))
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      let value = try container.decode([String: JSONValue].self)
      self = .object(Dictionary(value.map { (ExactJSON.restored($0.key), $0.value) }, uniquingKeysWith: { $1 }))
    }
  }

  /// Reads a file.
  ///
  /// - Throws: ``CheckpointError``, naming the file.
  public init(opening path: String) throws(CheckpointError) {
    let file = try CheckpointError.mapping(path)
    do {
      self = try ExactJSON.decode(JSONValue.self, from: file.bytes, named: "The content")
    } catch {
      throw .inFile(path: path, reason: error)
    }
  }

  /// The value of a key of an object; nil where there is none, or null.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let entries) = self, let value = entries[key], value != .null else { return nil }
    return value
  }

  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  public var object: [String: JSONValue]? { if case .object(let value) = self { value } else { nil } }

  /// A number of either kind.
  public var number: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .real(let value): value
    default: nil
    }
  }
}
