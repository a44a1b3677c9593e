import Foundation
import PowerInferJinja

/// Values as JSON without white space, as answers have to spell them.
enum JSONText {
  static func text(of value: Value) -> String {
    switch value {
    case .none: "null"
    case .boolean(let flag): flag ? "true" : "false"
    case .integer(let number): "\(number)"
    case .double(let number): number == number.rounded() && abs(number) < 1e15 ? "\(Int(number))" : "\(number)"
    case .string(let text): quoted(text)
    case .list(let elements): "[" + elements.map(text).joined(separator: ", ") + "]"
    case .dictionary(let entries):
      "{" + entries.map { quoted($0) + ": " + text(of: $1) }.joined(separator: ", ") + "}"
    }
  }

  static func quoted(_ text: String) -> String {
    "\"" + text.unicodeScalars.map(escaped).joined() + "\""
  }

  static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\"": "\\\""
    case "\\": "\\\\"
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    case "\u{8}": "\\b"
    case "\u{c}": "\\f"
    case _ where scalar.value < 0x20 || scalar.value == 0x7F:
      "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
    default: String(Character(scalar))
    }
  }
}
