/// Reads little-endian values from the front of a buffer; every length is checked before a byte is touched.
struct ByteReader {
  let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0

  var left: Int { bytes.count - offset }

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  /// Reads a number; `what` names it in the error.
  @inline(__always)
  mutating func number<Number: FixedWidthInteger>(_: Number.Type, _ what: @autoclosure () -> String)
    throws(GGUFError) -> Number
  {
    let size = MemoryLayout<Number>.size
    guard size <= left else { throw truncated(what(), needed: UInt64(size)) }
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: Number.self)
    offset += size
    return Number(littleEndian: value)
  }

  /// Steps over `count` bytes and returns where they are.
  @inline(__always)
  mutating func skip(_ count: UInt64, _ what: @autoclosure () -> String) throws(GGUFError) -> Range<Int> {
    guard count <= UInt64(left) else { throw truncated(what(), needed: count) }
    let start = offset
    offset += Int(count)
    return start..<offset
  }

  /// Reads a string of the format (length, then bytes) and returns where its bytes are.
  @inline(__always)
  mutating func string(_ what: @autoclosure () -> String) throws(GGUFError) -> Range<Int> {
    let length = try number(UInt64.self, "the length of \(what())")
    return try skip(length, what())
  }

  /// Reads a key or a tensor's name: a string of moderate length in valid UTF-8.
  mutating func name(_ what: String) throws(GGUFError) -> String {
    let start = offset
    let length = try number(UInt64.self, "the length of \(what)")
    guard length <= UInt64(GGUFError.longestName) else {
      // A length past the end is the likelier trouble, and the better sentence.
      if length > UInt64(left) { throw truncated(what, needed: length) }
      offset = start
      throw .longName(of: what.capitalizedFirst, bytes: length)
    }
    let range = try skip(length, what)
    guard let text = String(validating: bytes[range], as: UTF8.self) else {
      throw .invalidName(of: what.capitalizedFirst)
    }
    return text
  }

  private func truncated(_ what: String, needed: UInt64) -> GGUFError {
    .truncated(reading: what, offset: offset, needed: needed, left: left)
  }
}

extension String {
  fileprivate var capitalizedFirst: String {
    prefix(1).uppercased() + dropFirst()
  }
}
