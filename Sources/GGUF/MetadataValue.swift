/// A value of the metadata, of one of the format's thirteen types.
public enum MetadataValue: Sendable, Equatable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case float32(Float)
  case bool(Bool)
  /// Bytes that are not valid UTF-8 were replaced by U+FFFD.
  case string(String)
  case array(MetadataArray)
  case uint64(UInt64)
  case int64(Int64)
  case float64(Double)

  /// The type as the format numbers it.
  public var kind: MetadataKind {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .float32: .float32
    case .bool: .bool
    case .string: .string
    case .array: .array
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    }
  }

  /// The value where it is an integer of any width that `Int` can hold.
  public var integer: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(exactly: value)
    default: nil
    }
  }

  /// The value where it is a number of any type.
  public var double: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    case .uint64(let value): Double(value)
    default: integer.map { Double($0) }
    }
  }

  /// The value where it is a text.
  public var string: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The value where it is a truth value.
  public var bool: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The value where it is an array.
  public var array: MetadataArray? {
    if case .array(let value) = self { value } else { nil }
  }

  /// The value in words for an error: "the string "llama"", "an array of 3 strings".
  var inWords: String {
    switch self {
    case .string(let text): "the string \(shown(text))"
    case .bool(let value): value ? "true" : "false"
    case .array(let array): "an array of \(array.count) \(array.elementKind.name) values"
    case .float32(let value): "the number \(value)"
    case .float64(let value): "the number \(value)"
    case .uint64(let value): "the number \(value)"
    default: "the number \(integer ?? 0)"
    }
  }
}

/// The types of metadata values, with the format's numbers.
public enum MetadataKind: UInt32, Sendable, CaseIterable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// The name for people: "uint32", "string".
  public var name: String { String(describing: self) }

  /// Bytes of one value; nil for those of varying length.
  var size: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }

  var isInteger: Bool {
    switch self {
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64: true
    default: false
    }
  }
}
