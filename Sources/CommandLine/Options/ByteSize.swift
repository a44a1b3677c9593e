import Foundation

/// A number of bytes as a person writes it: 8GiB, 8G, 1.5GB, 500MiB, 123456.
///
/// K, M, G and T alone and with iB are powers of 1024, as llama.cpp and most tools that count memory have them; with B they are
/// powers of 1000.
struct ByteSize: Equatable {
  var bytes: Int

  /// Nil for what is no number of bytes, is below 0 or more than can be counted. Parts of a byte are dropped.
  init?(_ text: String) {
    guard let match = text.wholeMatch(of: #/(\d+(?:\.\d+)?) ?(?:([kmgt])(i?b)?|b)?/#.ignoresCase()) else { return nil }
    let thousand = match.3?.lowercased() == "b" ? 1000 : 1024
    let power = match.2.flatMap { Self.powers[$0.lowercased()] } ?? 0
    let factor = (0..<power).reduce(1) { product, _ in product * thousand }
    if let whole = Int(match.1) {
      let (bytes, overflow) = whole.multipliedReportingOverflow(by: factor)
      guard !overflow else { return nil }
      self.bytes = bytes
    } else {
      guard let number = Double(match.1), let bytes = Int(exactly: (number * Double(factor)).rounded(.down)) else {
        return nil
      }
      self.bytes = bytes
    }
  }

  /// The option's value.
  ///
  /// - Throws: `OptionError.malformed`.
  init(_ text: String, option: String) throws(OptionError) {
    guard let size = ByteSize(text) else {
      throw .malformed(option: option, expected: "8GiB, 500M or a number of bytes", found: text)
    }
    self = size
  }

  private static let powers = ["k": 1, "m": 2, "g": 3, "t": 4]
}
