import OrderedCollections
import Testing

@testable import PowerInferJinja

/// Integers at the ends of their range, wherever a template can put one: a result or a sentence, never a trap.
@Suite struct ExtremeIntegerTests {
  private static let extremes = [Int.min, .min + 1, -1, 0, 1, .max - 1, .max]

  private static let values: OrderedDictionary<String, Value> = [
    "s": "é\tab, b-c b", "n": "-12", "l": [1, 2, 3], "d": ["k": 1], "x": 2.5, "i": 7, "none": nil,
  ]

  /// Small limits keep what does succeed short.
  static let limits = {
    var limits = Limits()
    limits.steps = 2_000
    limits.text = 1 << 16
    limits.elements = 1_000
    return limits
  }()

  /// Renders with every choice of extremes for the names `a`, `b` and `c` that the expression mentions.
  private func survives(_ expression: String) throws {
    // Going through the result and printing it makes lazy sequences work.
    let source =
      "{% set r = \(expression) %}{% if r is iterable %}{% for y in r %}{{ y }}{% endfor %}{% endif %}"
      + "{{ r }}{{ r | length if r is sequence }}"
    let template = try Template(source, dialect: .lenient)
    let words = expression.split { !$0.isLetter }
    let names = ["a", "b", "c"].filter { words.contains(Substring($0)) }
    let choices = names.reduce([[Int]()]) { choices, _ in
      choices.flatMap { choice in Self.extremes.map { choice + [$0] } }
    }
    for choice in choices {
      var context = Self.values
      for (name, value) in zip(names, choice) { context[name] = .integer(value) }
      do {
        _ = try template.render(context, clock: Golden.clock, limits: Self.limits)
      } catch let error as JinjaError {
        #expect(error.kind == .limit || error.kind == .runtime, "\(expression) with \(choice): \(error)")
        #expect(error.message.hasSuffix("."), "\(expression) with \(choice): \(error)")
      }
    }
  }

  @Test(arguments: [
    "a + b", "a - b", "a * b", "a / b", "a // b", "a % b", "a ** b", "-a", "+a", "a < b", "a == b", "a in [b]",
    "s * a", "a * s", "l * a", "a * (1, 2)", "'' * a", "[] * a", "a ~ b", "a and b", "x * a", "a // x", "a % x",
    "1.5 ** a", "a is odd", "a is even", "a is divisibleby b", "[a, b, 1] | sum", "[a] | sum(start=b)",
  ])
  func operators(expression: String) throws { try survives(expression) }

  @Test(arguments: [
    "range(a)", "range(a, b)", "range(a, b, c)", "range(a, b)[c]", "range(a, b, c)[1:]", "range(a, b) == range(b, c)",
    "range(0, 10, 2)[a]", "range(0, 10, 2)[a:b:c]", "range(9, -9, -4)[a:b:c]", "range(0, 10, 2)[::a][::b]",
    "range(1, 9, a)[b:c]", "range(9, 1, a)[b:c:-1]", "a in range(3)", "s[a]", "l[a]", "(1, 2)[a]", "d[a]", "s[a:b:c]",
    "l[a:b:c]", "(1, 2, 3)[a:b:c]", "(s | safe)[a:b:c]", "d.items()[a:b]",
  ])
  func rangesAndSlices(expression: String) throws { try survives(expression) }

  @Test(arguments: [
    "s.center(a)", "s.ljust(a, 'x')", "s.rjust(a)", "s.zfill(a)", "n.zfill(a)", "s.expandtabs(a)",
    "'\\t'.expandtabs(a)",
    "s.split(',', a)", "s.split(none, a)", "s.rsplit(' ', a)", "s.rsplit(none, a)", "s.splitlines(a)",
    "s.find('b', a, b)", "s.rfind('b', a, b)", "s.find('', a, b)", "s.index('b', a, b)", "s.rindex('', a, b)",
    "s.count('b', a, b)", "s.count('', a, b)", "s.startswith('', a, b)", "s.endswith('b', a, b)",
    "s.replace('b', 'xyz', a)", "s.replace('', 'x', a)", "l.index(2, a, b)", "l.count(a)", "(1, 2).index(2, a, b)",
    "l.insert(a, b)", "l.pop(a)", "d.get(a, b)", "d.pop(a, b)", "d.setdefault(a, b)", "i.bit_length()",
    "a.bit_length()", "a.real", "range(a, b, c).start",
  ])
  func methods(expression: String) throws { try survives(expression) }

