import OrderedCollections
import PowerInferJinja

extension SchemaGrammar {
  // MARK: Arrays

  mutating func array(
    _ entries: OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) -> GrammarExpression {
    let least = try count("minItems", entries, path) ?? 0
    let most = try count("maxItems", entries, path)
    var first: [GrammarExpression] = []
    // Before 2020 a list of schemas stood at `items`, and what follows at `additionalItems`.
    let leading = entries["prefixItems"] ?? (entries["items"]?.elements == nil ? nil : entries["items"])
    if let leading {
      guard let schemas = leading.elements else { throw wrong(path + "/prefixItems", "a list of schemas", leading) }
      for (index, schema) in schemas.enumerated() { first.append(try value(schema, "\(path)/prefixItems/\(index)")) }
    }
    let rest = entries["items"]?.elements == nil ? entries["items"] : entries["additionalItems"]
    var further: GrammarExpression?
    if rest != .boolean(false) {
      further = try addRule(
        try rest.map { (schema) throws(GrammarError) in try value(schema, path + "/items") } ?? .rule(JSONGrammar.value)
      )
    }
    if let most, most < least { throw .nothingFits(path: path) }
    if further == nil, least > first.count { throw .nothingFits(path: path) }
    return .sequence([
      .literal("["), .rule(JSONGrammar.space), try elements(first, further, least, most), .literal("]"),
    ])
  }

  /// Elements with commas between, and the white space before the closing bracket.
  private mutating func elements(
    _ first: [GrammarExpression], _ further: GrammarExpression?, _ least: Int, _ most: Int?
  ) throws(GrammarError) -> GrammarExpression {
    // From the last to the first: what may follow so many elements.
    let known = min(first.count, most ?? first.count)
    var tail = GrammarExpression.empty
    if let further, most.map({ $0 > known }) ?? true {
      let (needed, allowed) = (max(0, least - known), most.map { $0 - known })
      if known > 0 {
        tail = .repeated(.sequence([JSONGrammar.comma, further]), least: needed, most: allowed)
      } else {
        let more = GrammarExpression.sequence([
          further,
          .repeated(.sequence([JSONGrammar.comma, further]), least: max(0, needed - 1), most: allowed.map { $0 - 1 }),
          .rule(JSONGrammar.space),
        ])
        return needed > 0 ? more : .optional(more)
      }
    }
    for index in stride(from: known - 1, through: 0, by: -1) {
      let part = GrammarExpression.sequence(
        index == 0 ? [first[index], tail] : [JSONGrammar.comma, first[index], tail])
      // A rule of its own, so that long lists are not deep.
      tail = try addRule(index < least ? part : .optional(part))
    }
    return .sequence([tail, .rule(JSONGrammar.space)])
  }

  // MARK: Objects

  mutating func object(
    _ entries: OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) -> GrammarExpression {
    var properties: OrderedDictionary<String, Value> = [:]
    if let given = entries["properties"] {
      guard let schemas = given.entries else { throw wrong(path + "/properties", "an object of schemas", given) }
      properties = schemas
    }
    var required: Set<String> = []
    if let given = entries["required"] {
      guard let names = given.elements, names.allSatisfy({ $0.text != nil }) else {
        throw wrong(path + "/required", "a list of names", given)
      }
      required = Set(names.compactMap(\.text))
    }
    let others = entries["additionalProperties"]
    // Required names without a schema are members of any kind, unless others are forbidden.
    for name in required.sorted() where properties[name] == nil {
      guard others != .boolean(false) else { throw .nothingFits(path: path) }
      properties[name] = others ?? .boolean(true)
    }
    var members: [(expression: GrammarExpression, isRequired: Bool)] = []
    for (name, schema) in properties {
      let isRequired = required.contains(name)
      do {
        let value = try value(schema, "\(path)/properties/\(name)")
        members.append((try addRule(JSONGrammar.member(.literal(JSONText.quoted(name)), value)), isRequired))
      } catch GrammarError.nothingFits where !isRequired {
        continue  // the member must be absent
      }
    }
    if members.isEmpty, others == nil, properties.isEmpty { return .rule(JSONGrammar.object) }
    var extra: GrammarExpression?
    // Members that a schema neither names nor mentions are left out: whoever lists properties wants these.
    if let others, others != .boolean(false) {
      let value = try value(others, path + "/additionalProperties")
      guard properties.count <= Self.listLimit, properties.keys.allSatisfy({ $0.unicodeScalars.count <= 100 }) else {
        throw .unsupported(path: path, keyword: "additionalProperties beside long or many names")
      }
      extra = try addRule(JSONGrammar.member(Self.key(otherThan: Array(properties.keys)), value))
    }
    return .sequence([.literal("{"), .rule(JSONGrammar.space), try inOrder(members, extra), .literal("}")])
  }

