import OrderedCollections
import PowerInferJinja
import Testing

/// Hostile templates end with a sentence, never with a crash or a full memory.
@Suite struct GuardTests {
  private func failure(
    _ source: String, _ context: OrderedDictionary<String, Value> = [:], dialect: Template.Dialect = .strict
  ) -> JinjaError? {
    Golden.render(source, context, dialect: dialect).error
  }

  @Test func refusesDeepNesting() {
    let depth = 20_000
    let hostile = [
      "{{ " + String(repeating: "(", count: depth) + "1" + String(repeating: ")", count: depth) + " }}",
      "{{ " + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + " }}",
      "{{ " + String(repeating: "-", count: depth) + "1 }}",
      "{{ " + String(repeating: "not ", count: depth) + "1 }}",
      "{{ 1" + String(repeating: "+1", count: depth) + " }}",
      "{{ x" + String(repeating: ".a", count: depth) + " }}",
      "{{ x" + String(repeating: "|list", count: depth) + " }}",
      "{{ 1" + String(repeating: " if 1 else 1", count: depth) + " }}",
      String(repeating: "{% if 1 %}", count: depth),
      String(repeating: "{% for a in [1] %}", count: depth),
      "{% for " + String(repeating: "(", count: depth) + "a" + String(repeating: ")", count: depth) + " in x %}",
    ]
    for source in hostile {
      #expect(failure(source)?.kind == .limit, "\(source.prefix(40))")
    }
  }

  @Test func refusesLongChains() {
    // Flat chains are no nesting: they stay within the other limits.
    let sum = "{{ 1" + String(repeating: " ~ 1", count: 10_000) + " }}"
    #expect(Golden.render(sum, [:]).outcome == .text(String(repeating: "1", count: 10_001)))
    let choice = "{% if 0 %}" + String(repeating: "{% elif 0 %}", count: 10_000) + "{% else %}x{% endif %}"
    #expect(Golden.render(choice, [:]).outcome == .text("x"))
  }

  @Test(arguments: [
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{{ range(100001) }}",
    "{{ range(-9223372036854775807, 9223372036854775807) }}",
    "{{ 'x' * 99999999999 }}",
    "{{ [1] * 99999999999 }}",
    "{{ 2 ** 9999999 }}",
    "{{ 9223372036854775807 + 1 }}",
    "{{ -9223372036854775807 - 2 }}",
    "{{ 9223372036854775807 * 2 }}",
    "{{ 'x'.center(99999999999) }}",
    "{{ 'x'.ljust(99999999999) }}",
    "{{ 'x'.zfill(99999999999) }}",
    "{{ 'x' | center(99999999999) }}",
    "{{ 'x' | indent(99999999999) }}",
    "{{ '\\t'.expandtabs(99999999999) }}",
    "{{ '{:99999999999}'.format(1) }}",
    "{{ '%99999999999d' % 1 }}",
    "{{ '%.99999999999f' % 1.5 }}",
    "{{ [1] | batch(99999999999, 0) | list }}",
    "{{ [1] | slice(99999999999) | list }}",
    "{{ {'a': 1} | tojson(indent=99999999999) }}",
    "{% set ns = namespace(t='xx') %}{% for i in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
    "{% set ns = namespace(t='xx') %}{% for i in range(99) %}{% set ns.t = ns.t | replace('x', 'xx') %}{% endfor %}",
    "{% set ns = namespace(t=[1]) %}{% for i in range(99) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
    "{% set ns = namespace(t=[1]) %}{% for i in range(9999) %}{% set ns.t = [ns.t] %}{% endfor %}",
    "{% set ns = namespace(t=1) %}{% for i in range(9999) %}{% set ns.t = {1: ns.t} %}{% endfor %}",
    "{{ range(100000) | join('x' * 100000) }}",
    "{{ ('x' * 100000) | replace('x', 'y' * 100000) }}",
    "{% set ns = namespace(t=[]) %}{% for i in range(99) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t }}",
    "{% set ns = namespace(t=[]) %}{% for i in range(99) %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.t | tojson }}",
    "{% set ns = namespace(t=()) %}{% for i in range(99) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} }}",
    "{% set ns = namespace(a=[], b=[]) %}{% for i in range(99) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}"
      + "{% endfor %}{{ ns.a == ns.b }}",
    "{{ 1e300 | int }}",
    "{{ 1 | round(99999999) }}",
    "{{ 10.0 ** 400 }}",
  ]) func refusesExcess(source: String) {
    var limits = Limits()
    limits.steps = 200_000
    limits.text = 1 << 20
    limits.work = 100 << 20
    #expect(Golden.render(source, [:], limits: limits).error?.kind == .limit)
  }

