import OrderedCollections
import PowerInferJinja
import Testing

@Suite struct JSONTests {
  @Test func keepsTheOrderOfKeys() throws {
    let value = try Value(
      json: #"{"z": 1, "a": {"y": [true, false, null], "b": -2.5e3}, "m": "\u00e9\ud83c\udf89\/\n"}"#)
    #expect(
      value == ["z": 1, "a": ["y": [true, false, nil], "b": -2500.0], "m": "é🎉/\n"])
    #expect(value.entries.map { Array($0.keys) } == ["z", "a", "m"])
  }

  @Test func readsNumbersAsPythonDoes() throws {
    #expect(
      try Value(json: "[0, -0, 1.0, 1e2, 9223372036854775807, 123456789012345678901]")
        == [0, 0, 1.0, 100.0, 9_223_372_036_854_775_807, 123_456_789_012_345_678_901.0])
    #expect(
      try Value(json: "[-9223372036854775808, 9223372036854775808, -9223372036854775809, -1]")
        == [.integer(.min), 9_223_372_036_854_775_808.0, -9_223_372_036_854_775_809.0, -1])
  }

  @Test func keepsTemplateMarksInStrings() throws {
    #expect(try Value(json: #"["{{ x }} {% y %} {# z #}", "it's"]"#) == ["{{ x }} {% y %} {# z #}", "it's"])
  }

  @Test(arguments: [
    "", "{", "[1,]", "{a: 1}", "'x'", "(1)", "1 + 1", "True", "[1] [2]", "\"\\x41\"", "nul", "{\"a\" 1}",
  ])
  func refusesWhatIsNotJSON(text: String) {
    #expect(throws: JinjaError.self) { try Value(json: text) }
  }

  @Test func refusesDeepNesting() {
    let deep = String(repeating: "[", count: 300) + String(repeating: "]", count: 300)
    #expect(throws: JinjaError.self) { try Value(json: deep) }
  }
}