  /// Members in their order, those that are optional or not, then any number of extra ones.
  private mutating func inOrder(
    _ members: [(expression: GrammarExpression, isRequired: Bool)], _ extra: GrammarExpression?
  ) throws(GrammarError) -> GrammarExpression {
    let space = GrammarExpression.rule(JSONGrammar.space)
    // What may follow when no member has been written yet, and when one has.
    // The former as a list, the last one first: an expression in an expression for each member would be as deep as there are members.
    var (firsts, later) = ([GrammarExpression.empty], space)
    if let extra {
      let more = GrammarExpression.repeated(.sequence([JSONGrammar.comma, extra]), least: 0, most: nil)
      later = .sequence([more, space])
      firsts = [.optional(.sequence([extra, more, space]))]
    }
    for (member, isRequired) in members.reversed() {
      let next = try addRule(later)
      let begun = GrammarExpression.sequence([member, next])
      if isRequired { firsts.removeAll() }
      firsts.append(begun)
      let going = GrammarExpression.sequence([JSONGrammar.comma, member, next])
      later = isRequired ? going : .choice([going, next])
    }
    return firsts.count == 1 ? firsts[0] : .choice(firsts.reversed())
  }

  /// A string that is none of these names, however it is spelt.
  private static func key(otherThan names: [String]) -> GrammarExpression {
    guard !names.isEmpty else { return .rule(JSONGrammar.string) }
    // Keys are written without escapes, so that each has one spelling.
    return JSONGrammar.quoted(unlike(names.map { Array($0.unicodeScalars) }[...].map { $0[...] }))
  }

  private static func unlike(_ names: [ArraySlice<Unicode.Scalar>]) -> GrammarExpression {
    let any = GrammarExpression.repeated(.scalar(JSONGrammar.plain), least: 0, most: nil)
    let firsts = OrderedSet(names.compactMap(\.first))
    var options: [GrammarExpression] = []
    if !names.contains(where: \.isEmpty) { options.append(.empty) }
    let other = JSONGrammar.plain.intersection(ScalarSet(firsts.map { $0.value...$0.value }).inverted)
    options.append(.sequence([.scalar(other), any]))
    for first in firsts where JSONGrammar.plain.contains(first) {
      let rest = names.filter { $0.first == first }.map { $0.dropFirst() }
      options.append(.sequence([.scalar(ScalarSet([first.value...first.value])), unlike(rest)]))
    }
    return .choice(options)
  }

  // MARK: Strings

  mutating func string(
    _ entries: OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) -> GrammarExpression {
    let least = try count("minLength", entries, path)
    let most = try count("maxLength", entries, path)
    if let least, let most, most < least { throw .nothingFits(path: path) }
    if let pattern = entries["pattern"] {
      guard let text = pattern.text else { throw wrong(path + "/pattern", "a text", pattern) }
      if least != nil || most != nil {
        throw .unsupported(path: path, keyword: "minLength or maxLength beside pattern")
      }
      if entries["format"] != nil { throw .unsupported(path: path, keyword: "format beside pattern") }
      return JSONGrammar.quoted(try PatternGrammar.expression(of: text, path + "/pattern"))
    }
    if let format = entries["format"]?.text, let expression = StringFormats.expression(format) {
      if least != nil || most != nil { throw .unsupported(path: path, keyword: "minLength or maxLength beside format") }
      return JSONGrammar.quoted(expression)
    }
    if least == nil, most == nil { return .rule(JSONGrammar.string) }
    return JSONGrammar.quoted(.repeated(.rule(JSONGrammar.character), least: least ?? 0, most: most))
  }
}

/// Formats of strings that a grammar can hold; others are notes, as the specification has it.
enum StringFormats {
  static func expression(_ name: String) -> GrammarExpression? {
    switch name {
    case "date": date
    case "time": time
    case "date-time": .sequence([date, .literal("T"), time])
    case "uuid":
      .sequence(
        [8, 4, 4, 4, 12].flatMap { [.literal("-"), .repeated(hexadecimal, least: $0, most: $0)] }.dropFirst().map { $0 }
      )
    default: nil
    }
  }

  private static let hexadecimal = GrammarExpression.scalar(ScalarSet("0123456789abcdef"))

  private static func digits(_ count: Int) -> GrammarExpression {
    .repeated(JSONGrammar.digit, least: count, most: count)
  }

  /// Two digits up to a number of two digits whose last is 9 unless it says otherwise.
  private static func numbers(_ range: ClosedRange<Int>) -> GrammarExpression {
    .choice(range.map { .literal($0 < 10 ? "0\($0)" : "\($0)") })
  }

  /// Days that every month has, and the others where they are.
  private static let date = GrammarExpression.sequence([
    digits(4), .literal("-"),
    .choice([
      .sequence([numbers(1...12), .literal("-"), numbers(1...28)]),
      .sequence([.choice([1, 3, 5, 7, 8, 10, 12].map { numbers($0...$0) }), .literal("-"), numbers(29...31)]),
      .sequence([.choice([4, 6, 9, 11].map { numbers($0...$0) }), .literal("-"), numbers(29...30)]),
    ]),
  ])
  private static let time = GrammarExpression.sequence([
    numbers(0...23), .literal(":"), numbers(0...59), .literal(":"), numbers(0...59),
    .optional(.sequence([.literal("."), .repeated(JSONGrammar.digit, least: 1, most: 6)])),
    .choice([.literal("Z"), .sequence([.scalar(ScalarSet("+-")), numbers(0...23), .literal(":"), numbers(0...59)])]),
  ])
}