  /// Trying the part at every place would take 10^10 comparisons each.
  @Test func searchesInLinearTime() {
    let set = "{% set t = 'a' * 400000 %}{% set p = 'a' * 200000 %}"
    for (expression, wanted) in [
      ("t.find(p ~ 'b')", "-1"), ("t.rfind('b' ~ p)", "-1"), ("(p ~ 'b') in t", "False"), ("t.count(p)", "2"),
      ("t.split(p ~ 'b') | length", "1"), ("t.rsplit('b' ~ p) | length", "1"), ("t.replace(p ~ 'b', 'c') == t", "True"),
      ("(t ~ 'b').find(p ~ 'b')", "200000"), ("('b' ~ t).rfind('b' ~ p)", "0"), ("t.rfind(p)", "200000"),
    ] {
      #expect(Golden.render(set + "{{ \(expression) }}", [:]).outcome == .text(wanted), "\(expression)")
    }
  }

  @Test func letsKnotsGo() {
    let knots = [
      "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me is defined }}",
      "{% set a = [1] %}{% set _ = a.append(a) %}{{ a | length }}",
      "{% set d = {} %}{% set _ = d.update({'me': d}) %}{{ d | length }}",
    ]
    for source in knots {
      #expect(failure(source, dialect: .lenient).map { $0.kind == .limit } ?? true)
    }
    #expect(failure("{% set a = [1] %}{% set _ = a.append(a) %}{{ a }}", dialect: .lenient)?.kind == .limit)
    #expect(failure("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}")?.kind == .limit)
  }

  /// Damaged templates may fail or render, but never take the process down.
  @Test func survivesMutations() throws {
    var random = SplitMix(seed: 20_250_309)
    let families = [
      "llama3_tools", "mistral", "qwen25", "qwen3", "hermes_tools", "command_r", "nemotron", "train_mask",
    ]
    let sources = try families.map { Array(try Golden.read("families/\($0).jinja").utf8) }
    let golden = try #require(try Value(json: try Golden.read("families.json")).entries)
    let contexts = try #require(golden["conversations"]?.elements).compactMap { $0.entries?["context"]?.entries }
    let words = [
      "{%", "%}", "{{", "}}", "(", ")", "[", "]", "|", "if", "else", "endif", "for", "in", "loop", "'", "\"", "-", "*",
      "**", "9", ".", ":", ",",
    ]
    var limits = Limits()
    limits.steps = 20_000
    limits.text = 1 << 20
    var rendered = 0
    var refused = 0
    for _ in 0..<2_000 {
      var bytes = sources[random.below(sources.count)]
      for _ in 0...random.below(4) {
        let place = random.below(bytes.count)
        switch random.below(4) {
        case 0: bytes[place] = UInt8(random.below(256))
        case 1: bytes.removeSubrange(place..<min(bytes.count, place + random.below(20)))
        case 2: bytes.insert(contentsOf: words[random.below(words.count)].utf8, at: place)
        default:
          bytes.insert(
            contentsOf: bytes[place..<min(bytes.count, place + random.below(60))], at: random.below(bytes.count))
        }
      }
      do {
        let template = try Template(String(decoding: bytes, as: UTF8.self), dialect: .lenient)
        _ = try template.render(contexts[random.below(contexts.count)], clock: Golden.clock, limits: limits)
        rendered += 1
      } catch let error as JinjaError {
        #expect(error.line != nil && !error.message.isEmpty)
        refused += 1
      }
    }
    // Both happen often; otherwise the mutations would test nothing.
    #expect(rendered > 100 && refused > 100, "\(rendered) rendered, \(refused) refused")
  }

  /// Sebastiano Vigna's generator: the same mutations on every machine.
  private struct SplitMix {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { bound > 0 ? Int(next() % UInt64(bound)) : 0 }
  }
}
