/// Reads grammars in GBNF, llama.cpp's notation.
///
/// A rule is `name ::= alternatives`, alternatives are separated by `|`, and an alternative is a sequence of `"literals"`,
/// `[character classes]`, `.` for any character, names of rules and `(groups)`, each of which `*`, `+`, `?`, `{n}`, `{n,}` or
/// `{n,m}` may follow. `#` begins a comment. Inside of groups, and after `|` and `::=`, lines may break anywhere.
struct GBNFParser {
  private var reader: ScalarReader
  private var depth = 0

  private static let depthLimit = 200

  /// - Throws: ``GrammarError``.
  static func rules(of text: String) throws(GrammarError) -> GrammarRules {
    var parser = GBNFParser(text)
    var rules = GrammarRules()
    parser.skipSpace(breaks: true)
    while !parser.reader.isAtEnd {
      let name = try parser.name()
      parser.skipSpace(breaks: false)
      let begin = parser.reader.at
      guard [":", ":", "="].allSatisfy({ parser.reader.take($0) }) else {
        parser.reader.at = begin
        throw parser.wrong("::= after the name of a rule")
      }
      parser.skipSpace(breaks: true)
      try rules.add(name, try parser.alternatives(breaks: false))
      guard parser.reader.isAtEnd || parser.isAtBreak else { throw parser.wrong("the end of the rule") }
      parser.skipSpace(breaks: true)
    }
    return rules
  }

  private init(_ text: String) { reader = ScalarReader(text) }

  // MARK: Parts

  private mutating func alternatives(breaks: Bool) throws(GrammarError) -> GrammarExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
    var all = [try sequence(breaks: breaks)]
    while take("|") {
      skipSpace(breaks: true)
      all.append(try sequence(breaks: breaks))
    }
    return all.count == 1 ? all[0] : .choice(all)
  }

  private mutating func sequence(breaks: Bool) throws(GrammarError) -> GrammarExpression {
    var parts: [GrammarExpression] = []
    while let next = peek, next != "|", next != ")" {
      if !breaks, isAtBreak { break }
      parts.append(try repetition(of: try item()))
      skipSpace(breaks: breaks)
    }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func item() throws(GrammarError) -> GrammarExpression {
    if take("\"") { return .literal(try literal()) }
    if take("[") { return .scalar(try characterClass()) }
    if take(".") { return .scalar(.all) }
    if take("(") {
      skipSpace(breaks: true)
      let group = try alternatives(breaks: true)
      guard take(")") else { throw wrong("a closing parenthesis") }
      return group
    }
    return .rule(try name())
  }

  private mutating func repetition(of expression: GrammarExpression) throws(GrammarError) -> GrammarExpression {
    var result = expression
    for _ in 0..<Self.depthLimit {
      skipSpace(breaks: false)
      if take("*") {
        result = .repeated(result, least: 0, most: nil)
      } else if take("+") {
        result = .repeated(result, least: 1, most: nil)
      } else if take("?") {
        result = .optional(result)
      } else if take("{") {
        result = try counted(result)
      } else {
        return result
      }
    }
    throw .tooDeep(limit: Self.depthLimit)
  }

  private mutating func counted(_ expression: GrammarExpression) throws(GrammarError) -> GrammarExpression {
    skipSpace(breaks: false)
    let least = try number()
    skipSpace(breaks: false)
    var most: Int? = least
    if take(",") {
      skipSpace(breaks: false)
      most = peek == "}" ? nil : try number()
    }
    skipSpace(breaks: false)
    guard take("}") else { throw wrong("a closing brace after the number of repetitions") }
    if let most, most < least { throw wrong("a greatest number of repetitions that is not below the least") }
    return .repeated(expression, least: least, most: most)
  }

  private mutating func number() throws(GrammarError) -> Int {
    guard let first = peek, ("0"..."9").contains(first) else { throw wrong("a number of repetitions") }
    guard let value = reader.number(most: GrammarGraph.nodeLimit) else {
      throw .tooLarge(limit: GrammarGraph.nodeLimit)
    }
    return value
  }

  private mutating func name() throws(GrammarError) -> String {
    let start = reader.at
    while let next = peek, next.isASCII,
      next.properties.isAlphabetic || ("0"..."9").contains(next) || next == "-" || next == "_"
    {
      reader.at += 1
    }
    guard reader.at > start else { throw wrong("the name of a rule") }
    return String(String.UnicodeScalarView(reader.scalars[start..<reader.at]))
  }

  private mutating func literal() throws(GrammarError) -> String {
    var text = String.UnicodeScalarView()
    while !take("\"") {
      guard peek != nil, !isAtBreak else { throw wrong("a closing quotation mark") }
      text.append(try character())
    }
    return String(text)
  }

  private mutating func characterClass() throws(GrammarError) -> ScalarSet {
    let isInverted = take("^")
    var ranges: [ClosedRange<UInt32>] = []
    while !take("]") {
      guard peek != nil, !isAtBreak else { throw wrong("a closing bracket") }
      let first = try character()
      guard peek == "-", let second = reader.second, second != "]" else {
        ranges.append(first.value...first.value)
        continue
      }
      reader.at += 1
      let last = try character()
      guard first.value <= last.value else { throw wrong("a range of characters in ascending order") }
      ranges.append(first.value...last.value)
    }
    let set = ScalarSet(ranges)
    return isInverted ? set.inverted : set
  }

  /// A character as it stands, or what an escape sequence means.
  private mutating func character() throws(GrammarError) -> Unicode.Scalar {
    guard let scalar = peek else { throw wrong("a character") }
    reader.at += 1
    guard scalar == "\\" else { return scalar }
    guard let kind = peek else { throw wrong("an escape sequence") }
    reader.at += 1
    switch kind {
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "\\", "\"", "[", "]", "-", "^": return kind
    case "x": return try hexadecimal(2)
    case "u": return try hexadecimal(4)
    case "U": return try hexadecimal(8)
    default:
      reader.at -= 1
      throw wrong("an escape sequence")
    }
  }

  private mutating func hexadecimal(_ digits: Int) throws(GrammarError) -> Unicode.Scalar {
    guard let value = reader.hexadecimal(digits) else { throw wrong("\(digits) hexadecimal digits") }
    guard let scalar = Unicode.Scalar(value) else { throw wrong("the number of a character") }
    return scalar
  }

  // MARK: Looking

  private var peek: Unicode.Scalar? { reader.peek }
  private var isAtBreak: Bool { peek == "\n" || peek == "\r" }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool { reader.take(scalar) }

  private mutating func skipSpace(breaks: Bool) {
    while let next = peek {
      if next == "#" {
        while peek != nil, !isAtBreak { reader.at += 1 }
      } else if next == " " || next == "\t" || (breaks && isAtBreak) {
        reader.at += 1
      } else {
        return
      }
    }
  }

  private func wrong(_ expected: String) -> GrammarError {
    let line = 1 + reader.scalars[..<reader.at].count { $0 == "\n" }
    let found = peek.map { isAtBreak ? "a line break" : "\"\($0)\"" } ?? "its end"
    return .syntax(line: line, expected: expected, found: found)
  }
}
