/// The rules of JSON itself (RFC 8259).
enum JSONGrammar {
  static let value = "json-value"
  static let object = "json-object"
  static let array = "json-array"
  static let string = "json-string"
  static let character = "json-character"
  static let number = "json-number"
  static let integer = "json-integer"
  static let space = "json-space"

  /// Characters that stand in strings as they are.
  static let plain = ScalarSet([0...0x1F, 0x22...0x22, 0x5C...0x5C, 0x7F...0x7F]).inverted
  static let digit = GrammarExpression.scalar(ScalarSet("0123456789"))
  private static let hexadecimal = GrammarExpression.scalar(ScalarSet("0123456789abcdefABCDEF"))

  /// White space between parts: none, a space, or a line break and an indentation, so that no answer is white space for ever.
  private static let spaces = GrammarExpression.choice([
    .empty, .literal(" "),
    .sequence([.literal("\n"), .repeated(.scalar(ScalarSet(" \t")), least: 0, most: 20)]),
  ])

  /// A character by its number; halves of pairs only as pairs.
  private static let numbered = GrammarExpression.choice([
    .sequence([
      .choice([
        .sequence([.scalar(ScalarSet("0123456789abcefABCEF")), hexadecimal]),
        .sequence([.scalar(ScalarSet("dD")), .scalar(ScalarSet("01234567"))]),
      ]), .repeated(hexadecimal, least: 2, most: 2),
    ]),
    .sequence([
      .scalar(ScalarSet("dD")), .scalar(ScalarSet("89abAB")), .repeated(hexadecimal, least: 2, most: 2),
      .literal("\\u"),
      .scalar(ScalarSet("dD")), .scalar(ScalarSet("cdefCDEF")), .repeated(hexadecimal, least: 2, most: 2),
    ]),
  ])

  /// - Throws: `GrammarError`.
  static func addRules(to rules: inout GrammarRules) throws(GrammarError) {
    try rules.add(space, spaces)
    try rules.add(
      character,
      .choice([
        .scalar(plain),
        .sequence([
          .literal("\\"),
          .choice([.scalar(ScalarSet("\"\\/bfnrt")), .sequence([.literal("u"), numbered])]),
        ]),
      ]))
    try rules.add(string, quoted(.repeated(.rule(character), least: 0, most: nil)))
    try rules.add(integer, .sequence([.optional(.literal("-")), whole]))
    try rules.add(
      number,
      .sequence([
        .rule(integer), .optional(fraction),
        .optional(
          .sequence([
            .scalar(ScalarSet("eE")), .optional(.scalar(ScalarSet("+-"))), .repeated(digit, least: 1, most: 2),
          ])),
      ]))
    try rules.add(object, list("{", member(.rule(string), .rule(value)), "}"))
    try rules.add(array, list("[", .rule(value), "]"))
    try rules.add(
      value,
      .choice([
        .rule(object), .rule(array), .rule(string), .rule(number), .literal("true"), .literal("false"),
        .literal("null"),
      ]))
  }

  /// 0, or digits of which the first is not 0.
  static let whole = GrammarExpression.choice([
    .literal("0"), .sequence([.scalar(ScalarSet("123456789")), .repeated(digit, least: 0, most: 15)]),
  ])
  static let fraction = GrammarExpression.sequence([.literal("."), .repeated(digit, least: 1, most: 16)])

  static func quoted(_ characters: GrammarExpression) -> GrammarExpression {
    .sequence([.literal("\""), characters, .literal("\"")])
  }

  static func member(_ key: GrammarExpression, _ value: GrammarExpression) -> GrammarExpression {
    .sequence([key, .rule(space), .literal(":"), .rule(space), value])
  }

  static let comma = GrammarExpression.sequence([.rule(space), .literal(","), .rule(space)])

  /// Any number of parts with commas between.
  static func list(_ open: String, _ part: GrammarExpression, _ close: String) -> GrammarExpression {
    .sequence([
      .literal(open), .rule(space),
      .optional(.sequence([part, .repeated(.sequence([comma, part]), least: 0, most: nil), .rule(space)])),
      .literal(close),
    ])
  }
}
