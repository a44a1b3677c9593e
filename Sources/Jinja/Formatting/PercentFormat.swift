import Foundation
import OrderedCollections

/// Python's `%` operator on strings.
enum PercentFormat {
  static func format(_ format: Text, _ arguments: Arguments, _ interpreter: Interpreter) throws -> Text {
    let letters = format.letters
    let scalars = letters.map(\.scalar)
    var result = Text()
    var index = 0
    var used = 0
    var usesNames = false
    func next() throws -> Object {
      guard used < arguments.positional.count else {
        throw JinjaError.runtime("the format has more places than there are values.")
      }
      defer { used += 1 }
      return arguments.positional[used]
    }
    func number(_ field: inout Int?) throws {
      if index < scalars.count, scalars[index] == "*" {
        index += 1
        guard let value = try next().integer else { throw JinjaError.runtime("'*' in a format needs an integer.") }
        field = value
        return
      }
      while index < scalars.count, scalars[index].isASCIIDigit {
        let digit = Int(scalars[index].value) - 48
        field = min((field ?? 0) * 10 + digit, 1 << 40)
        index += 1
      }
    }
    while index < scalars.count {
      guard scalars[index] == "%" else {
        let end = scalars[index...].firstIndex(of: "%") ?? scalars.count
        result += Text(letters[index..<end])
        index = end
        continue
      }
      index += 1
      var name: String?
      if index < scalars.count, scalars[index] == "(" {
        guard let end = scalars[index...].firstIndex(of: ")") else {
          throw JinjaError.runtime("a name in the format has no ')'.")
        }
        name = String(scalars: scalars[index + 1..<end])
        usesNames = true
        index = end + 1
      }
      var field = FieldFormat()
      var isZeroFilled = false
      flags: while index < scalars.count {
        switch scalars[index] {
        case "-": field.alignment = "<"
        case "+": field.sign = "+"
        case " ": if field.sign != "+" { field.sign = " " }
        case "#": field.isAlternate = true
        case "0": isZeroFilled = true
        default: break flags
        }
        index += 1
      }
      var width: Int?
      try number(&width)
      field.width = Int(clamping: (width ?? 0).magnitude)
      if (width ?? 0) < 0 { field.alignment = "<" }
      if index < scalars.count, scalars[index] == "." {
        index += 1
        var precision: Int? = 0
        try number(&precision)
        field.precision = max(precision ?? 0, 0)
      }
      guard index < scalars.count else { throw JinjaError.runtime("the format ends inside a place.") }
      let letter = scalars[index]
      index += 1
      if letter == "%" {
        result.append(letters[index - 1])
        continue
      }
      let value: Object
      if let name {
        guard let named = arguments.keywords[name] else {
          throw JinjaError.runtime("the format needs a value named '\(name)'.")
        }
        value = named
      } else {
        value = try next()
      }
      if isZeroFilled, field.alignment == nil, letter != "s", letter != "r", letter != "c" {
        field.fill = Letter(scalar: "0", isTrusted: false)
        field.alignment = "="
      }
      try interpreter.checkText(result.size)
      result += try show(value, as: letter, field, interpreter)
    }
    // A lone dictionary may stay unused, as in Python.
    if !usesNames, used < arguments.positional.count, arguments.keywords.isEmpty || used > 0 {
      if case .dictionary? = arguments.positional.first, used == 0 { return result }
      throw JinjaError.runtime("the format has fewer places than there are values.")
    }
    return result
  }

  private static func show(
    _ value: Object, as letter: Unicode.Scalar, _ field: FieldFormat, _ interpreter: Interpreter
  ) throws -> Text {
    var field = field
    field.alignment = field.alignment ?? ">"
    switch letter {
    case "s": return try field.laidOut(try value.printed(), interpreter)
    case "r", "a": return try field.laidOut(try value.represented(), interpreter)
    case "c":
      if let text = value.text, text.scalarCount == 1 { return try field.laidOut(text, interpreter) }
      guard let code = value.integer else { throw JinjaError.runtime("'%c' needs a character or its code.") }
      field.type = "c"
      return try field.laidOut(code, interpreter)
    case "d", "i", "u", "x", "X", "o":
      let isDecimal = letter == "d" || letter == "i" || letter == "u"
      var integer = value.integer
      if isDecimal, case .double(let double) = value { integer = Int(exactly: double.rounded(.towardZero)) }
      guard let integer else {
        throw JinjaError.runtime("'%\(letter)' needs a number, found '\(value.typeName)'.")
      }
      field.type = isDecimal ? nil : letter
      if let precision = field.precision {
        let digits = String(integer.magnitude, radix: isDecimal ? 10 : letter == "o" ? 8 : 16)
        let missing = precision - digits.count
        let sign = Text(integer < 0 ? "-" : field.sign == "-" ? "" : String(field.sign))
        field.precision = nil
        field.fill = Letter(scalar: " ", isTrusted: false)
        if field.alignment == "=" { field.alignment = ">" }
        return try field.laidOut(sign + interpreter.repeating("0", max(missing, 0)) + Text(digits), interpreter)
      }
      return try field.laidOut(integer, interpreter)
    case "f", "F", "e", "E", "g", "G":
      guard let double = value.double else {
        throw JinjaError.runtime("'%\(letter)' needs a number, found '\(value.typeName)'.")
      }
      field.type = letter
      return try field.laidOut(double, interpreter)
    default:
      throw JinjaError.runtime("'%\(letter)' is not a known format.")
    }
  }
}
