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

  /// Writes the raw bytes behind a text to `output`, replacing what it held.
  /// - Returns: false when a character lies outside the alphabet.
  static func decode(_ text: some Sequence<Unicode.Scalar>, into output: inout [UInt8]) -> Bool {
    output.removeAll(keepingCapacity: true)
    for scalar in text {
      guard let byte = byte(of: scalar) else { return false }
      output.append(byte)
    }
    return true
  }
}
