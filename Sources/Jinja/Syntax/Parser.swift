/// Turns tokens into statements. Expressions are in `Parser+Expression.swift`.
struct Parser {
  private let tokens: [Token]
  private var index = 0
  let dialect: Template.Dialect
  /// Nested brackets, unary operators and blocks at this point.
  private var nesting = 0
  /// The special names that the macro being read mentions.
  var specialNames: Set<String> = []
  private var loops = 0
  /// JSON has no comma before a closing bracket, which Foundation's reader overlooks.
  var allowsTrailingComma = true
  /// Inside an `if`, an unknown filter or test fails only when it is reached, as in jinja2.
  var isConditional = false

  init(_ tokens: [Token], dialect: Template.Dialect) {
    self.tokens = tokens
    self.dialect = dialect
  }

  static func statements(of template: String, dialect: Template.Dialect) throws -> [Statement] {
    var parser = Parser(try Lexer.tokens(of: template), dialect: dialect)
    return try parser.parseBody(until: [], opening: nil)
  }

  // MARK: Tokens

  var current: Token { index < tokens.count ? tokens[index] : Token(kind: .end, line: tokens.last?.line ?? 1) }
  var following: Token.Kind { index + 1 < tokens.count ? tokens[index + 1].kind : .end }
  var line: Int { current.line }

  mutating func advance() { index += 1 }

  func fail(_ message: String, line: Int? = nil) -> JinjaError {
    JinjaError(kind: .syntax, line: line ?? self.line, message: message)
  }

  func at(_ symbol: Token.Symbol) -> Bool { current.kind == .symbol(symbol) }
  func at(name: String) -> Bool { current.kind == .name(name) }

  mutating func skip(_ symbol: Token.Symbol) -> Bool {
    guard at(symbol) else { return false }
    advance()
    return true
  }

  mutating func skip(name: String) -> Bool {
    guard at(name: name) else { return false }
    advance()
    return true
  }

  mutating func expect(_ kind: Token.Kind) throws {
    guard current.kind == kind else { throw fail("expected \(kind), found \(current.kind).") }
    advance()
  }

  mutating func expect(_ symbol: Token.Symbol) throws { try expect(.symbol(symbol)) }

  mutating func expectName() throws -> String {
    guard case .name(let name) = current.kind else { throw fail("expected a name, found \(current.kind).") }
    advance()
    return name
  }

  mutating func nested<Result>(_ body: (inout Parser) throws -> Result) throws -> Result {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Limits.nesting else {
      throw JinjaError(
        kind: .limit, line: line, message: "brackets and blocks are nested deeper than \(Limits.nesting) levels.")
    }
    return try body(&self)
  }

  // MARK: Statements

  /// Reads statements up to a tag named in `ends`, whose name stays the current token; to the end when there is none.
  private mutating func parseBody(until ends: Set<String>, opening: String?) throws -> [Statement] {
    try nested { parser in
      let begin = parser.line
      var body: [Statement] = []
      while true {
        let line = parser.line
        switch parser.current.kind {
        case .end:
          guard let opening else { return body }
          throw parser.fail("'\(opening)' from line \(begin) has no \(Parser.list(ends)).")
        case .text(let text):
          parser.advance()
          body.append(Statement(kind: .text(text), line: line))
        case .variableBegin:
          parser.advance()
          body.append(Statement(kind: .print(try parser.parseTuple()), line: line))
          try parser.expect(.variableEnd)
        case .blockBegin:
          parser.advance()
          guard case .name(let name) = parser.current.kind else {
            throw parser.fail("expected the name of a tag, found \(parser.current.kind).")
          }
          if ends.contains(name) { return body }
          parser.advance()
          if name == "print" {
            try parser.parsePrint(into: &body, line: line)
          } else {
            let kind = try parser.parseStatement(name, opening: opening, ends: ends)
            body.append(Statement(kind: kind, line: line))
          }
          try parser.expect(.blockEnd)
        default:
          throw parser.fail("unexpected \(parser.current.kind).")
        }
      }
    }
  }

  private static func list(_ ends: Set<String>) -> String {
    ends.sorted().map { "'{% \($0) %}'" }.joined(separator: " or ")
  }

