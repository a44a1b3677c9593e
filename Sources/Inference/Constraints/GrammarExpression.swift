/// A part of a grammar's rule.
indirect enum GrammarExpression: Sendable, Equatable {
  /// One scalar of a set.
  case scalar(ScalarSet)
  /// These characters.
  case literal(String)
  /// One after the other; none of them is the empty text.
  case sequence([GrammarExpression])
  /// One of these; none of them is nothing at all.
  case choice([GrammarExpression])
  /// So many times; without `most`, any number from `least` on.
  case repeated(GrammarExpression, least: Int, most: Int?)
  /// What the rule of this name says.
  case rule(String)

  static let empty = GrammarExpression.sequence([])

  /// Once or not at all.
  static func optional(_ expression: GrammarExpression) -> GrammarExpression {
    .repeated(expression, least: 0, most: 1)
  }
}

/// Named rules, of which the one called `root` is the whole text.
struct GrammarRules: Sendable, Equatable {
  static let root = "root"
  private(set) var expressions: [String: GrammarExpression] = [:]
  private(set) var names: [String] = []

  /// - Throws: `GrammarError.twoRules`.
  mutating func add(_ name: String, _ expression: GrammarExpression) throws(GrammarError) {
    guard expressions.updateValue(expression, forKey: name) == nil else { throw .twoRules(name: name) }
    names.append(name)
  }

  func contains(_ name: String) -> Bool { expressions[name] != nil }
}
