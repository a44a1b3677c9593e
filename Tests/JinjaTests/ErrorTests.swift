import OrderedCollections
import PowerInferJinja
import Testing

/// What a reader is told.
@Suite struct ErrorTests {
  private func sentence(_ source: String, dialect: Template.Dialect = .strict) -> String? {
    Golden.render(source, ["s": "text", "d": ["a": 1]], dialect: dialect).error?.description
  }

  @Test func saysLineExpectedAndFound() {
    #expect(sentence("a\n{{ 1 + }}") == "Line 2 of the template: expected an expression, found '}}'.")
    #expect(
      sentence("a\n\n{% if s %}")
        == "Line 3 of the template: 'if' from line 3 has no '{% elif %}' or '{% else %}' or '{% endif %}'.")
    #expect(sentence("{% frob %}") == "Line 1 of the template: unknown tag 'frob'.")
    #expect(sentence("{{ s | frob }}") == "Line 1 of the template: there is no filter named 'frob'.")
    #expect(sentence("\n{{ nobody.name }}") == "Line 2 of the template: 'nobody' is undefined.")
    #expect(sentence("{{ d.b.c }}") == "Line 1 of the template: a value of type 'dict' has no attribute 'b'.")
    #expect(sentence("{{ s + 1 }}") == "Line 1 of the template: '+' does not work between 'str' and 'int'.")
    #expect(
      sentence("{% include 'x' %}")
        == "Line 1 of the template: '{% include %}' needs more than one template or escaping, which chat templates do not have."
    )
    #expect(
      sentence("x\n{{ raise_exception('No system role, please') }}")
        == "Line 2 of the template: it refuses this conversation: No system role, please")
  }

  @Test func keepsTheLineOfAMultilineTag() {
    #expect(sentence("{{ 1 }}\n{#\n\n#}\n{{ nobody() }}") == "Line 5 of the template: 'nobody' is undefined.")
    #expect(
      sentence("{%- if s -%}\n\n  {{- nobody.x }}{% endif %}") == "Line 3 of the template: 'nobody' is undefined.")
  }

  @Test func changesValuesOnlyInTheLenientDialect() {
    let source = "{% set a = [1] %}{% set b = a %}{% set _ = a.append(2) %}{{ b }}{{ b.pop(0) }}{{ a }}"
    #expect(
      sentence(source)
        == "Line 1 of the template: 'append' changes a value of type 'list', which the strict dialect does not allow.")
    #expect(Golden.render(source, [:], dialect: .lenient).outcome == .text("[1, 2]1[2]"))
    let json = "{{ ('{\"a\": [1, null]}' | from_json).a }}"
    #expect(sentence(json) == "Line 1 of the template: there is no filter named 'from_json'.")
    #expect(Golden.render(json, [:], dialect: .lenient).outcome == .text("[1, None]"))
  }

  @Test func leavesTheCallersValuesAlone() throws {
    let template = try Template("{% set _ = d.update({'b': 2}) %}{{ d }}", dialect: .lenient)
    for _ in 0..<2 { #expect(try template.render(["d": ["a": 1]]) == "{'a': 1, 'b': 2}") }
  }
}