  /// Reads `%}`, a body and its end tag; returns the end tag's name, which is consumed.
  private mutating func parseBlock(_ opening: String, until ends: Set<String>) throws -> ([Statement], String) {
    _ = skip(.colon)
    try expect(.blockEnd)
    let body = try parseBody(until: ends, opening: opening)
    return (body, try expectName())
  }

  private mutating func parseStatement(_ name: String, opening: String?, ends: Set<String>) throws -> Statement.Kind {
    switch name {
    case "for": return try parseFor()
    case "if": return try parseIf()
    case "set": return try parseSet()
    case "macro": return try parseMacro()
    case "call": return try parseCallBlock()
    case "filter": return try parseFilterBlock()
    case "with": return try parseWith()
    case "generation":
      return .generation(body: try parseDetached { try $0.parseBlock("generation", until: ["endgeneration"]).0 })
    case "break", "continue":
      guard loops > 0 else { throw fail("'\(name)' stands outside of a loop.") }
      return name == "break" ? .break : .continue
    case "include", "import", "from", "extends", "block", "autoescape":
      throw fail("'{% \(name) %}' needs more than one template or escaping, which chat templates do not have.")
    default:
      let hint = opening.map { " '\($0)' waits for \(Parser.list(ends))." } ?? ""
      throw fail("unknown tag '\(name)'.\(hint)")
    }
  }

  /// Reads a body that becomes a function of its own in jinja2: loops outside of it cannot be left from within.
  private mutating func parseDetached<Result>(_ body: (inout Parser) throws -> Result) rethrows -> Result {
    let (loops, isConditional) = (self.loops, self.isConditional)
    self.loops = 0
    self.isConditional = false
    defer {
      self.loops = loops
      self.isConditional = isConditional
    }
    return try body(&self)
  }

  private mutating func parsePrint(into body: inout [Statement], line: Int) throws {
    var isFirst = true
    while current.kind != .blockEnd {
      if !isFirst { try expect(.comma) }
      isFirst = false
      body.append(Statement(kind: .print(try parseExpression()), line: line))
    }
  }

  private mutating func parseFor() throws -> Statement.Kind {
    let target = try parseTarget(allowsNamespace: false)
    guard skip(name: "in") else { throw fail("expected 'in' after the loop's variables, found \(current.kind).") }
    let sequence = try parseTuple(withConditional: false)
    let condition = skip(name: "if") ? try parseExpression() : nil
    let isRecursive = skip(name: "recursive")
    let wasConditional = isConditional
    isConditional = false
    defer { isConditional = wasConditional }
    loops += 1
    let (body, end) = try parseBlock("for", until: ["endfor", "else"])
    loops -= 1
    let otherwise = end == "else" ? try parseBlock("for", until: ["endfor"]).0 : []
    return .loop(
      Statement.Loop(
        target: target, sequence: sequence, condition: condition, isRecursive: isRecursive, body: body,
        otherwise: otherwise))
  }

  private mutating func parseIf() throws -> Statement.Kind {
    let wasConditional = isConditional
    isConditional = true
    defer { isConditional = wasConditional }
    var branches: [Statement.Branch] = []
    while true {
      let condition = try parseTuple(withConditional: false)
      let (body, end) = try parseBlock("if", until: ["elif", "else", "endif"])
      branches.append(Statement.Branch(condition: condition, body: body))
      switch end {
      case "elif": continue
      case "else": return .branch(branches, otherwise: try parseBlock("if", until: ["endif"]).0)
      default: return .branch(branches, otherwise: [])
      }
    }
  }

  private mutating func parseSet() throws -> Statement.Kind {
    let target = try parseTarget(allowsNamespace: true)
    if skip(.assign) { return .assign(target, try parseTuple()) }
    let filter = try parseFilters(on: Expression(.captured, line: line))
    return .assignBlock(target, filter: filter, body: try parseBlock("set", until: ["endset"]).0)
  }

  private mutating func parseFilterBlock() throws -> Statement.Kind {
    let filter = try parseFilters(on: Expression(.captured, line: line), startsInline: true)
    return .filterBlock(filter: filter, body: try parseBlock("filter", until: ["endfilter"]).0)
  }

