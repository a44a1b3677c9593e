import Foundation

/// A number or a text laid out to a width, for `%` and `format`.
struct FieldFormat {
  var fill = Letter(scalar: " ", isTrusted: false)
  /// `<`, `>`, `^` or `=` (between sign and digits).
  var alignment: Unicode.Scalar?
  /// `+`, `-` or a space.
  var sign: Unicode.Scalar = "-"
  var isAlternate = false
  var width = 0
  var separator: Unicode.Scalar?
  var precision: Int?
  var type: Unicode.Scalar?

  /// Digits after the point beyond which no double has anything to say.
  private static let precisionLimit = 1_100

  func laidOut(_ text: Text, _ interpreter: Interpreter) throws -> Text {
    var body = text
    if let precision { body = Text(body.letters.prefix(precision)) }
    return try padded(sign: "", body, default: "<", interpreter)
  }

  func laidOut(_ value: Int, _ interpreter: Interpreter) throws -> Text {
    let magnitude = value.magnitude
    let digits: String
    switch type {
    case "x": digits = (isAlternate ? "0x" : "") + String(magnitude, radix: 16)
    case "X": digits = (isAlternate ? "0X" : "") + String(magnitude, radix: 16).uppercased()
    case "o": digits = (isAlternate ? "0o" : "") + String(magnitude, radix: 8)
    case "b": digits = (isAlternate ? "0b" : "") + String(magnitude, radix: 2)
    case "c":
      guard let code = UInt32(exactly: value), let scalar = Unicode.Scalar(code) else {
        throw JinjaError.runtime("\(value) is not the code of a character.")
      }
      return try padded(sign: "", Text(String(scalar)), default: "<", interpreter)
    default: digits = grouped(String(magnitude))
    }
    return try padded(sign: Text(signText(value < 0)), Text(digits), default: ">", interpreter)
  }

  func laidOut(_ value: Double, _ interpreter: Interpreter) throws -> Text {
    guard precision ?? 0 <= FieldFormat.precisionLimit else {
      throw JinjaError.limit("a number is shown with at most \(FieldFormat.precisionLimit) digits.")
    }
    let letter = type.map { Character($0) }
    var body: String
    if value.isNaN || value.isInfinite {
      body = value.isNaN ? "nan" : "inf"
      if letter?.isUppercase == true { body = body.uppercased() }
    } else if letter == "%" {
      body = String(format: "%.\(precision ?? 6)f", value.magnitude * 100) + "%"
    } else if let letter {
      let shown = letter == "n" ? "g" : letter
      body = String(format: "%\(isAlternate ? "#" : "").\(precision ?? 6)\(shown)", value.magnitude)
    } else if let precision {
      body = String(format: "%.\(max(precision, 1))g", value.magnitude)
      if !body.contains("."), !body.contains("e") { body += ".0" }
    } else {
      body = PythonText.number(value.magnitude)
    }
    if let point = body.firstIndex(where: { !$0.isNumber }) {
      body = grouped(String(body[..<point])) + body[point...]
    } else {
      body = grouped(body)
    }
    let sign = Text(signText(value.sign == .minus && !value.isNaN))
    return try padded(sign: sign, Text(body), default: ">", interpreter)
  }

  private func signText(_ isNegative: Bool) -> String {
    isNegative ? "-" : sign == "-" ? "" : String(sign)
  }

  private func grouped(_ digits: String) -> String {
    guard let separator, digits.allSatisfy(\.isNumber) else { return digits }
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result.unicodeScalars.append(separator) }
      result.append(digit)
    }
    return result
  }

  private func padded(
    sign: Text, _ body: Text, default side: Unicode.Scalar, _ interpreter: Interpreter
  ) throws -> Text {
    let gap = width - sign.scalarCount - body.scalarCount
    guard gap > 0 else { return sign + body }
    func space(_ count: Int) throws -> Text { try interpreter.repeating(Text([fill]), count) }
    switch alignment ?? side {
    case "<": return sign + body + (try space(gap))
    case "^": return try space(gap / 2) + sign + body + space(gap - gap / 2)
    case "=": return sign + (try space(gap)) + body
    default: return try space(gap) + sign + body
    }
  }
}
