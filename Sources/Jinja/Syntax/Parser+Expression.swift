/// Expressions, with jinja2's precedence: `if`, `or`, `and`, `not`, comparisons, `+ -`, `~`, `* / // %`, `**`, unary, postfix.
extension Parser {
  mutating func parseExpression(withConditional: Bool = true) throws -> Expression {
    try nested { parser in
      withConditional ? try parser.parseConditional() : try parser.parseOr()
    }
  }

  /// An expression, or a tuple when commas follow it.
  mutating func parseTuple(
    withConditional: Bool = true, inParentheses: Bool = false
  ) throws -> Expression {
    let line = self.line
    var items: [Expression] = []
    var isTuple = false
    while !isTupleEnd {
      items.append(try parseExpression(withConditional: withConditional))
      guard skip(.comma) else { break }
      isTuple = true
    }
    if !isTuple, let only = items.first { return only }
    guard isTuple || inParentheses else { throw fail("expected an expression, found \(current.kind).") }
    return try Expression(.tuple(items), line: line)
  }

  private var isTupleEnd: Bool {
    at(.rightParenthesis) || current.kind == .variableEnd || current.kind == .blockEnd
  }

  private mutating func parseConditional() throws -> Expression {
    let line = self.line
    var result = try parseOr()
    while skip(name: "if") {
      let test = try parseOr()
      let otherwise = skip(name: "else") ? try nested { try $0.parseConditional() } : nil
      result = try Expression(.conditional(test: test, then: result, otherwise: otherwise), line: line)
    }
    return result
  }

  private mutating func parseOr() throws -> Expression {
    let line = self.line
    var items = [try parseAnd()]
    while skip(name: "or") { items.append(try parseAnd()) }
    return items.count == 1 ? items[0] : try Expression(.any(items), line: line)
  }

  private mutating func parseAnd() throws -> Expression {
    let line = self.line
    var items = [try parseNot()]
    while skip(name: "and") { items.append(try parseNot()) }
    return items.count == 1 ? items[0] : try Expression(.all(items), line: line)
  }

  private mutating func parseNot() throws -> Expression {
    let line = self.line
    guard skip(name: "not") else { return try parseComparison() }
    return try Expression(.not(try nested { try $0.parseNot() }), line: line)
  }

  private mutating func parseComparison() throws -> Expression {
    let line = self.line
    let left = try parseSum()
    var others: [Expression.Comparison] = []
    while let relation = skipRelation() {
      others.append(Expression.Comparison(relation: relation, right: try parseSum()))
    }
    return others.isEmpty ? left : try Expression(.comparison(left, others), line: line)
  }

  private mutating func skipRelation() -> Expression.Relation? {
    switch current.kind {
    case .symbol(let symbol):
      guard let relation = Expression.Relation(rawValue: symbol.rawValue) else { return nil }
      advance()
      return relation
    case .name("in"):
      advance()
      return .within
    case .name("not") where following == .name("in"):
      advance()
      advance()
      return .notWithin
    default:
      return nil
    }
  }

  private mutating func parseSum() throws -> Expression {
    let line = self.line
    var left = try parseConcatenation()
    while at(.add) || at(.subtract) {
      let operation: Expression.Arithmetic = at(.add) ? .add : .subtract
      advance()
      left = try Expression(.arithmetic(operation, left, try parseConcatenation()), line: line)
    }
    return left
  }

  private mutating func parseConcatenation() throws -> Expression {
    let line = self.line
    var items = [try parseProduct()]
    while skip(.tilde) { items.append(try parseProduct()) }
    return items.count == 1 ? items[0] : try Expression(.concatenation(items), line: line)
  }

  private mutating func parseProduct() throws -> Expression {
    let line = self.line
    var left = try parsePower()
    while case .symbol(let symbol) = current.kind, let operation = Expression.Arithmetic(rawValue: symbol.rawValue),
      [.multiply, .divide, .floorDivide, .modulo].contains(operation)
    {
      advance()
      left = try Expression(.arithmetic(operation, left, try parsePower()), line: line)
    }
    return left
  }

