import Foundation
import PowerInferJinja

/// Values as JSON with their members in order, which Foundation's encoder does not keep.
enum JSONText {
  static func text(of value: Value) -> String {
    switch value {
    case .none: "null"
    case .boolean(let flag): encoded(flag)
    case .integer(let number): encoded(number)
    case .double(let number): encoded(number)
    case .string(let text): quoted(text)
    case .list(let elements): "[" + elements.map(text).joined(separator: ", ") + "]"
    case .dictionary(let entries):
      "{" + entries.map { quoted($0) + ": " + text(of: $1) }.joined(separator: ", ") + "}"
    }
  }

  static func quoted(_ text: String) -> String { encoded(text) }

  /// A character as it stands in a string.
  static func escaped(_ scalar: Unicode.Scalar) -> String {
    String(String.UnicodeScalarView(quoted(String(scalar)).unicodeScalars.dropFirst().dropLast()))
  }

  private static func encoded(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    // Numbers that JSON does not have.
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
  }
}
