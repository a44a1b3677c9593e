import Foundation

/// JSON whose strings keep their exact bytes.
///
/// Foundation reads objects into dictionaries, and Swift takes two spellings of one character (U+2126 and U+03A9, both Ω)
/// for the same key: a vocabulary that has both would lose a token. So before Foundation reads the text, every byte outside
/// ASCII, which JSON has in strings only, is replaced by a character of Unicode's private use area, of which no two are the
/// same; ``restored(_:)`` takes that back.
public enum ExactJSON {
  /// Reads a value.
  ///
  /// - Parameters:
  ///   - type: of the value, whose strings all need ``restored(_:)``.
  ///   - bytes: of the text, in UTF-8.
  ///   - name: what a message calls the text.
  /// - Throws: ``CheckpointError/notUTF8``, ``CheckpointError/notJSON(_:)``.
  public static func decode<Value: Decodable>(
    _ type: Value.Type, from bytes: UnsafeRawBufferPointer, named name: String
  ) throws(CheckpointError) -> Value {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw .notUTF8 }
    var text = Data(capacity: bytes.count + bytes.count / 8)
    var start = 0
    // In runs, for most texts are all ASCII.
    for (index, byte) in bytes.enumerated() where byte >= 0x80 {
      text.append(contentsOf: bytes[start..<index])
      // U+E080 ... U+E0FF, in UTF-8.
      text.append(contentsOf: [0xEE, 0x80 | byte >> 6, 0x80 | byte & 0x3F])
      start = index + 1
    }
    text.append(contentsOf: bytes[start...])
    guard let value = try? JSONDecoder().decode(type, from: text) else { throw .notJSON(name) }
    return value
  }

  /// The string as the file has it.
  public static func restored(_ text: String) -> String {
    guard text.utf8.contains(where: { $0 >= 0x80 }) else { return text }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      if (0xE080...0xE0FF).contains(scalar.value) {
        bytes.append(UInt8(truncatingIfNeeded: scalar.value))
      } else {
        // Spelt by an escape in the file.
        bytes.append(contentsOf: UTF8.encode(scalar) ?? .init())
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
