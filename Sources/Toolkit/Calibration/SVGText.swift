/// Text in an SVG document.
enum SVGText {
  /// A file's name may hold anything; what XML has no place for is left out.
  static func escaped(_ text: String) -> String {
    text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0xFFFE && $0.value != 0xFFFF }
      .map { scalar in
        switch scalar {
        case "&": "&amp;"
        case "<": "&lt;"
        case ">": "&gt;"
        default: String(scalar)
        }
      }.joined()
  }
}