  private mutating func parsePower() throws -> Expression {
    let line = self.line
    var left = try parseUnary(withFilters: true)
    while skip(.power) {
      left = try Expression(.arithmetic(.power, left, try parseUnary(withFilters: true)), line: line)
    }
    return left
  }

  private mutating func parseUnary(withFilters: Bool) throws -> Expression {
    let line = self.line
    var node: Expression
    if skip(.subtract) {
      node = try Expression(.negative(try nested { try $0.parseUnary(withFilters: false) }), line: line)
    } else if skip(.add) {
      node = try Expression(.positive(try nested { try $0.parseUnary(withFilters: false) }), line: line)
    } else {
      node = try parsePrimary()
    }
    node = try parsePostfix(node)
    return withFilters ? try parseFiltersAndTests(node) : node
  }

  // MARK: Primary expressions

  private mutating func parsePrimary() throws -> Expression {
    let line = self.line
    switch current.kind {
    case .name(let name):
      advance()
      return try Expression(named(name), line: line)
    case .string(let first):
      advance()
      var text = first
      while case .string(let next) = current.kind {
        text += next
        advance()
      }
      return try Expression(.string(text), line: line)
    case .integer(let value):
      advance()
      return try Expression(.integer(value), line: line)
    case .double(let value):
      advance()
      return try Expression(.double(value), line: line)
    case .symbol(.leftParenthesis):
      advance()
      let inner = try parseTuple(inParentheses: true)
      try expect(.rightParenthesis)
      return inner
    case .symbol(.leftBracket):
      advance()
      return try Expression(.list(try parseItems(until: .rightBracket) { try $0.parseExpression() }), line: line)
    case .symbol(.leftBrace):
      advance()
      let entries = try parseItems(until: .rightBrace) { parser in
        let key = try parser.parseExpression()
        try parser.expect(.colon)
        return Expression.Entry(key: key, value: try parser.parseExpression())
      }
      return try Expression(.dictionary(entries), line: line)
    default:
      throw fail("expected an expression, found \(current.kind).")
    }
  }

  private mutating func named(_ name: String) -> Expression.Kind {
    switch name {
    case "true", "True": return .boolean(true)
    case "false", "False": return .boolean(false)
    case "none", "None": return .none
    case "caller", "kwargs", "varargs": specialNames.insert(name)
    default: break
    }
    return .name(name)
  }

  private mutating func parseItems<Item>(
    until end: Token.Symbol, _ parse: (inout Parser) throws -> Item
  ) throws -> [Item] {
    var items: [Item] = []
    while !at(end) {
      if !items.isEmpty {
        try expect(.comma)
        if allowsTrailingComma, at(end) { break }
      }
      items.append(try parse(&self))
    }
    try expect(end)
    return items
  }

  // MARK: Postfix

  private mutating func parsePostfix(_ base: Expression) throws -> Expression {
    var node = base
    while true {
      let line = self.line
      switch current.kind {
      case .symbol(.dot):
        advance()
        switch current.kind {
        case .name(let name): node = try Expression(.attribute(node, name), line: line)
        case .integer(let index):
          node = try Expression(.element(node, try Expression(.integer(index), line: line)), line: line)
        default: throw fail("expected a name or a number after '.', found \(current.kind).")
        }
        advance()
      case .symbol(.leftBracket):
        advance()
        node = try parseSubscript(node, line: line)
      case .symbol(.leftParenthesis):
        node = try Expression(.call(node, try parseCall()), line: line)
      default:
        return node
      }
    }
  }

  private mutating func parseSubscript(_ base: Expression, line: Int) throws -> Expression {
    if at(.colon) { return try parseSlice(base, from: nil, line: line) }
    var items: [Expression] = []
    var isTuple = false
    while !at(.rightBracket) {
      if !items.isEmpty {
        try expect(.comma)
        isTuple = true
      }
      items.append(try parseExpression())
      if at(.colon), !isTuple { return try parseSlice(base, from: items[0], line: line) }
    }
    try expect(.rightBracket)
    let index = items.count == 1 ? items[0] : try Expression(.tuple(items), line: line)
    return try Expression(.element(base, index), line: line)
  }

