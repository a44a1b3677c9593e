import Foundation
import OrderedCollections
import PowerInferJinja

/// Makes grammars of JSON schemas (draft 2020-12, and the older names of its keywords).
///
/// What a schema leaves open becomes what models write: little white space, numbers of bounded length, members in the schema's order.
/// Keywords that restrict values in a way which a grammar does not hold are refused by name. `oneOf` alone is read as something weaker,
/// `anyOf`: a grammar cannot tell that only one of its schemas fits.
struct SchemaGrammar {
  let document: Value
  var rules = GrammarRules()
  /// Rules of the places that were referred to.
  var references: [String: String] = [:]
  private var number = 0
  private var depth = 0

  private static let depthLimit = 100
  /// Parts of lists that are compared with each other.
  static let listLimit = 500

  /// - Throws: ``GrammarError``.
  static func rules(
    of document: Value, between before: String, and after: String, isSpaced: Bool
  ) throws(GrammarError) -> GrammarRules {
    var maker = SchemaGrammar(document: document)
    try JSONGrammar.addRules(to: &maker.rules)
    let root = try maker.value(document, "#")
    let space = isSpaced ? GrammarExpression.rule(JSONGrammar.space) : .empty
    // Nothing that could be left out stands at the end, so that the text is known to be complete.
    let end = after.isEmpty ? GrammarExpression.empty : .sequence([space, .literal(after)])
    try maker.rules.add(GrammarRules.root, .sequence([.literal(before), space, root, end]))
    return maker.rules
  }

  private init(document: Value) { self.document = document }

  /// A rule that other schemas cannot name.
  mutating func addRule(_ expression: GrammarExpression) throws(GrammarError) -> GrammarExpression {
    number += 1
    try rules.add("part-\(number)", expression)
    return .rule("part-\(number)")
  }

  // MARK: Schemas

