import OrderedCollections
import Testing

@testable import PowerInferJinja

/// Which bytes of a rendering are the template's own.
///
/// The template's literals are Cyrillic here and the context is Greek, so that every letter of a result says where it
/// comes from.
@Suite struct TrustTests {
  private static let context: OrderedDictionary<String, Value> = [
    "u": "Αβγ δε, ζη", "w": "Σοφία", "m": ["content": "Λόγος\nκαι λόγος", "Κλειδί": "τιμή", "n": 12],
    "ul": ["Αθήνα", "Βόλος", "Γάζα"], "tag": "<b>ΝΑΙ</b> &amp; Όχι",
  ]
  /// Literals in variables: trust is the text's, wherever it goes.
  private static let prelude =
    "{% set t = 'Жизнь, мир и Труд' %}{% set q = 'Да' %}{% set tl = ['Юг', 'Восток'] %}{% set d = {'Ключ': u, q: 'Дом'} %}"

  private static func render(_ body: String, dialect: Template.Dialect = .lenient) throws -> RenderedText {
    try Template(prelude + body, dialect: dialect).rendered(
      context, clock: Golden.clock, limits: ExtremeIntegerTests.limits)
  }

  /// The text with `«…»` around what is trusted.
  private static func marked(_ text: RenderedText) -> String {
    var bytes = Array(text.text.utf8)
    for range in text.trusted.reversed() {
      bytes.insert(contentsOf: "»".utf8, at: range.upperBound)
      bytes.insert(contentsOf: "«".utf8, at: range.lowerBound)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func isGreek(_ scalar: Unicode.Scalar) -> Bool { (0x370...0x3FF).contains(scalar.value) }
  private static func isCyrillic(_ scalar: Unicode.Scalar) -> Bool { (0x400...0x4FF).contains(scalar.value) }

  /// Every Cyrillic letter is trusted and no Greek one.
  private func check(_ text: RenderedText, _ source: String) {
    var offset = 0
    for scalar in text.text.unicodeScalars {
      let width = UTF8.width(scalar)
      let isTrusted = text.isTrusted(offset..<offset + width)
      if Self.isGreek(scalar) { #expect(!isTrusted, "\(source): \(Self.marked(text))") }
      if Self.isCyrillic(scalar) { #expect(isTrusted, "\(source): \(Self.marked(text))") }
      offset += width
    }
    for (range, next) in zip(text.trusted, text.trusted.dropFirst()) { #expect(range.upperBound < next.lowerBound) }
    #expect(text.trusted.allSatisfy { !$0.isEmpty && $0.upperBound <= text.text.utf8.count })
  }

  @Test(arguments: [
    ("{{ u }}Ж{{ 'Я' }}", "Αβγ δε, ζη«ЖЯ»"),
    ("{{ t[1:3] ~ u[1:3] ~ t[-1] ~ u[0] }}", "«из»βγ«д»Α"),
    ("{{ (u + t)[8:12] }}", "ζη«Жи»"),
    ("{{ (t + u)[::-4] }}", "ηεβ«р  з»"),
    ("{{ (' ' ~ w ~ ' Ж ')|trim }}", "Σοφία« Ж»"),
    ("{{ (w ~ 'Жаба').upper() }}|{{ (w ~ 'Жаба')|lower }}", "ΣΟΦΊΑ«ЖАБА|»σοφία«жаба»"),
    (
      "{{ (w ~ ' жаба')|title }}{{ ('жаба' ~ w)|capitalize }}{{ ('Ж' ~ w).swapcase() }}",
      "Σοφία« ЖабаЖаба»σοφία«ж»σΟΦΊΑ"
    ),
    ("{{ 'Да-Нет'.replace('-', u[0]) }}{{ w.replace('φ', 'Ж') }}", "«Да»Α«Нет»Σο«Ж»ία"),
    ("{{ w|replace('', 'Ж', 2) }}{{ 'Да'|replace('', w[0]) }}", "«Ж»Σ«Ж»οφίαΣ«Д»Σ«а»Σ"),
    ("{{ (t ~ ',' ~ u).split(',')|join('Ж') }}", "«ЖизньЖ мир и ТрудЖ»Αβγ δε«Ж» ζη"),
    ("{{ (w ~ ' Ж ' ~ w).split() | join }}{{ (w ~ ' Ж').rsplit(' ', 1)[1] }}", "Σοφία«Ж»Σοφία«Ж»"),
    ("{{ tl | join(w) }}{{ ul | join('Ж') }}", "«Юг»Σοφία«Восток»Αθήνα«Ж»Βόλος«Ж»Γάζα"),
    ("{{ 'Ж'.join([w, 'Да', w]) }}{{ w[0].join(['Да', 'Нет']) }}", "Σοφία«ЖДаЖ»Σοφία«Да»Σ«Нет»"),
    ("{{ 'Ж%sД%5.2s!' % (w, 'Нет') }}", "«Ж»Σοφία«Д»   «Не!»"),
    ("{{ '%s' % w }}{{ w[0] ~ '%s' % 'Ж' }}{{ ('Ж' ~ w ~ '%%%d') % 7 }}", "ΣοφίαΣ«ЖЖ»Σοφία«%»7"),
    ("{{ 'Ж{0}{{{x:Д>3}'.format(w, x=q) }}{{ '{!r}'.format(q) }}", "«Ж»Σοφία«{ДДа»'«Да»'"),
    ("{{ (w ~ '{}').format('Ж') }}{{ '{:>4}'.format('Ж') }}{{ '{:*^5}'.format(w[0]) }}", "Σοφία«Ж»   «Ж**»Σ«**»"),
    ("{{ 'Ж' * 3 }}{{ w[0] * 2 }}{{ ('Ж' ~ w[0]) * 2 }}", "«ЖЖЖ»ΣΣ«Ж»Σ«Ж»Σ"),
    ("{% for c in w[:2] ~ 'Да' %}{{ c }}-{% endfor %}", "Σ«-»ο«-Д-а-»"),
    (
      "{% macro f(x, y='Ж') %}{{ x }}{{ y }}{{ caller() if caller }}{% endmacro %}{{ f(w) }}{{ f('Да', w) }}",
      "Σοφία«ЖДа»Σοφία"
    ),
    ("{% set b %}Ж{{ w }}{% endset %}{{ b[:3] }}{% filter upper %}ж{{ w }}{% endfilter %}", "«Ж»Σο«Ж»ΣΟΦΊΑ"),
    ("{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}Ж{{ w }}{% endcall %}", "«[Ж»Σοφία«]»"),
    ("{% set n = namespace(x='Ж') %}{% for i in [1, 2] %}{% set n.x = n.x ~ w[0] %}{% endfor %}{{ n.x }}", "«Ж»ΣΣ"),
    ("{{ [w, 'Ж']|tojson }}", "[\"Σοφία\", \"«Ж»\"]"),
    ("{{ {'Ж': w}|tojson(indent='Д') }}", "{\n«Д»\"«Ж»\": \"Σοφία\"\n}"),
    ("{{ [w, 'Ж'] }}{{ {'Ж': 1} }}{{ ('Ж',)|string }}", "['Σοφία', '«Ж»']{'«Ж»': 1}('«Ж»',)"),
    ("{{ m['Κλειδί'] }}{{ d.keys()|first }}{{ d['Да'] }}{{ d.Ключ[0] }}", "τιμή«КлючДом»Α"),
    ("{{ 5 }}{{ m.n }}{{ true }}{{ none }}{{ 1.5 }}{{ range(2)|list }}", "512TrueNone1.5[0, 1]"),
    (
      "{{ u|center(12) }}{{ 'Ж'.ljust(3, w[0]) }}{{ w[0].rjust(3, 'Ж') }}{{ 'Ж'.zfill(3) }}",
      " Αβγ δε, ζη «Ж»ΣΣ«ЖЖ»Σ00«Ж»"
    ),
    ("{{ ('Ж\n' ~ w)|indent(2) }}{{ ('Ж\n' ~ w)|indent('Д') }}", "«Ж»\n  Σοφία«Ж»\n«Д»Σοφία"),
    ("{{ 'Жаба Да'|truncate(4, true, w[0], 0) }}{{ w|truncate(3, true, 'Ж', 0) }}", "«Жаб»ΣΣο«Ж»"),
    ("{{ (w ~ ' Жаба')|wordwrap(5, true, 'Д') }}", "Σοφία«ДЖаба»"),
    ("{{ ('Ж&' ~ w ~ '<')|e }}{{ (tag ~ '<i>Ж</i>')|striptags }}", "«Ж&amp;»Σοφία«&lt;»ΝΑΙ & Όχι«Ж»"),
    ("{{ ('Ж ' ~ 'a')|urlencode }}", "«%D0%96%20a»"),
    ("{{ ('Ж' ~ w)|reverse }}{{ tl|reverse|first }}{{ (ul + tl)|sort|last }}", "αίφοΣ«ЖВостокЮг»"),
    ("{{ ('Ж' ~ w).removeprefix('Ж') }}{{ ('Ж' ~ w).removesuffix(w) }}{{ ('Ж' ~ w).lstrip('Ж') }}", "Σοφία«Ж»Σοφία"),
    ("{% set p = ('Да' ~ w ~ 'Нет').partition('Σοφία') %}{{ p[0] }}{{ p[1] }}{{ p[2] }}", "«Да»Σοφία«Нет»"),
    ("{{ ('Ж\t' ~ w).expandtabs(3) }}{{ (w ~ '\nЖ').splitlines()[1] }}", "«Ж»  Σοφία«Ж»"),
    ("{{ missing|default('Ж') }}{{ missing|default(w) }}{{ w or 'Ж' }}{{ '' or 'Ж' }}", "«Ж»ΣοφίαΣοφία«Ж»"),
    ("{{ ('[\"Ж\"]'|from_json)[0] }}{{ (('[\"' ~ w ~ 'a\"]')|from_json)[0] }}", "«Ж»Σοφίαa"),
    ("{{ strftime_now('Ж %Y') }}{{ strftime_now(w) }}", "«Ж 2025»Σοφία"),
    ("{{ cycler('Ж', w).next() }}{{ dict(a='Ж').a }}{{ dict(**d)['Да'] }}", "«ЖЖДом»"),
    ("{{ ul|map('replace', 'Α', 'Ж')|first }}{{ [w, 'Ж']|map('upper')|join }}", "«Ж»θήναΣΟΦΊΑ«Ж»"),
    ("{{ [w, 'Ж']|batch(1)|list }}{{ ['Ж', w]|groupby(0)|length }}", "[['Σοφία'], ['«Ж»']]2"),
    ("{{ {'class': 'Ж', 'id': w}|xmlattr }}", " «class»=\"«Ж»\" «id»=\"Σοφία\""),
  ])
  func followsTheBytes(source: String, wanted: String) throws {
    let text = try Self.render(source)
    #expect(Self.marked(text) == wanted, "\(source)")
    check(text, source)
    // Trust changes no text.
    let template = try Template(Self.prelude + source, dialect: .lenient)
    #expect(try template.render(Self.context, clock: Golden.clock) == text.text)
    let trust = TrustedVariables(names: Set(Self.context.keys))
    #expect(try template.rendered(Self.context, trusting: trust, clock: Golden.clock).text == text.text)
  }

  /// Every filter and method there is, now or later, on literals, on the context and on both.
  @Test func everyFilterAndMethod() throws {
    let inputs = ["w", "q", "(w ~ ' ' ~ t ~ '\\n' ~ u)", "[w, t]", "d", "m"]
    let arguments = ["", "w", "q", "3", "q, w", "w, q", "'о', w", "3, q", "3, w", "3, true, w ~ q", "[w, q]"]
    var successes: Set<String> = []
    for name in FilterTable.names + ["from_json"] {
      for input in inputs {
        for argument in arguments {
          let source =
            "{% set r = \(input) | \(name)(\(argument)) %}{{ r | list if r is iterable and r is not string else r }}"
          guard let text = try? Self.render(source) else { continue }
          successes.insert(name)
          check(text, source)
        }
      }
    }
    for name in StringMethods.names {
      for input in inputs.prefix(3) {
        for argument in arguments {
          guard let text = try? Self.render("{{ \(input).\(name)(\(argument)) }}") else { continue }
          successes.insert("." + name)
          check(text, "\(input).\(name)(\(argument))")
        }
      }
    }
    // Otherwise the calls would test nothing.
    #expect(successes.count > 85, "\(successes.sorted())")
  }

  /// Long chains of random operations on texts of both kinds.
  @Test func chainsOfOperations() throws {
    let operations = [
      "{x} ~ w", "q ~ {x}", "{x}[1:]", "{x}[::-1]", "{x}[:-1] ~ t[2]", "{x}|upper", "{x}.lower()", "{x}|title",
      "{x}|replace('О', w)", "{x}.replace('Σ', q)", "{x}|trim", "{x}.strip('аα')", "{x}.split()|join(q)",
      "({x} ~ ' ' ~ w).split(' ')|last", "'%s+%s' % ({x}, q)", "'{0}{1}{0}'.format({x}, w[0])", "{x} * 2",
      "({x}|list)|join", "{x}|indent(1)", "({x} ~ q)|truncate(20, true, w[0])", "{x}|wordwrap(7)", "{x}.title()[2:]",
      "({x}|reverse) ~ ''", "{x}.partition('и')[2] ~ {x}.partition('и')[0]", "{x}.swapcase()", "{x}.zfill(9)",
      "[{x}, q]|tojson", "{x}.splitlines()|join(w[1])", "{x}|e|string", "{x}.center(9, q[0])",
    ]
    var state: UInt64 = 20_250_309
    for _ in 0..<300 {
      var source = "{% set x = t ~ w %}"
      for _ in 0..<8 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let operation = operations[Int(state >> 33) % operations.count]
        source += "{% set x = (\(operation.replacing("{x}", with: "x")))[:200] %}"
      }
      check(try Self.render(source + "{{ x }}"), source)
    }
  }

  @Test func variablesAreTrustedOnlyOnRequest() throws {
    let template = try Template(
      "{{ bos }}{{ bos|upper }}{{ ms[0].role }}{{ ms[1].role }}{{ ms[0].name }}{{ ms[1].x.role }}")
    let context: OrderedDictionary<String, Value> = [
      "bos": "<s>", "ms": [["role": "user", "name": "user"], ["role": "end", "x": ["role": "user"]]],
    ]
    #expect(try template.rendered(context).trusted == [])
    let trust = TrustedVariables(names: ["bos"], words: ["ms": ["role": ["user", "system"]]])
    let text = try template.rendered(context, trusting: trust)
    #expect(text.text == "<s><S>userenduseruser" && text.trusted == [0..<10])
  }

  @Test func rangesAnswerForTheirBytes() throws {
    let text = try Template("ab{{ x }}cd{{ x }}").rendered(["x": "--"])
    #expect(text.trusted == [0..<2, 4..<6])
    let ranges = (0..<8).flatMap { low in (low + 1...8).map { low..<$0 } }
    #expect(ranges.filter(text.isTrusted) == [0..<1, 0..<2, 1..<2, 4..<5, 4..<6, 5..<6])
    #expect(RenderedText(trusting: "abc").isTrusted(0..<3) && !RenderedText(untrusted: "abc").isTrusted(0..<1))
    #expect(RenderedText(trusting: "").trusted == [] && RenderedText(untrusted: "").trusted == [])
  }
}