  private mutating func parseSlice(_ base: Expression, from: Expression?, line: Int) throws -> Expression {
    try expect(.colon)
    let to = at(.colon) || at(.rightBracket) ? nil : try parseExpression()
    let by = skip(.colon) && !at(.rightBracket) ? try parseExpression() : nil
    try expect(.rightBracket)
    return try Expression(.slice(base, Expression.Bounds(from: from, to: to, by: by)), line: line)
  }

  private mutating func parseCall() throws -> Expression.Call {
    try expect(.leftParenthesis)
    var call = Expression.Call()
    var needsComma = false
    while !at(.rightParenthesis) {
      if needsComma {
        try expect(.comma)
        if at(.rightParenthesis) { break }
      }
      needsComma = true
      if skip(.multiply) {
        guard call.spread == nil, call.keywordSpread == nil else { throw fail("misplaced '*' in a call.") }
        call.spread = try parseExpression()
      } else if skip(.power) {
        guard call.keywordSpread == nil else { throw fail("misplaced '**' in a call.") }
        call.keywordSpread = try parseExpression()
      } else if case .name(let name) = current.kind, following == .symbol(.assign) {
        guard call.keywordSpread == nil else { throw fail("misplaced keyword argument '\(name)' in a call.") }
        advance()
        advance()
        guard !call.keywords.contains(where: { $0.name == name }) else {
          throw fail("the keyword argument '\(name)' is repeated.")
        }
        call.keywords.append(Expression.Keyword(name: name, value: try parseExpression()))
      } else {
        guard call.spread == nil, call.keywordSpread == nil, call.keywords.isEmpty else {
          throw fail("a positional argument follows a keyword argument.")
        }
        call.positional.append(try parseExpression())
      }
    }
    try expect(.rightParenthesis)
    return call
  }

  // MARK: Filters and tests

  private mutating func parseFiltersAndTests(_ base: Expression) throws -> Expression {
    var node = base
    while true {
      let line = self.line
      switch current.kind {
      case .symbol(.pipe): node = try parseFilters(on: node)
      case .name("is"): node = try parseTest(node)
      case .symbol(.leftParenthesis): node = try Expression(.call(node, try parseCall()), line: line)
      default: return node
      }
    }
  }

  /// Reads `|name(arguments)…`; a filter block's first filter has no `|`.
  mutating func parseFilters(on base: Expression, startsInline: Bool = false) throws -> Expression {
    var node = base
    var isInline = startsInline
    while isInline || at(.pipe) {
      if !isInline { advance() }
      isInline = false
      let line = self.line
      let name = try parseDottedName()
      if !isConditional, FilterTable.filter(named: name, dialect: dialect) == nil {
        throw fail("there is no filter named '\(name)'.", line: line)
      }
      let call = at(.leftParenthesis) ? try parseCall() : Expression.Call()
      node = try Expression(.filter(node, name, call), line: line)
    }
    return node
  }

  private mutating func parseDottedName() throws -> String {
    var name = try expectName()
    while skip(.dot) { name += "." + (try expectName()) }
    return name
  }

  private mutating func parseTest(_ base: Expression) throws -> Expression {
    let line = self.line
    advance()
    let isNegated = skip(name: "not")
    let name = try parseDottedName()
    if !isConditional, TestTable.test(named: name) == nil {
      throw fail("there is no test named '\(name)'.", line: line)
    }
    var call = Expression.Call()
    if at(.leftParenthesis) {
      call = try parseCall()
    } else if try isTestArgument() {
      call.positional = [try nested { try $0.parseTestArgument() }]
    }
    let test = try Expression(.test(base, name, call), line: line)
    return isNegated ? try Expression(.not(test), line: line) : test
  }

  private func isTestArgument() throws -> Bool {
    switch current.kind {
    case .name("is"): throw fail("tests cannot be chained with 'is'.")
    case .name(let name): return !["else", "or", "and"].contains(name)
    case .string, .integer, .double, .symbol(.leftBracket), .symbol(.leftBrace): return true
    default: return false
    }
  }

  private mutating func parseTestArgument() throws -> Expression { try parsePostfix(try parsePrimary()) }
}
