import Foundation

/// Canonical composition (Unicode's NFC), which some tokenizers of Hugging Face's library apply to a text before they cut it.
enum Composition {
  /// The composed bytes; nil where the text stays as it is because nothing in it can be composed, or because it is not UTF-8.
  ///
  /// Scalars below U+0300 never change, neither alone nor beside each other: a text of nothing but these costs one look at its bytes.
  static func composed(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    guard text.contains(where: { $0 >= leadByteOfFirstMark }), let string = String(validating: text, as: UTF8.self)
    else { return nil }
    // Swift 6.3 leaves a final consonant of Hangul beside a composed syllable without one; apart they compose.
    let hasFinal = string.unicodeScalars.contains { hangulFinals.contains($0.value) }
    let apart = hasFinal ? string.decomposedStringWithCanonicalMapping : string
    return Array(apart.precomposedStringWithCanonicalMapping.utf8)
  }

  private static let hangulFinals: ClosedRange<UInt32> = 0x11a8...0x11c2

  /// The first byte of U+0300 in UTF-8.
  private static let leadByteOfFirstMark: UInt8 = 0xcc
}
