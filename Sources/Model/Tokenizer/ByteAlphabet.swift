/// The alphabet in which byte-level vocabularies spell raw bytes as printable characters (GPT-2).
///
/// Printable Latin-1 stands for itself; the other 68 bytes take U+0100 onwards, in order.
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var result: [Unicode.Scalar] = []
    var spare: UInt32 = 0x100
    for byte in UInt8.min...UInt8.max {
      switch byte {
      case 0x21...0x7e, 0xa1...0xac, 0xae...0xff:
        result.append(Unicode.Scalar(byte))
      default:
        result.append(Unicode.Scalar(spare) ?? " ")
        spare += 1
      }
    }
    return result
  }()

  /// The byte of each character below U+0144; -1 where there is none.
  private static let bytes: [Int16] = {
    var result = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { result[Int(scalar.value)] = Int16(byte) }
    return result
  }()

  static func byte(of scalar: Unicode.Scalar) -> UInt8? {
    guard scalar.value < UInt32(bytes.count) else { return nil }
    let byte = bytes[Int(scalar.value)]
    return byte < 0 ? nil : UInt8(byte)
  }

  /// Writes the raw bytes behind a text in UTF-8 to `output`, replacing what it held.
  /// - Returns: false when a character lies outside the alphabet.
  static func decode(_ text: Slice<UnsafeBufferPointer<UInt8>>, into output: inout [UInt8]) -> Bool {
    output.removeAll(keepingCapacity: true)
    var index = text.startIndex
    while index < text.endIndex {
      var value = Int(text[index])
      index += 1
      if value >= 0x80 {
        // The whole alphabet lies below U+0800, where a character takes two bytes.
        guard value & 0xe0 == 0xc0, index < text.endIndex else { return false }
        value = (value & 0x1f) << 6 | Int(text[index] & 0x3f)
        index += 1
      }
      guard value < bytes.count, bytes[value] >= 0 else { return false }
      output.append(UInt8(truncatingIfNeeded: bytes[value]))
    }
    return true
  }
}
