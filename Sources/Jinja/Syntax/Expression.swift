/// A node of an expression's tree. Immutable, so a parsed template can be shared.
final class Expression: Sendable {
  enum Kind: Sendable {
    case none
    case boolean(Bool)
    case integer(Int)
    case double(Double)
    case string(String)
    /// The text a filter block or a block assignment has captured: the input of its first filter.
    case captured
    case name(String)
    case list([Expression])
    case tuple([Expression])
    case dictionary([Entry])
    case attribute(Expression, String)
    case element(Expression, Expression)
    case slice(Expression, Bounds)
    case call(Expression, Call)
    case filter(Expression, String, Call)
    case test(Expression, String, Call)
    case not(Expression)
    case negative(Expression)
    case positive(Expression)
    case all([Expression])
    case any([Expression])
    case arithmetic(Arithmetic, Expression, Expression)
    case concatenation([Expression])
    case comparison(Expression, [Comparison])
    /// `then if test else otherwise`
    case conditional(test: Expression, then: Expression, otherwise: Expression?)
  }

  struct Entry: Sendable {
    let key: Expression
    let value: Expression
  }

  struct Bounds: Sendable {
    let from: Expression?
    let to: Expression?
    let by: Expression?
  }

  /// The arguments of a call, a filter or a test.
  struct Call: Sendable {
    var positional: [Expression] = []
    var keywords: [Keyword] = []
    var spread: Expression?
    var keywordSpread: Expression?

    var expressions: [Expression] {
      positional + keywords.map(\.value) + [spread, keywordSpread].compactMap { $0 }
    }
  }

  struct Keyword: Sendable {
    let name: String
    let value: Expression
  }

  struct Comparison: Sendable {
    let relation: Relation
    let right: Expression
  }

  enum Arithmetic: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
  }

  enum Relation: String, Sendable {
    case equal = "=="
    case notEqual = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
    case within = "in"
    case notWithin = "not in"
  }

  let kind: Kind
  let line: Int
  /// Nodes on the longest way down, so that no walk over the tree overflows the stack.
  let depth: Int

  init(_ kind: Kind, line: Int) throws {
    self.kind = kind
    self.line = line
    depth = 1 + (Expression.children(of: kind).map(\.depth).max() ?? 0)
    guard depth <= Limits.expressionDepth else {
      throw JinjaError(
        kind: .limit, line: line, message: "an expression is nested deeper than \(Limits.expressionDepth) operations.")
    }
  }

  private static func children(of kind: Kind) -> [Expression] {
    switch kind {
    case .none, .boolean, .integer, .double, .string, .captured, .name: []
    case .list(let items), .tuple(let items), .all(let items), .any(let items), .concatenation(let items): items
    case .dictionary(let entries): entries.flatMap { [$0.key, $0.value] }
    case .attribute(let base, _): [base]
    case .not(let operand), .negative(let operand), .positive(let operand): [operand]
    case .element(let base, let index): [base, index]
    case .slice(let base, let bounds): [base] + [bounds.from, bounds.to, bounds.by].compactMap { $0 }
    case .call(let base, let call), .filter(let base, _, let call), .test(let base, _, let call):
      [base] + call.expressions
    case .arithmetic(_, let left, let right): [left, right]
    case .comparison(let left, let others): [left] + others.map(\.right)
    case .conditional(let test, let then, let otherwise): [test, then] + [otherwise].compactMap { $0 }
    }
  }
}
