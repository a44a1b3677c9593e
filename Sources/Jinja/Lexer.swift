/// Splits a template into tokens, with jinja2's whitespace rules for `trim_blocks` and `lstrip_blocks`.
///
/// Works on Unicode scalars, because Python's strings are sequences of them.
struct Lexer {
  private let source: [Unicode.Scalar]
  private var position = 0
  private var line = 1
  private var tokens: [Token] = []
  private var brackets: [Unicode.Scalar] = []
  /// The text before the next tag begins at the start of a line.
  private var lineStarting = true
  /// Which escapes and numbers a string may hold: Python's, or JSON's when JSON text is read.
  private let json: Bool

  static func tokens(of template: String) throws -> [Token] {
    var lexer = Lexer(normalized(template), json: false)
    try lexer.readTemplate()
    return lexer.tokens
  }

  /// The tokens of one JSON value, which is read as a literal expression.
  static func tokens(ofJSON text: String) throws -> [Token] {
    var lexer = Lexer(Array(text.unicodeScalars), json: true)
    try lexer.readExpression(until: nil)
    lexer.add(.end)
    return lexer.tokens
  }

  private init(_ source: [Unicode.Scalar], json: Bool) {
    self.source = source
    self.json = json
  }

  /// Line ends become `\n`, and one at the very end is dropped, as jinja2 does by default.
  private static func normalized(_ template: String) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(template.utf8.count)
    var afterReturn = false
    for scalar in template.unicodeScalars {
      if scalar == "\r" {
        result.append("\n")
      } else if !(scalar == "\n" && afterReturn) {
        result.append(scalar)
      }
      afterReturn = scalar == "\r"
    }
    if result.last == "\n" { result.removeLast() }
    return result
  }

  private mutating func add(_ kind: Token.Kind, line: Int? = nil) {
    tokens.append(Token(kind: kind, line: line ?? self.line))
  }

  private func fail(_ message: String) -> JinjaError { JinjaError(kind: .syntax, line: line, message: message) }

  private func matches(_ text: StaticString, at index: Int) -> Bool {
    var index = index
    for byte in UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount) {
      guard index < source.count, source[index].value == UInt32(byte) else { return false }
      index += 1
    }
    return true
  }

  /// Moves to `end`, counting lines and remembering whether a line begins there.
  private mutating func advance(to end: Int) {
    for index in position..<end where source[index] == "\n" { line += 1 }
    if end > position { lineStarting = source[end - 1] == "\n" }
    position = end
  }

  private func afterSpace(_ index: Int) -> Int {
    var index = index
    while index < source.count, source[index].isPythonSpace { index += 1 }
    return index
  }

  // MARK: Text and tags

  private mutating func readTemplate() throws {
    while position < source.count {
      var tag = position
      while tag < source.count, !isTag(tag) { tag += 1 }
      guard tag < source.count else {
        addText(position..<source.count)
        advance(to: source.count)
        break
      }
      let kind = source[tag + 1]
      let sign = tag + 2 < source.count && (source[tag + 2] == "-" || source[tag + 2] == "+") ? source[tag + 2] : nil
      addText(stripped(position..<tag, sign: sign, isVariable: kind == "{"))
      advance(to: tag)
      switch kind {
      case "#":
        advance(to: tag + 2)
        try skipComment()
      case "{":
        add(.variableBegin)
        advance(to: tag + (sign == nil ? 2 : 3))
        try readExpression(until: "}")
      default:
        if let body = rawBody(tag, sign: sign) {
          advance(to: body)
          try readRaw()
        } else {
          add(.blockBegin)
          advance(to: tag + (sign == nil ? 2 : 3))
          try readExpression(until: "%")
        }
      }
    }
    add(.end)
  }

  private func isTag(_ index: Int) -> Bool {
    guard source[index] == "{", index + 1 < source.count else { return false }
    let next = source[index + 1]
    return next == "%" || next == "{" || next == "#"
  }

  private mutating func addText(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: source[range])
    add(.text(String(text)))
  }

  /// The part of the text before a tag that stays: `-` strips all space, `+` none, otherwise a line's indentation goes.
  private func stripped(_ range: Range<Int>, sign: Unicode.Scalar?, isVariable: Bool) -> Range<Int> {
    var end = range.upperBound
    if sign == "-" {
      while end > range.lowerBound, source[end - 1].isPythonSpace { end -= 1 }
      return range.lowerBound..<end
    }
    guard sign == nil, !isVariable else { return range }
    while end > range.lowerBound, source[end - 1] != "\n", source[end - 1].isPythonSpace { end -= 1 }
    let atLineStart = end > range.lowerBound ? source[end - 1] == "\n" : lineStarting
    return atLineStart ? range.lowerBound..<end : range
  }

  private mutating func skipComment() throws {
    var index = position
    while index < source.count {
      if matches("-#}", at: index) { return advance(to: afterSpace(index + 3)) }
      if matches("+#}", at: index) { return advance(to: index + 3) }
      if matches("#}", at: index) { return advance(to: matches("\n", at: index + 2) ? index + 3 : index + 2) }
      index += 1
    }
    throw fail("the comment that begins with '{#' has no '#}'.")
  }

  /// Where the body of a `{% raw %}` tag at `tag` begins; nil when it is another tag.
  private func rawBody(_ tag: Int, sign: Unicode.Scalar?) -> Int? {
    let word = afterSpace(tag + (sign == nil ? 2 : 3))
    guard matches("raw", at: word) else { return nil }
    let close = afterSpace(word + 3)
    if matches("-%}", at: close) { return afterSpace(close + 3) }
    return matches("%}", at: close) ? close + 2 : nil
  }

  private mutating func readRaw() throws {
    var index = position
    while index < source.count {
      if matches("{%", at: index) {
        let next = index + 2 < source.count ? source[index + 2] : " "
        let sign = next == "-" || next == "+" ? next : nil
        let word = afterSpace(index + (sign == nil ? 2 : 3))
        if matches("endraw", at: word), let end = blockEnd(at: afterSpace(word + 6)) {
          addText(stripped(position..<index, sign: sign, isVariable: false))
          return advance(to: end)
        }
      }
      index += 1
    }
    throw fail("the raw block that begins with '{% raw %}' has no '{% endraw %}'.")
  }

  private func blockEnd(at index: Int) -> Int? {
    if matches("-%}", at: index) { return afterSpace(index + 3) }
    if matches("+%}", at: index) { return index + 3 }
    if matches("%}", at: index) { return matches("\n", at: index + 2) ? index + 3 : index + 2 }
    return nil
  }

  private func variableEnd(at index: Int) -> Int? {
    if matches("-}}", at: index) { return afterSpace(index + 3) }
    return matches("}}", at: index) ? index + 2 : nil
  }

  // MARK: Expressions

  /// Reads up to the closing tag whose first character is given; to the end of the text for nil.
  private mutating func readExpression(until close: Unicode.Scalar?) throws {
    while true {
      advance(to: afterSpace(position))
      guard position < source.count else {
        guard close == nil else { throw fail("a tag is not closed before the end of the template.") }
        return
      }
      if brackets.isEmpty, let close {
        let isBlock = close == "%"
        if let end = isBlock ? blockEnd(at: position) : variableEnd(at: position) {
          add(isBlock ? .blockEnd : .variableEnd)
          return advance(to: end)
        }
      }
      try readToken()
    }
  }

  private mutating func readToken() throws {
    let first = source[position]
    if first.isASCIIDigit { return try readNumber() }
    if first == "'" || first == "\"" { return try readString(quote: first) }
    if first == "_" || first.properties.isXIDStart {
      var end = position
      while end < source.count, source[end] == "_" || source[end].properties.isXIDContinue { end += 1 }
      add(.name(text(position..<end)))
      return advance(to: end)
    }
    let two = position + 1 < source.count ? text(position..<position + 2) : ""
    guard let symbol = Token.Symbol(rawValue: two) ?? Token.Symbol(rawValue: String(first)) else {
      throw fail("unexpected character '\(first)' inside a tag.")
    }
    try balance(symbol)
    add(.symbol(symbol))
    advance(to: position + symbol.rawValue.utf8.count)
  }

  private func text(_ range: Range<Int>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: source[range])
    return String(view)
  }

  private mutating func balance(_ symbol: Token.Symbol) throws {
    switch symbol {
    case .leftBrace: brackets.append("}")
    case .leftBracket: brackets.append("]")
    case .leftParenthesis: brackets.append(")")
    case .rightBrace, .rightBracket, .rightParenthesis:
      guard let expected = brackets.popLast() else { throw fail("unexpected '\(symbol.rawValue)'.") }
      guard String(expected) == symbol.rawValue else {
        throw fail("unexpected '\(symbol.rawValue)', expected '\(expected)'.")
      }
    default: break
    }
  }

  // MARK: Numbers

  private mutating func readNumber() throws {
    let start = position
    var end = digits(from: start)
    var isDouble = false
    let afterDot = start > 0 && source[start - 1] == "."
    if !afterDot {
      var probe = end
      if probe < source.count, source[probe] == ".", probe + 1 < source.count, source[probe + 1].isASCIIDigit {
        probe = digits(from: probe + 1)
        isDouble = true
        end = probe
      }
      if probe < source.count, source[probe] == "e" || source[probe] == "E" {
        var exponent = probe + 1
        if exponent < source.count, source[exponent] == "+" || source[exponent] == "-" { exponent += 1 }
        if exponent < source.count, source[exponent].isASCIIDigit {
          end = digits(from: exponent)
          isDouble = true
        }
      }
    }
    if isDouble {
      guard let value = Double(plain(start..<end)) else { throw fail("'\(text(start..<end))' is not a number.") }
      add(.double(value))
      return advance(to: end)
    }
    if source[start] == "0", start + 1 < source.count, let radix = radix(source[start + 1]) {
      let prefixed = run(from: start + 2) {
        $0 == "_" || ($0.isASCII && Character($0).hexDigitValue.map { $0 < radix } ?? false)
      }
      if prefixed > start + 2 {
        guard let value = Int(plain(start + 2..<prefixed), radix: radix) else {
          throw fail("'\(text(start..<prefixed))' does not fit in 64 bits.")
        }
        add(.integer(value))
        return advance(to: prefixed)
      }
    }
    if source[start] == "0" { end = run(from: start) { $0 == "0" || $0 == "_" } }
    if let value = Int(plain(start..<end)) {
      add(.integer(value))
    } else if json, let value = Double(plain(start..<end)) {
      add(.double(value))
    } else {
      throw fail("'\(text(start..<end))' does not fit in 64 bits.")
    }
    advance(to: end)
  }

  private func radix(_ letter: Unicode.Scalar) -> Int? {
    switch letter {
    case "b", "B": 2
    case "o", "O": 8
    case "x", "X": 16
    default: nil
    }
  }

  private func run(from start: Int, while test: (Unicode.Scalar) -> Bool) -> Int {
    var end = start
    while end < source.count, test(source[end]) { end += 1 }
    return end
  }

  private func digits(from start: Int) -> Int {
    var end = run(from: start) { $0.isASCIIDigit || $0 == "_" }
    while end > start, source[end - 1] == "_" { end -= 1 }
    return end
  }

  private func plain(_ range: Range<Int>) -> String { text(range).filter { $0 != "_" } }

  // MARK: Strings

  private mutating func readString(quote: Unicode.Scalar) throws {
    let begin = line
    var value = String.UnicodeScalarView()
    var index = position + 1
    while true {
      guard index < source.count else { throw fail("a string is not closed before the end of the template.") }
      let scalar = source[index]
      if scalar == quote { break }
      if scalar == "\\" {
        index = try readEscape(at: index + 1, into: &value)
      } else {
        value.append(scalar)
        index += 1
      }
    }
    add(.string(String(value)), line: begin)
    advance(to: index + 1)
  }

  /// Reads the escape whose letter stands at `index`; returns where the text goes on.
  private func readEscape(at index: Int, into value: inout String.UnicodeScalarView) throws -> Int {
    guard index < source.count else { throw fail("a string is not closed before the end of the template.") }
    let letter = source[index]
    switch letter {
    case "n": value.append("\n")
    case "t": value.append("\t")
    case "r": value.append("\r")
    case "b": value.append("\u{8}")
    case "f": value.append("\u{c}")
    case "\\", "'", "\"": value.append(letter)
    case "/" where json: value.append("/")
    case "v": value.append("\u{b}")
    case "a": value.append("\u{7}")
    case "\n": break
    case "x": return try readHex(at: index + 1, digits: 2, into: &value)
    case "u": return try readHex(at: index + 1, digits: 4, into: &value)
    case "U": return try readHex(at: index + 1, digits: 8, into: &value)
    case "0"..."7":
      let end = run(from: index) { ("0"..."7").contains($0) }
      let stop = min(end, index + 3)
      let code = UInt32(text(index..<stop), radix: 8) ?? 0
      value.append(Unicode.Scalar(code) ?? "\u{fffd}")
      return stop
    default:
      value.append("\\")
      value.append(letter)
    }
    return index + 1
  }

  private func hex(at index: Int, digits: Int) throws -> UInt32 {
    guard index + digits <= source.count, source[index..<index + digits].allSatisfy({ $0.isASCII }),
      let code = UInt32(text(index..<index + digits), radix: 16)
    else { throw fail("an escape in a string needs \(digits) hexadecimal digits.") }
    return code
  }

  private func readHex(at index: Int, digits: Int, into value: inout String.UnicodeScalarView) throws -> Int {
    let code = try hex(at: index, digits: digits)
    if let scalar = Unicode.Scalar(code) {
      value.append(scalar)
      return index + digits
    }
    // UTF-16 writes a character beyond the first plane as two escapes.
    if (0xD800..<0xDC00).contains(code), matches("\\u", at: index + digits) {
      let low = try hex(at: index + digits + 2, digits: 4)
      if (0xDC00..<0xE000).contains(low),
        let scalar = Unicode.Scalar(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
      {
        value.append(scalar)
        return index + digits + 6
      }
    }
    guard json else { throw fail("an escape in a string names no character.") }
    value.append("\u{fffd}")
    return index + digits
  }
}