  @Test(arguments: [
    "('{' ~ a ~ '}').format(1)", "('{:' ~ a ~ '}').format(1)", "('{:.' ~ a ~ '}').format(x)",
    "('{:.' ~ a ~ 'f}').format(x)", "('{:.' ~ a ~ '}').format(s)", "'{:{}}'.format(s, a)", "'{:{}.{}}'.format(s, a, b)",
    "'{:{}.{}f}'.format(x, a, b)", "'{:^{}}'.format(c, a)", "'{:={}}'.format(a, b)", "('{0[' ~ a ~ ']}').format(l)",
    "'{:c}'.format(a)", "'{:x} {:#X} {:o} {:b} {:n} {:,} {:_}'.format(a, a, a, a, a, a, a)",
    "'{:f} {:e} {:g} {:%}'.format(a, a, a, a)", "'{:+} {: }'.format(a, b)",
    "'%*d' % (a, 3)", "'%-*d' % (a, b)", "'%0*d' % (a, b)", "'%.*d' % (a, b)", "'%*.*d' % (a, b, c)", "'%.*f' % (a, x)",
    "'%*.*f' % (a, b, x)", "'%*.*s' % (a, b, s)", "'%*r' % (a, s)", "'%c' % a",
    "'%d %x %X %o %i %u' % (a, a, a, a, a, a)",
    "'%f %e %g' % (a, a, a)", "'%d' % (a * 1.0)", "('%' ~ a ~ 'd') % 1", "('%.' ~ a ~ 'f') % x", "('%0' ~ a ~ 'd') % 1",
    "s | format(a)", "'%*d' | format(a, b)", "strftime_now('%' ~ a ~ 'd')",
  ])
  func formats(expression: String) throws { try survives(expression) }

  @Test(arguments: [
    "a | round(b)", "x | round(a)", "x | round(a, 'floor')", "a | round(b, 'ceil')", "a | abs", "a | int",
    "n | int(0, a)",
    "'zz' | int(a, b)", "(a * 1.0) | int", "(a * 1.0) | filesizeformat", "a | filesizeformat(true)", "a | float",
    "s | truncate(a, true, '!', b)", "s | truncate(a, false, '', b)", "s | truncate(a)", "s | wordwrap(a)",
    "s | wordwrap(a, false)", "s | wordwrap(a, true, '\\n', false)", "s | indent(a)", "s | indent(a, true, true)",
    "s | center(a)", "s | replace('b', 'xyz', a)", "s | replace('', 'x', a)", "l | batch(a)", "l | batch(a, b)",
    "l | slice(a)", "l | slice(a, b)", "range(9) | slice(a)", "d | tojson(indent=a)", "[a, b] | tojson",
    "[[a], [b]] | map(attribute=0) | sum", "[l, l] | map(attribute=a)", "[l, l] | sort(attribute=a)",
    "[l, l] | groupby(a)", "[l] | map('batch', a)", "[a, b, c] | sort", "[a, b, c] | min", "[a, b, c] | max",
    "[a, b, a] | unique", "[a, b] | join(c)", "[l] | selectattr(a)", "[1, 5] | select('divisibleby', a)",
    "a | default(b)",
    "a | string", "a | tojson", "a | urlencode", "{a: b} | dictsort", "{a: b} | xmlattr", "dict([[a, b]])",
  ])
  func filters(expression: String) throws { try survives(expression) }

  /// Whatever is added to the tables later is called with extremes too, on values of every type.
  @Test func everyFilterAndMethod() throws {
    #expect(FilterTable.names.count > 50 && StringMethods.names.count > 40)
    for name in FilterTable.names {
      for input in ["s", "l", "d", "x", "c", "range(0, 9, 4)"] {
        for arguments in ["", "a", "'k', a"] { try survives("\(input) | \(name)(\(arguments))") }
      }
      for input in ["s", "l", "i"] { try survives("\(input) | \(name)(a, b)") }
    }
    for name in StringMethods.names {
      for arguments in ["", "a", "a, b", "'b', a", "'b', a, b"] { try survives("s.\(name)(\(arguments))") }
    }
  }

  @Test func loopsAndCounters() throws {
    try survives("cycler(a, b).next()")
    for loop in ["index", "revindex0", "length", "depth", "cycle(a, b)", "changed(a)", "previtem"] {
      let template = try Template("{% for y in range(a, b) %}{{ loop.\(loop) }}{% break %}{% endfor %}")
      for a in Self.extremes {
        for b in Self.extremes {
          do {
            _ = try template.render(["a": .integer(a), "b": .integer(b)], limits: Self.limits)
          } catch let error as JinjaError {
            #expect(error.kind == .limit)
          }
        }
      }
    }
  }

  private func sentence(_ source: String) -> String? {
    Golden.render(source, ["least": .integer(.min), "most": .integer(.max)]).error?.message
  }

  @Test func saysWhatDoesNotFit() {
    #expect(sentence("{{ range(0, least, -1) }}") == "a range has more than 100000 elements.")
    #expect(
      sentence("{{ range(0, 10, 2)[::least] }}")
        == "the slice of a range has a bound or a step that does not fit in 64 bits.")
    #expect(
      sentence("{{ '{9223372036854775807}'.format() }}")
        == "the format has no value at position 9223372036854775807, found 0 values.")
    #expect(sentence("{{ 'é\\t'.expandtabs(most) }}") == "a text grows beyond 16777216 bytes.")
    #expect(sentence("{{ '%*d' % (least, 3) }}") == "a text grows beyond 16777216 bytes.")
    #expect(sentence("{{ least // -1 }}") == "the result of a calculation does not fit in 64 bits.")
    #expect(sentence("{{ -least }}") == "the result of a calculation does not fit in 64 bits.")
    #expect(sentence("{{ most | round(-19) }}") == "a rounded number does not fit in 64 bits.")
    #expect(sentence("{{ -1e25 | filesizeformat }}") == "the number -1e+25 does not fit in 64 bits.")
  }
}
