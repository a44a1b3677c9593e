/// Escape sequences in texts on the command line, as `--escape` asks for: \n \r \t \\ \" \' and \xHH.
enum Escapes {
  /// The text with its escape sequences replaced; an unknown one stays as it is.
  static func interpret(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    var rest = text.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      guard scalar == "\\", let kind = rest.first else {
        result.append(scalar)
        continue
      }
      let simple: [Unicode.Scalar: Unicode.Scalar] = [
        "n": "\n", "r": "\r", "t": "\t", "\\": "\\", "\"": "\"", "'": "'",
      ]
      if let plain = simple[kind] {
        rest.removeFirst()
        result.append(plain)
      } else if kind == "x", let code = UInt8(String(rest.dropFirst().prefix(2)), radix: 16), code < 0x80,
        rest.count >= 3
      {
        rest.removeFirst(3)
        result.append(Unicode.Scalar(code))
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }
}
