import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// What schemas admit. Expected is what JSON Schema's specification says of each value.
@Suite struct SchemaGrammarTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let schema: String
    let fits: [String]
    let others: [String]
    var testDescription: String { schema }
  }

  static let cases = [
    Case(schema: #"{"type": "null"}"#, fits: ["null"], others: ["nul", "0"]),
    Case(schema: #"{"type": ["boolean", "null"]}"#, fits: ["true", "false", "null"], others: ["1"]),
    Case(schema: #"{"type": "integer"}"#, fits: ["0", "-7", "123"], others: ["01", "1.5", "+1", "\"1\""]),
    Case(schema: #"{"type": "number"}"#, fits: ["0.5", "-1e9", "12.25E-3"], others: [".5", "1.", "1e", "Infinity"]),
    Case(
      schema: #"{"type": "integer", "minimum": -12, "maximum": 105}"#,
      fits: ["-12", "-9", "0", "7", "99", "100", "105"], others: ["-13", "106", "200", "1000"]),
    Case(
      schema: #"{"type": "integer", "exclusiveMinimum": 9, "exclusiveMaximum": 13}"#, fits: ["10", "12"],
      others: ["9", "13"]),
    Case(
      schema: #"{"type": "number", "exclusiveMinimum": 0, "maximum": 2}"#, fits: ["0.5", "1", "1.99", "2"],
      others: ["0", "0.0", "0.00", "2.1", "-1"]),
    Case(
      schema: #"{"type": "number", "minimum": -2, "maximum": -1}"#, fits: ["-1", "-1.5", "-2"],
      others: ["-2.5", "-0.5", "1"]),
    Case(
      schema: #"{"type": "string"}"#, fits: ["\"\"", "\"é\\n\\u00e9\\ud83d\\ude00\""],
      others: ["\"\n\"", "\"\\x\"", "\"\\ud83d\"", "a"]),
    Case(
      schema: #"{"type": "string", "minLength": 2, "maxLength": 3}"#, fits: ["\"ab\"", "\"é\\n🌍\""],
      others: ["\"a\"", "\"abcd\""]),
    Case(
      schema: #"{"type": "string", "pattern": "^[A-Z]{2}-\\d+$"}"#, fits: ["\"AB-1\""], others: ["\"ab-1\"", "\"AB-\""]),
    Case(schema: #"{"type": "string", "pattern": "(a|\")b"}"#, fits: ["\"xaby\"", "\"\\\"b\""], others: ["\"b\""]),
    Case(
      schema: #"{"type": "string", "format": "date"}"#, fits: ["\"2024-02-28\"", "\"1999-12-31\""],
      others: ["\"2024-02-30\"", "\"2024-04-31\"", "\"2024-1-1\""]),
    Case(
      schema: #"{"type": "string", "format": "uuid"}"#, fits: ["\"123e4567-e89b-12d3-a456-426614174000\""],
      others: ["\"123e4567e89b12d3a456426614174000\""]),
    Case(schema: #"{"enum": ["a", 1, null, {"b": []}]}"#, fits: ["\"a\"", "1", "null", "{\"b\": []}"], others: ["2"]),
    Case(schema: #"{"const": "x\"y"}"#, fits: ["\"x\\\"y\""], others: ["\"x\""]),
    Case(schema: #"{"enum": ["a", 1], "type": "string"}"#, fits: ["\"a\""], others: ["1"]),
    Case(
      schema: #"{"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}"#,
      fits: ["[1]", "[1, 2]", "[ 1,2 ]"], others: ["[]", "[1,2,3]", "[1,]"]),
    Case(
      schema: #"{"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": false}"#,
      fits: ["[1,\"a\"]", "[1]", "[]"], others: ["[1,\"a\",2]", "[\"a\"]"]),
    Case(
      schema: #"{"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "null"}, "minItems": 2}"#,
      fits: ["[1,null]", "[1,null,null]"], others: ["[1]", "[1,1]"]),
    Case(
      schema:
        #"{"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "null"}, "m": {}}, "required": ["a"]}"#,
      fits: [#"{"z": 1, "a": null}"#, #"{"a":null}"#, #"{"a": null, "m": [1]}"#, #"{"z":1,"a":null,"m":{}}"#],
      others: ["{}", #"{"z":1}"#, #"{"z":1,"a":null,}"#, #"{"a":null,"z":1,"q":1}"#]),
    Case(
      schema:
        #"{"type": "object", "properties": {"ab": {"type": "null"}}, "additionalProperties": {"type": "integer"}}"#,
      fits: ["{}", #"{"ab":null}"#, #"{"ab":null,"a":1,"abc":2,"":3}"#, #"{"x":1}"#],
      others: [#"{"ab":1}"#, #"{"x":null}"#]),
    Case(schema: #"{"type": "object"}"#, fits: ["{}", #"{"a":{"b":[1,"c",null]}}"#], others: ["[]", "{a:1}"]),
    Case(schema: #"{"required": ["k"]}"#, fits: [#"{"k":[]}"#], others: ["{}"]),
    Case(
      schema: #"{"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]}"#, fits: ["5", "\"a\""],
      others: ["\"ab\"", "null"]),
    Case(
      schema:
        ##"{"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}, "value": {"type": "integer"}}, "required": ["value"]}}}"##,
      fits: [#"{"value":1}"#, #"{"left":{"left":{"value":1},"value":2},"value":3}"#], others: [#"{"left":1,"value":1}"#]
    ),
    Case(
      schema:
        #"{"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 3}, "b": {"type": "null"}}}]}"#,
      fits: [#"{"a":3}"#, #"{"a":4,"b":null}"#], others: [#"{"a":2}"#, #"{"b":null}"#]),
    Case(schema: "true", fits: ["1", "[{}]"], others: ["", "1 2"]),
  ]

  @Test(arguments: cases) func schemasAdmitTheirValues(one: Case) throws {
    let grammar = try Grammar(jsonSchema: one.schema)
    for text in one.fits { #expect(try GrammarTests.admits(grammar, text), "\(text)") }
    for text in one.others { #expect(try !GrammarTests.admits(grammar, text), "\(text)") }
  }

  @Test(arguments: [
    ("{", nil), ("5", GrammarError.schema(path: "#", expected: "an object, true or false", found: "5")),
    ("false", .nothingFits(path: "#")),
    (
      #"{"type": "text"}"#,
      .schema(path: "#/type", expected: "null, boolean, integer, number, string, array or object", found: "\"text\"")
    ),
    (#"{"not": {}}"#, .unsupported(path: "#", keyword: "not")),
    (#"{"properties": {"a": {"multipleOf": 3}}}"#, .unsupported(path: "#/properties/a", keyword: "multipleOf")),
    (##"{"$ref": "#/$defs/none"}"##, .reference(path: "#", reference: "#/$defs/none")),
    (#"{"$ref": "https://example.org/schema"}"#, .reference(path: "#", reference: "https://example.org/schema")),
    (##"{"$ref": "#"}"##, .nothingFits(path: "#")),
    (##"{"allOf": [{"$ref": "#"}]}"##, .tooDeep(limit: 100)),
    (##"{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}"##, .nothingFits(path: "#")),
    (#"{"type": "integer", "minimum": 3, "maximum": 2}"#, .nothingFits(path: "#")),
    (#"{"type": "string", "minLength": 3, "maxLength": 2}"#, .nothingFits(path: "#")),
    (
      #"{"type": "string", "minLength": -1}"#,
      .schema(path: "#/minLength", expected: "a whole number of 0 or more", found: "-1")
    ),
    (
      #"{"type": "array", "minItems": 1e300}"#,
      .schema(path: "#/minItems", expected: "a whole number of 0 or more", found: "1e+300")
    ),
    (#"{"type": "integer", "minimum": 1e400}"#, nil),
    (#"{"type": "string", "pattern": "(?=a)"}"#, .schema(path: "#/pattern", expected: "a plain group", found: "(?=a)")),
    (
      #"{"type": "string", "pattern": "a**"}"#,
      .schema(path: "#/pattern", expected: "one repetition at a time", found: "a**")
    ),
  ]) func schemasThatCannotBeHeldAreSentences(text: String, expected: GrammarError?) {
    if let expected {
      #expect(throws: expected) { try Grammar(jsonSchema: text) }
    } else {
      #expect(throws: GrammarError.self) { try Grammar(jsonSchema: text) }
    }
  }

  /// Each came to a stack or a time without end.
  @Test func largeSchemasAreSentences() {
    func list(_ part: String, _ count: Int) -> String {
      "[" + repeatElement(part, count: count).joined(separator: ",") + "]"
    }
    let name = String(repeating: "n", count: 500_000)
    for text in [
      #"{"properties": {"\#(name)": {}}, "additionalProperties": {}}"#,
      #"{"allOf": \#(list(#"{"properties": {"a": {}}}"#, 100_000))}"#, #"{"type": \#(list(#""null""#, 100_000))}"#,
      #"{"prefixItems": \#(list(#"{"type": "object"}"#, 100_000))}"#,
      "{\"properties\": {\((0..<100_000).map { "\"\($0)\":{}" }.joined(separator: ","))}}",
    ] {
      #expect(throws: GrammarError.self, "\(text.prefix(40))") { try Grammar(jsonSchema: text) }
    }
  }

  /// The number of optional members is no depth.
  @Test func anObjectMayHaveManyMembers() throws {
    let members = (0..<150).map { "\"m\($0)\": {\"type\": \"null\"}" }.joined(separator: ", ")
    let grammar = try Grammar(jsonSchema: "{\"properties\": {\(members)}}")
    for text in ["{}", #"{"m149":null}"#, #"{"m0":null,"m100":null}"#] {
      #expect(try GrammarTests.admits(grammar, text), "\(text)")
    }
    #expect(try !GrammarTests.admits(grammar, #"{"m100":null,"m0":null}"#))
  }

  @Test func deepSchemasAreRefused() {
    let text = String(repeating: #"{"items": "#, count: 150) + "true" + String(repeating: "}", count: 150)
    #expect(throws: GrammarError.tooDeep(limit: 100)) { try Grammar(jsonSchema: text) }
  }
}
