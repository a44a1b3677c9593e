// How metadata values stand in a file: spec section 1.1, table "KV".

extension MetadataValue {
  /// Reads a value that is no array.
  init(_ kind: MetadataKind, from reader: inout ByteReader, key: String) throws(GGUFError) {
    func what() -> String { "the value of \(shown(key))" }
    self =
      switch kind {
      case .uint8: .uint8(try reader.number(UInt8.self, what()))
      case .int8: .int8(try reader.number(Int8.self, what()))
      case .uint16: .uint16(try reader.number(UInt16.self, what()))
      case .int16: .int16(try reader.number(Int16.self, what()))
      case .uint32: .uint32(try reader.number(UInt32.self, what()))
      case .int32: .int32(try reader.number(Int32.self, what()))
      case .float32: .float32(Float(bitPattern: try reader.number(UInt32.self, what())))
      case .bool: .bool(try reader.number(UInt8.self, what()) != 0)
      case .string: .string(String(decoding: reader.bytes[try reader.string(what())], as: UTF8.self))
      case .array: throw .nestedArray(key: key)
      case .uint64: .uint64(try reader.number(UInt64.self, what()))
      case .int64: .int64(try reader.number(Int64.self, what()))
      case .float64: .float64(Double(bitPattern: try reader.number(UInt64.self, what())))
      }
  }

  /// Reads the type and the value of `key`.
  init(from reader: inout ByteReader, key: String, backing: Backing) throws(GGUFError) {
    let id = try reader.number(UInt32.self, "the value type of \(shown(key))")
    guard let kind = MetadataKind(rawValue: id) else { throw .unknownValueType(key: key, id: id) }
    if kind == .array {
      self = .array(try MetadataArray(from: &reader, key: key, backing: backing))
    } else {
      try self.init(kind, from: &reader, key: key)
    }
  }

  /// Appends the type and the value.
  package func encode(into bytes: inout [UInt8]) {
    bytes.appendLittleEndian(kind.rawValue)
    switch self {
    case .uint8(let value): bytes.appendLittleEndian(value)
    case .int8(let value): bytes.appendLittleEndian(value)
    case .uint16(let value): bytes.appendLittleEndian(value)
    case .int16(let value): bytes.appendLittleEndian(value)
    case .uint32(let value): bytes.appendLittleEndian(value)
    case .int32(let value): bytes.appendLittleEndian(value)
    case .float32(let value): bytes.appendLittleEndian(value.bitPattern)
    case .bool(let value): bytes.append(value ? 1 : 0)
    case .string(let value): bytes.appendString(value)
    case .uint64(let value): bytes.appendLittleEndian(value)
    case .int64(let value): bytes.appendLittleEndian(value)
    case .float64(let value): bytes.appendLittleEndian(value.bitPattern)
    case .array(let array):
      bytes.appendLittleEndian(array.elementKind.rawValue)
      bytes.appendLittleEndian(UInt64(array.count))
      array.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
  }
}

extension MetadataArray {
  /// Reads element type and count and steps over the elements.
  init(from reader: inout ByteReader, key: String, backing: Backing) throws(GGUFError) {
    let id = try reader.number(UInt32.self, "the element type of \(shown(key))")
    guard let kind = MetadataKind(rawValue: id) else { throw .unknownValueType(key: key, id: id) }
    if kind == .array { throw .nestedArray(key: key) }
    let announced = try reader.number(UInt64.self, "the element count of \(shown(key))")
    // The least an element takes: a string at least its length.
    let least = kind.size ?? 8
    guard let count = Int(exactly: announced), count <= reader.left / least else {
      throw .implausibleCount(of: "elements for \(shown(key))", count: announced, left: reader.left)
    }
    let start = reader.offset
    if let size = kind.size {
      _ = try reader.skip(UInt64(count * size), "the array \(shown(key))")
    } else {
      for index in 0..<count { _ = try reader.string("string \(index) of \(shown(key))") }
    }
    self.init(kind, count: count, backing: backing, range: start..<reader.offset)
  }
}

extension [UInt8] {
  /// Appends a string as the format stores it: length, then bytes.
  mutating func appendString(_ text: String) {
    appendLittleEndian(UInt64(text.utf8.count))
    append(contentsOf: text.utf8)
  }
}
