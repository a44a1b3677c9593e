/// Splits a template into tokens, with jinja2's whitespace rules for `trim_blocks` and `lstrip_blocks`.
///
/// Works on Unicode scalars, because Python's strings are sequences of them.
struct Lexer {
  let source: [Unicode.Scalar]
  var position = 0
  var line = 1
  private var tokens: [Token] = []
  private var brackets: [Unicode.Scalar] = []
  /// The text before the next tag begins at the start of a line.
  private var lineStarting = true
  /// Which escapes and numbers a string may hold: Python's, or JSON's when JSON text is read.
  let json: Bool

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

  mutating func add(_ kind: Token.Kind, line: Int? = nil) {
    tokens.append(Token(kind: kind, line: line ?? self.line))
  }

  /// Whether a minus sign stands before the next token.
  var followsMinus: Bool { tokens.last?.kind == .symbol(.subtract) }

  func fail(_ message: String) -> JinjaError { JinjaError(kind: .syntax, line: line, message: message) }

  func matches(_ text: StaticString, at index: Int) -> Bool {
    var index = index
    for byte in UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount) {
      guard index < source.count, source[index].value == UInt32(byte) else { return false }
      index += 1
    }
    return true
  }

  /// Moves to `end`, counting lines and remembering whether a line begins there.
  mutating func advance(to end: Int) {
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

  mutating func addText(_ range: Range<Int>) {
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

  func text(_ range: Range<Int>) -> String {
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
}