  private mutating func parseWith() throws -> Statement.Kind {
    var bindings: [Statement.Binding] = []
    while current.kind != .blockEnd {
      if !bindings.isEmpty { try expect(.comma) }
      let target = try parseTarget(allowsNamespace: false)
      try expect(.assign)
      bindings.append(Statement.Binding(target: target, value: try parseExpression()))
    }
    return .with(bindings, body: try parseBlock("with", until: ["endwith"]).0)
  }

  private mutating func parseMacro() throws -> Statement.Kind {
    let name = try expectName()
    guard at(.leftParenthesis) else { throw fail("expected '(' after the macro's name, found \(current.kind).") }
    return .macro(try parseDetached { try $0.parseMacroBody(name: name, end: "endmacro", opening: "macro").macro })
  }

  private mutating func parseCallBlock() throws -> Statement.Kind {
    try parseDetached { parser in
      let (macro, call) = try parser.parseMacroBody(name: nil, end: "endcall", opening: "call")
      guard let call, case .call = call.kind else { throw parser.fail("'{% call %}' needs a call.") }
      return .callBlock(macro, call: call)
    }
  }

  /// Reads a signature, for a call block the call, and the body.
  private mutating func parseMacroBody(
    name: String?, end: String, opening: String
  ) throws -> (macro: Statement.Macro, call: Expression?) {
    let outerNames = specialNames
    specialNames = []
    defer { specialNames.formUnion(outerNames) }
    let parameters = at(.leftParenthesis) ? try parseSignature() : []
    let call = name == nil ? try parseExpression() : nil
    let (body, _) = try parseBlock(opening, until: [end])
    let macro = Statement.Macro(
      name: name, parameters: parameters, body: body, usesCaller: specialNames.contains("caller"),
      usesKeywords: specialNames.contains("kwargs"), usesExtras: specialNames.contains("varargs"))
    return (macro, call)
  }

  private mutating func parseSignature() throws -> [Statement.Macro.Parameter] {
    try expect(.leftParenthesis)
    var parameters: [Statement.Macro.Parameter] = []
    while !at(.rightParenthesis) {
      if !parameters.isEmpty { try expect(.comma) }
      let name = try expectName()
      guard !Parser.constants.contains(name) else { throw fail("'\(name)' is a constant and cannot be assigned.") }
      let initial = skip(.assign) ? try parseExpression() : nil
      guard initial != nil || parameters.last?.initial == nil else {
        throw fail("the parameter '\(name)' without a default follows one that has a default.")
      }
      parameters.append(Statement.Macro.Parameter(name: name, initial: initial))
    }
    try expect(.rightParenthesis)
    return parameters
  }

  // MARK: Targets

  static let constants: Set<String> = ["true", "True", "false", "False", "none", "None"]

  private mutating func parseTarget(allowsNamespace: Bool) throws -> Statement.Target {
    try nested { parser in
      var targets: [Statement.Target] = []
      var isTuple = false
      while true {
        if !targets.isEmpty, !isTuple { break }
        if parser.isTargetEnd { break }
        targets.append(try parser.parseSingleTarget(allowsNamespace: allowsNamespace))
        guard parser.skip(.comma) else { break }
        isTuple = true
      }
      guard let first = targets.first else {
        throw parser.fail("expected a name to assign to, found \(parser.current.kind).")
      }
      return isTuple ? .tuple(targets) : first
    }
  }

  private var isTargetEnd: Bool { at(.rightParenthesis) || at(.assign) || current.kind == .blockEnd }

  private mutating func parseSingleTarget(allowsNamespace: Bool) throws -> Statement.Target {
    if skip(.leftParenthesis) {
      let target = try parseTarget(allowsNamespace: allowsNamespace)
      try expect(.rightParenthesis)
      return target
    }
    let name = try expectName()
    guard !Parser.constants.contains(name) else { throw fail("'\(name)' is a constant and cannot be assigned.") }
    if allowsNamespace, skip(.dot) { return .namespace(name, attribute: try expectName()) }
    return .name(name)
  }
}
