/// Regular expressions of JSON Schema (ECMA-262) as grammars of JSON strings, as far as they are regular: characters, classes,
/// groups, alternatives, repetitions, and anchors at the ends.
struct PatternGrammar {
  private var reader: ScalarReader
  private let path: String
  private var depth = 0

  private static let depthLimit = 100

  /// - Throws: `GrammarError`.
  static func expression(of pattern: String, _ path: String) throws(GrammarError) -> GrammarExpression {
    var parser = PatternGrammar(reader: ScalarReader(pattern), path: path)
    let isBegun = parser.take("^")
    var body = try parser.alternatives()
    let isEnded = parser.take("$")
    guard parser.reader.isAtEnd else {
      throw parser.wrong("a regular expression with ^ and $ at its ends only")
    }
    // An anchor holds for one alternative, not for all of them.
    if case .choice = body, isBegun || isEnded { throw parser.wrong("parentheses around alternatives between ^ and $") }
    let any = GrammarExpression.repeated(.rule(JSONGrammar.character), least: 0, most: nil)
    if !isBegun { body = .sequence([any, body]) }
    return isEnded ? body : .sequence([body, any])
  }

  private mutating func alternatives() throws(GrammarError) -> GrammarExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
    var all = [try sequence()]
    while take("|") { all.append(try sequence()) }
    return all.count == 1 ? all[0] : .choice(all)
  }

  private mutating func sequence() throws(GrammarError) -> GrammarExpression {
    var parts: [GrammarExpression] = []
    while let next = peek, next != "|", next != ")", next != "$" { parts.append(try repetition(of: try item())) }
    return parts.count == 1 ? parts[0] : .sequence(parts)
  }

  private mutating func item() throws(GrammarError) -> GrammarExpression {
    if take("(") {
      if take("?") {
        guard take(":") else { throw wrong("a plain group") }
      }
      let group = try alternatives()
      guard take(")") else { throw wrong("a closing parenthesis") }
      return group
    }
    if take("[") { return Self.characters(try characterClass()) }
    if take(".") { return Self.characters(ScalarSet("\n\r\u{2028}\u{2029}").inverted) }
    guard let next = peek, !"*+?{}]^".unicodeScalars.contains(next) else {
      throw wrong("a character, a class or a group")
    }
    return Self.characters(try set())
  }

  private mutating func repetition(of expression: GrammarExpression) throws(GrammarError) -> GrammarExpression {
    let result: GrammarExpression
    if take("*") {
      result = .repeated(expression, least: 0, most: nil)
    } else if take("+") {
      result = .repeated(expression, least: 1, most: nil)
    } else if take("?") {
      result = .optional(expression)
    } else if take("{") {
      let least = try number()
      var most: Int? = least
      if take(",") { most = peek == "}" ? nil : try number() }
      guard take("}") else { throw wrong("a closing brace") }
      if let most, most < least { throw wrong("repetitions in ascending order") }
      result = .repeated(expression, least: least, most: most)
    } else {
      return expression
    }
    // A lazy repetition has the same texts.
    _ = take("?")
    if let next = peek, "*+?{".unicodeScalars.contains(next) { throw wrong("one repetition at a time") }
    return result
  }

  private mutating func number() throws(GrammarError) -> Int {
    guard let first = peek, ("0"..."9").contains(first) else { throw wrong("a number of repetitions") }
    guard let value = reader.number(most: GrammarGraph.nodeLimit) else {
      throw .tooLarge(limit: GrammarGraph.nodeLimit)
    }
    return value
  }

  private mutating func characterClass() throws(GrammarError) -> ScalarSet {
    let isInverted = take("^")
    var all = ScalarSet([])
    while !take("]") {
      guard peek != nil else { throw wrong("a closing bracket") }
      let first = try set()
      guard peek == "-", let second = reader.second, second != "]" else {
        all = all.union(first)
        continue
      }
      reader.at += 1
      let last = try set()
      guard let low = first.single, let high = last.single, low <= high else {
        throw wrong("a range in ascending order")
      }
      all = all.union(ScalarSet([low...high]))
    }
    return isInverted ? all.inverted : all
  }

  /// A character, or what an escape sequence stands for.
  private mutating func set() throws(GrammarError) -> ScalarSet {
    guard let scalar = peek else { throw wrong("a character") }
    reader.at += 1
    guard scalar == "\\" else { return ScalarSet([scalar.value...scalar.value]) }
    guard let kind = peek else { throw wrong("an escape sequence") }
    reader.at += 1
    switch kind {
    case "d": return Self.digits
    case "D": return Self.digits.inverted
    case "w": return Self.word
    case "W": return Self.word.inverted
    case "s": return Self.space
    case "S": return Self.space.inverted
    case "n": return ScalarSet("\n")
    case "r": return ScalarSet("\r")
    case "t": return ScalarSet("\t")
    case "f": return ScalarSet("\u{c}")
    case "v": return ScalarSet("\u{b}")
    case "x": return try hexadecimal(2)
    case "u": return try hexadecimal(4)
    case _ where kind.properties.isAlphabetic || ("0"..."9").contains(kind):
      reader.at -= 1
      throw wrong("an escape sequence of a regular expression without references")
    default: return ScalarSet([kind.value...kind.value])
    }
  }

  private mutating func hexadecimal(_ digits: Int) throws(GrammarError) -> ScalarSet {
    guard let value = reader.hexadecimal(digits) else { throw wrong("\(digits) hexadecimal digits") }
    return ScalarSet([value...value])
  }

  private static let digits = ScalarSet("0123456789")
  private static let word = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  private static let space = ScalarSet([
    0x9...0xD, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
    0x205F...0x205F,
    0x3000...0x3000, 0xFEFF...0xFEFF,
  ])

  /// One character of a set as JSON strings have it.
  private static func characters(_ set: ScalarSet) -> GrammarExpression {
    var options: [GrammarExpression] = []
    let plain = set.intersection(JSONGrammar.plain)
    if !plain.isEmpty { options.append(.scalar(plain)) }
    let escaped = set.intersection(JSONGrammar.plain.inverted)
    for range in escaped.ranges {
      for value in range { Unicode.Scalar(value).map { options.append(.literal(JSONText.escaped($0))) } }
    }
    // A class without characters is never met.
    return options.count == 1 ? options[0] : options.isEmpty ? .scalar(ScalarSet([])) : .choice(options)
  }

  private var peek: Unicode.Scalar? { reader.peek }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool { reader.take(scalar) }

  private func wrong(_ expected: String) -> GrammarError {
    .schema(path: path, expected: expected, found: String(String.UnicodeScalarView(reader.scalars.prefix(80))))
  }
}

extension ScalarSet {
  /// The only scalar of the set.
  var single: UInt32? {
    guard ranges.count == 1, ranges[0].count == 1 else { return nil }
    return ranges[0].lowerBound
  }
}
