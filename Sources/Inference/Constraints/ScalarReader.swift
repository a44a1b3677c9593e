/// The characters of a notation, read one after the other.
struct ScalarReader {
  let scalars: [Unicode.Scalar]
  var at = 0

  init(_ text: String) { scalars = Array(text.unicodeScalars) }

  var isAtEnd: Bool { at == scalars.count }
  /// The next one; nil at the end.
  var peek: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }
  /// The one after that.
  var second: Unicode.Scalar? { at + 1 < scalars.count ? scalars[at + 1] : nil }

  /// Goes past a character if it comes next.
  mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard peek == scalar else { return false }
    at += 1
    return true
  }

  /// A decimal number; nil where there is no digit, or where it is larger than `most`.
  mutating func number(most: Int) -> Int? {
    let start = at
    var value = 0
    while let digit = peek, ("0"..."9").contains(digit) {
      at += 1
      value = min(most + 1, value * 10 + Int(digit.value - 48))
    }
    return at > start && value <= most ? value : nil
  }

  /// So many hexadecimal digits; nil where others come.
  mutating func hexadecimal(_ digits: Int) -> UInt32? {
    var value: UInt32 = 0
    for _ in 0..<digits {
      guard let digit = peek, digit.isASCII, let four = Character(digit).hexDigitValue else { return nil }
      value = value << 4 | UInt32(four)
      at += 1
    }
    return value
  }
}