  /// The values that a schema admits.
  mutating func value(_ schema: Value, _ path: String) throws(GrammarError) -> GrammarExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw .tooDeep(limit: Self.depthLimit) }
    if case .boolean(let admits) = schema {
      guard admits else { throw .nothingFits(path: path) }
      return .rule(JSONGrammar.value)
    }
    guard let entries = schema.entries else { throw wrong(path, "an object, true or false", schema) }
    try refuseUnknown(entries, path)
    if let reference = entries["$ref"] { return try referred(reference, entries, path) }
    if let all = entries["allOf"] { return try value(try merged(all, entries, path), path) }
    for keyword in ["anyOf", "oneOf"] {
      if let options = entries[keyword] { return try choice(options, keyword, entries, path) }
    }
    if let constant = entries["const"] { return .literal(JSONText.text(of: constant)) }
    if let list = entries["enum"] {
      guard let values = list.elements, !values.isEmpty else { throw wrong(path + "/enum", "a list with values", list) }
      let admitted = try types(entries, path)
      let kept = values.filter { value in admitted.map { $0.contains { Self.isOf(value, $0) } } ?? true }
      guard !kept.isEmpty else { throw .nothingFits(path: path) }
      return .choice(kept.map { .literal(JSONText.text(of: $0)) })
    }
    guard let types = try types(entries, path) else {
      guard let implied = Self.impliedType(entries) else { return .rule(JSONGrammar.value) }
      return try value(of: implied, entries, path)
    }
    guard !types.isEmpty else { throw .nothingFits(path: path) }
    var options: [GrammarExpression] = []
    for type in types { options.append(try value(of: type, entries, path)) }
    return options.count == 1 ? options[0] : .choice(options)
  }

  private mutating func value(
    of type: String, _ entries: OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) -> GrammarExpression {
    switch type {
    case "null": return .literal("null")
    case "boolean": return .choice([.literal("true"), .literal("false")])
    case "integer", "number": return try NumberGrammar.expression(entries, isInteger: type == "integer", path)
    case "string": return try string(entries, path)
    case "array": return try array(entries, path)
    case "object": return try object(entries, path)
    default: throw wrong(path + "/type", "null, boolean, integer, number, string, array or object", .string(type))
    }
  }

  private func types(_ entries: OrderedDictionary<String, Value>, _ path: String) throws(GrammarError) -> [String]? {
    guard let type = entries["type"] else { return nil }
    if let name = type.text { return [name] }
    guard let elements = type.elements, elements.count <= Self.listLimit else {
      throw wrong(path + "/type", "a name or a list of names", type)
    }
    var names: [String] = []
    for element in elements {
      guard let name = element.text else { throw wrong(path + "/type", "a name or a list of names", type) }
      if !names.contains(name) { names.append(name) }
    }
    // Every integer is a number.
    return names.contains("number") ? names.filter { $0 != "integer" } : names
  }

  /// The type of a schema that names none but restricts one.
  private static func impliedType(_ entries: OrderedDictionary<String, Value>) -> String? {
    for (type, keywords) in [
      ("object", ["properties", "required", "additionalProperties"]),
      ("array", ["items", "prefixItems", "minItems", "maxItems"]),
      ("string", ["minLength", "maxLength", "pattern", "format"]),
      ("number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]),
    ] where keywords.contains(where: { entries[$0] != nil }) {
      return type
    }
    return nil
  }

  private static func isOf(_ value: Value, _ type: String) -> Bool {
    switch (value, type) {
    case (.none, "null"), (.boolean, "boolean"), (.integer, "integer"), (.integer, "number"), (.double, "number"),
      (.string, "string"), (.list, "array"), (.dictionary, "object"):
      true
    case (.double(let number), "integer"): number == number.rounded()
    default: false
    }
  }

  // MARK: Keywords

  private static let known: Set<String> = [
    "type", "enum", "const", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems",
    "maxItems",
    "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "anyOf", "oneOf",
    "allOf", "$ref", "$defs", "definitions", "additionalItems",
  ]
  /// These tell about values and restrict none.
  private static let silent: Set<String> = [
    "$schema", "$id", "id", "$anchor", "$comment", "$vocabulary", "title", "description", "default", "examples",
    "example",
    "deprecated", "readOnly", "writeOnly", "nullable", "contentEncoding", "contentMediaType", "strict", "name",
  ]

  private func refuseUnknown(_ entries: OrderedDictionary<String, Value>, _ path: String) throws(GrammarError) {
    for (keyword, value) in entries where !Self.known.contains(keyword) && !Self.silent.contains(keyword) {
      // What restricts nothing is no reason to refuse.
      if keyword == "uniqueItems" || keyword == "unevaluatedProperties", value == .boolean(keyword != "uniqueItems") {
        continue
      }
      if keyword == "minProperties" || keyword == "minContains", value == .integer(0) { continue }
      // Unknown words are notes, by the specification; these are not.
      guard Self.restricting.contains(keyword) else { continue }
      throw .unsupported(path: path, keyword: keyword)
    }
  }

  private static let restricting: Set<String> = [
    "not", "if", "then", "else", "dependentSchemas", "dependentRequired", "dependencies", "patternProperties",
    "propertyNames",
    "minProperties", "maxProperties", "uniqueItems", "contains", "minContains", "maxContains", "multipleOf",
    "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef",
  ]

  private mutating func referred(
    _ reference: Value, _ entries: OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) -> GrammarExpression {
    guard let target = reference.text else { throw wrong(path + "/$ref", "a text", reference) }
    if let other = entries.keys.first(where: {
      Self.known.contains($0) && !["$ref", "$defs", "definitions"].contains($0)
    }) {
      throw .unsupported(path: path, keyword: "\(other) beside $ref")
    }
    if let known = references[target] { return .rule(known) }
    let schema = try resolve(target, path)
    number += 1
    let name = "part-\(number)"
    references[target] = name
    try rules.add(name, try value(schema, target))
    return .rule(name)
  }

  /// The schema at a JSON pointer of the document (RFC 6901).
  private func resolve(_ reference: String, _ path: String) throws(GrammarError) -> Value {
    guard reference == "#" || reference.hasPrefix("#/") else { throw .reference(path: path, reference: reference) }
    var place = document
    for part in reference.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      let key = (part.removingPercentEncoding ?? String(part)).replacing("~1", with: "/").replacing("~0", with: "~")
      if let next = place.entries?[key] {
        place = next
      } else if let elements = place.elements, let index = Int(key), elements.indices.contains(index) {
        place = elements[index]
      } else {
        throw .reference(path: path, reference: reference)
      }
    }
    return place
  }

  private mutating func choice(
    _ options: Value, _ keyword: String, _ entries: OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) -> GrammarExpression {
    guard let schemas = options.elements, !schemas.isEmpty else {
      throw wrong(path + "/" + keyword, "a list with schemas", options)
    }
    // What stands beside holds for each of them.
    var rest = entries
    rest.removeValue(forKey: keyword)
    let hasMore = rest.keys.contains { Self.known.contains($0) && !["$defs", "definitions"].contains($0) }
    var all: [GrammarExpression] = []
    for (index, schema) in schemas.enumerated() {
      let own = hasMore ? try merged(.list([.dictionary(rest), schema]), [:], path) : schema
      do {
        all.append(try value(own, "\(path)/\(keyword)/\(index)"))
      } catch GrammarError.nothingFits {
        continue
      }
    }
    guard !all.isEmpty else { throw .nothingFits(path: path) }
    return all.count == 1 ? all[0] : .choice(all)
  }

  /// One schema of several that must all hold.
  private func merged(
    _ list: Value, _ entries: OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) -> Value {
    guard let schemas = list.elements, !schemas.isEmpty else {
      throw wrong(path + "/allOf", "a list with schemas", list)
    }
    guard schemas.count <= Self.listLimit else { throw .tooLarge(limit: GrammarGraph.nodeLimit) }
    var result = entries
    result.removeValue(forKey: "allOf")
    for schema in schemas {
      var schema = schema
      // A schema that refers to itself comes to an end here by the limit of depth.
      for _ in 0..<Self.depthLimit {
        guard let reference = schema.entries?["$ref"]?.text, schema.entries?.count == 1 else { break }
        schema = try resolve(reference, path)
      }
      if schema == .boolean(true) { continue }
      guard let more = schema.entries else { throw .nothingFits(path: path) }
      for (keyword, value) in more { try merge(keyword, value, into: &result, path) }
    }
    return .dictionary(result)
  }

  private func merge(
    _ keyword: String, _ value: Value, into result: inout OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) {
    guard let present = result[keyword], present != value, !Self.silent.contains(keyword) else {
      result[keyword] = value
      return
    }
    switch (keyword, present, value) {
    case ("properties", .dictionary(let one), .dictionary(let other)):
      var all = one
      for (name, schema) in other { all[name] = all[name].map { Self.both($0, schema) } ?? schema }
      result[keyword] = .dictionary(all)
    case ("$defs", .dictionary(let one), .dictionary(let other)),
      ("definitions", .dictionary(let one), .dictionary(let other)):
      result[keyword] = .dictionary(one.merging(other) { first, _ in first })
    case ("required", .list(let one), .list(let other)): result[keyword] = .list(one + other)
    case ("enum", .list(let one), .list(let other)) where min(one.count, other.count) <= Self.listLimit:
      result[keyword] = .list(one.filter(other.contains))
    case ("type", _, _):
      let (one, other) = (present.elements ?? [present], value.elements ?? [value])
      var both = one.filter(other.contains)
      if one.contains("integer") && other.contains("number") || one.contains("number") && other.contains("integer"),
        !both.contains("integer")
      {
        both.append("integer")
      }
      result[keyword] = .list(both)
    case ("minimum", _, _), ("exclusiveMinimum", _, _), ("minLength", _, _), ("minItems", _, _):
      result[keyword] = (Self.number(present) ?? 0) >= (Self.number(value) ?? 0) ? present : value
    case ("maximum", _, _), ("exclusiveMaximum", _, _), ("maxLength", _, _), ("maxItems", _, _):
      result[keyword] = (Self.number(present) ?? 0) <= (Self.number(value) ?? 0) ? present : value
    case ("additionalProperties", .boolean(false), _), ("additionalProperties", _, .boolean(false)):
      result[keyword] = .boolean(false)
    case ("allOf", .list(let one), .list(let other)): result[keyword] = .list(one + other)
    default: throw .unsupported(path: path, keyword: "\(keyword) twice in allOf")
    }
  }

  /// A schema that holds where both do; side by side, however many come to it.
  private static func both(_ one: Value, _ other: Value) -> Value {
    if let entries = one.entries, entries.count == 1, let list = entries["allOf"]?.elements {
      return ["allOf": .list(list + [other])]
    }
    return ["allOf": [one, other]]
  }

  static func number(_ value: Value) -> Double? {
    switch value {
    case .integer(let number): Double(number)
    case .double(let number) where number.isFinite: number
    default: nil
    }
  }

  /// A keyword's number of 0 or more.
  func count(
    _ keyword: String, _ entries: OrderedDictionary<String, Value>, _ path: String
  ) throws(GrammarError) -> Int? {
    guard let value = entries[keyword] else { return nil }
    guard let number = Self.number(value), number >= 0, number == number.rounded(), number <= 0x1p40 else {
      throw wrong(path + "/" + keyword, "a whole number of 0 or more", value)
    }
    guard number <= Double(GrammarGraph.nodeLimit) else {
      // An upper limit so large is none that a grammar could count.
      if keyword.hasPrefix("max") { return nil }
      throw .tooLarge(limit: GrammarGraph.nodeLimit)
    }
    return Int(number)
  }

  func wrong(_ path: String, _ expected: String, _ found: Value) -> GrammarError {
    .schema(path: path, expected: expected, found: String(JSONText.text(of: found).prefix(80)))
  }
}
