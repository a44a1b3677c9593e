import PowerInferGGUF

/// Builds the bytes of a file field by field, so that a test can put any number anywhere.
///
/// Written without the package's writer: what is read back was encoded by someone else.
struct RawFile {
  var bytes: [UInt8] = []

  init(
    magic: String = "GGUF", version: UInt32 = 3, tensors: UInt64 = 0, pairs: UInt64 = 0
  ) {
    bytes = Array(magic.utf8)
    number(version)
    number(tensors)
    number(pairs)
  }

  mutating func number<Number: FixedWidthInteger>(_ value: Number) {
    for byte in 0..<(Number.bitWidth / 8) { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
  }

  mutating func string(_ text: String) {
    number(UInt64(text.utf8.count))
    bytes += Array(text.utf8)
  }

  /// A key and the number of its value's type.
  mutating func key(_ key: String, type: UInt32) {
    string(key)
    number(type)
  }

  mutating func pair(_ key: String, _ value: String) {
    self.key(key, type: 8)
    string(value)
  }

  mutating func pair(_ key: String, _ value: UInt32) {
    self.key(key, type: 4)
    number(value)
  }

  mutating func tensor(_ name: String, _ shape: [UInt64], type: UInt32 = 0, offset: UInt64 = 0) {
    string(name)
    number(UInt32(shape.count))
    for dimension in shape { number(dimension) }
    number(type)
    number(offset)
  }

  /// Pads to `alignment` and appends data.
  mutating func data(_ data: [UInt8], alignment: Int = 32) {
    bytes += [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    bytes += data
  }

  func open() throws -> GGUFFile { try GGUFFile(bytes: bytes) }

  /// What opening the file says; "opened" when nothing is wrong.
  var complaint: String {
    do {
      _ = try open()
      return "opened"
    } catch {
      return "\(error)"
    }
  }
}

/// A copy of a tensor's bytes.
func content(_ file: GGUFFile, _ name: String) throws -> [UInt8] {
  try withExtendedLifetime(file) { try Array(file.requireTensor(name).bytes) }
}

/// What a closure's error says; empty when it throws none.
func sentence(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch {
    return "\(error)"
  }
}
