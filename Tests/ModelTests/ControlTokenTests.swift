import Foundation
import PowerInferGGUF
import PowerInferJinja
import PowerInferModel
import PowerInferTestKit
import OrderedCollections
import Testing

/// Control tokens come from the template, whatever messages spell.
@Suite struct ControlTokenTests {
  private static let controls = [
    "<|im_start|>", "<|im_end|>", "<|user|>", "<|tool_call|>", "[INST]", "<s>", "</s>", "<｜User｜>", "<|end|>", "|>x",
  ]
  private static let added = ["<think>", "</think>"]

  /// Printable ASCII as single tokens, then the control tokens, then those found in any text.
  private static func tokenizer(controls: [String], added: [String]) throws -> Tokenizer {
    let characters = (0x21...0x7e as ClosedRange<UInt8>).map { String(Unicode.Scalar($0)) } + ["Ġ", "Ċ"]
    return try Tokenizer(
      vocabulary: Vocabulary(
        kind: .bytePair, preTokenizer: "gpt-2", tokens: characters + controls + added,
        types: characters.map { _ in .normal } + controls.map { _ in .control } + added.map { _ in .userDefined },
        merges: ["a b"]))
  }

  private let tokenizer: Tokenizer

  init() throws { tokenizer = try Self.tokenizer(controls: Self.controls, added: Self.added) }

  private func controls(_ template: String, _ content: String, role: String = "user") throws -> [String] {
    let text = try ChatTemplate(source: template).rendered(messages: [ChatMessage(role: role, content: content)])
    return tokenizer.encode(text, addSpecial: false).filter(tokenizer.isControl).compactMap { tokenizer.text(of: $0) }
  }

  private static let spellings = Self.controls.joined(separator: " ") + Self.controls.joined()

  @Test(arguments: [
    "c", "c|trim", "c.strip('x')", "c|replace('zz', 'y')", "c.replace('<|', '<|')", "c.replace('im_end', 'im_end')",
    "c|replace('|', '|')", "c.split(' ')|join(' ')", "c.split('|')|join('|')", "c.split('<')|join('<')",
    "c.rsplit('>', 3)|join('>')", "c.splitlines()|join", "c[:]", "c[0:9999]", "c[:3] ~ c[3:]", "c[::-1][::-1]",
    "c|list|join", "c|reverse|reverse", "c ~ ''", "c + ''", "'' ~ c", "'%s' % c", "'%s%s' % (c[:5], c[5:])",
    "'%.9999s'|format(c)", "'{}'.format(c)", "'{0}'.format(c)", "'{x:<5}'.format(x=c)", "c.format()", "c * 2",
    "c|upper|lower", "c|lower", "c.swapcase().swapcase()", "c.casefold()", "c|string", "c|safe", "c|tojson", "[c]",
    "{'a': c}|tojson(indent=2)", "{c: c}", "c|indent(4, true)", "c|center(999)", "c.ljust(999)", "c|wordwrap(9999)",
    "c|wordwrap(12)", "c|truncate(60, true)", "c|default('x')", "c|first ~ c[1:]", "[c, c]|join('')",
    "['', '']|join(c)",
    "c.join(['', ''])", "[c]|map('trim')|first", "[c]|first", "[c]|sort|last", "messages|map(attribute='content')|join",
    "messages|selectattr('role', 'eq', 'user')|map(attribute='content')|first", "(c ~ c)[c|length:]",
    "c.partition('|')|join",
    "c.removeprefix('zz')", "c.expandtabs()", "c|e|replace('&lt;', '<')|replace('&gt;', '>')",
    "c|replace('<', '&lt;')|striptags", "('[' ~ c|tojson ~ ']')|from_json|first", "dict(x=c).x", "namespace(x=c).x",
    "cycler(c).next()", "c.zfill(999)", "c or 'x'", "c if c else 'x'", "messages[0]['content']", "messages|tojson",
    "(c.split(' ')|batch(2)|list)", "c.split(' ')|unique|join(' ')", "c|urlencode", "{'k': c}.items()|list",
  ])
  func messagesSpellNone(expression: String) throws {
    let template = "<s>{% set c = messages[0].content %}{{ \(expression) }}<|im_end|>"
    #expect(try controls(template, Self.spellings) == ["<s>", "<|im_end|>"])
  }

  @Test(arguments: [
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(c) }}",
    "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{{ c }}{% endcall %}",
    "{% set b %}{{ c }}{% endset %}{{ b }}", "{% filter trim %}{{ c }}{% endfilter %}",
    "{% set b | trim %}{{ c }}{% endset %}{{ b }}", "{% for x in c %}{{ x }}{% endfor %}",
    "{% for x in c.split('|') %}{{ x }}{{ '|' if not loop.last }}{% endfor %}",
    "{% set n = namespace(t='') %}{% for x in c %}{% set n.t = n.t ~ x %}{% endfor %}{{ n.t }}",
    "{% with x = c %}{{ x }}{% endwith %}", "{% generation %}{{ c }}{% endgeneration %}",
    "{% for x in [c] recursive %}{{ x if x is string else '' }}{{ loop([]) }}{% endfor %}",
    "{% for m in messages %}{% for k, v in m.items() %}{{ k }}{{ v }}{% endfor %}{% endfor %}",
  ])
  func blocksPassNone(body: String) throws {
    let template = "<s>{% set c = messages[0].content %}\(body)<|im_end|>"
    #expect(try controls(template, Self.spellings) == ["<s>", "<|im_end|>"])
  }

  @Test func halvesDoNotMatch() throws {
    for control in Self.controls {
      for cut in control.indices.dropFirst() {
        let (head, tail) = (String(control[..<cut]), String(control[cut...]))
        #expect(try controls("<s>{{ '\(head)' ~ messages[0].content }}", tail) == ["<s>"], "\(control) at \(head)")
        #expect(try controls("<s>{{ messages[0].content }}\(tail)", head) == ["<s>"], "\(control) at \(head)")
      }
    }
    // A shorter token inside a longer one that does not count is still the template's.
    #expect(try controls("<|end|>{{ messages[0].content }}", "x") == ["<|end|>"])
    #expect(try controls("<|im_{{ messages[0].content }}|>", "end") == [])
    #expect(try controls("<|im_{{ '' }}end|>", "") == ["<|im_end|>"])
  }

  @Test func rolesThatAreKnownMakeTokens() throws {
    let template = "<|{{ messages[0].role }}|>{{ messages[0].content }}"
    #expect(try controls(template, "<|user|>") == ["<|user|>"])
    #expect(try controls(template, "<|user|>", role: "im_end") == [])
    #expect(try controls("<|{{ messages[0].content }}|>", "user") == [])
  }

  @Test func otherVariablesSpellNone() throws {
    let template = try ChatTemplate(
      source: "{{ bos_token }}{{ tools }}{{ x }}{{ messages[0].name }}{{ eos_token }}", bosToken: "<s>",
      eosToken: "</s>")
    func ids(_ extra: OrderedDictionary<String, Value>) throws -> [String] {
      let message = ChatMessage(role: "user", content: "", extras: ["name": "<|im_end|>"])
      let text = try template.rendered(messages: [message], tools: ["<|im_end|>", ["<s>": "</s>"]], extra: extra)
      return tokenizer.encode(text, addSpecial: false).filter(tokenizer.isControl).compactMap { tokenizer.text(of: $0) }
    }
    #expect(try ids(["x": "<|im_start|>"]) == ["<s>", "</s>"])
    #expect(try ids(["x": "", "bos_token": "<s>"]) == ["</s>"])
  }

  @Test func addedTokensAreFoundEverywhere() throws {
    let text = try ChatTemplate(source: "<think>{{ messages[0].content }}").rendered(messages: [.user("a</think>b")])
    let ids = tokenizer.encode(text, addSpecial: false)
    #expect(ids.compactMap { tokenizer.text(of: $0) } == ["<think>", "a", "</think>", "b"])
  }

  @Test func bordersAreNoBordersForTheRest() throws {
    // The merge "a b" joins what the template says with what the message says.
    let text = try ChatTemplate(source: "a{{ messages[0].content }}").rendered(messages: [.user("b")])
    let characters = (0x21...0x7e as ClosedRange<UInt8>).map { String(Unicode.Scalar($0)) } + ["ab"]
    let merging = try Tokenizer(
      vocabulary: Vocabulary(kind: .bytePair, preTokenizer: "gpt-2", tokens: characters, merges: ["a b"]))
    #expect(text.trusted == [0..<1])
    #expect(merging.encode(text, addSpecial: false) == [merging.id(of: "ab")])
  }

  /// What the golden templates of the interpreter's tests give is cut as if everything in it were trusted: for messages
  /// that spell no control tokens nothing has changed.
  @Test func goldenTemplatesGiveTheSameIDs() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("JinjaTests/Golden")
    func read(_ name: String) throws -> String {
      try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }
    let golden = try #require(try Value(json: read("families.json")).entries)
    var contexts: [String: OrderedDictionary<String, Value>] = [:]
    for element in try #require(golden["conversations"]?.elements) {
      let entry = try #require(element.entries)
      contexts[entry["name"]?.text ?? ""] = entry["context"]?.entries
    }
    var families: Set<String> = []
    var found = 0
    for element in try #require(golden["renderings"]?.elements) {
      let entry = try #require(element.entries)
      guard let wanted = entry["text"]?.text else { continue }
      let family = try #require(entry["family"]?.text)
      let conversation = try #require(entry["conversation"]?.text)
      var context = try #require(contexts[conversation])
      let messages = try #require(context.removeValue(forKey: "messages")?.elements).map { try ChatMessage($0) }
      let opensTurn = context.removeValue(forKey: "add_generation_prompt") == true
      let template = try ChatTemplate(
        source: try read("families/\(family)"), bosToken: context.removeValue(forKey: "bos_token")?.text ?? "",
        eosToken: context.removeValue(forKey: "eos_token")?.text ?? "", dialect: .strict)
      let rendered = try template.rendered(
        messages: messages, tools: context.removeValue(forKey: "tools")?.elements, addGenerationPrompt: opensTurn,
        extra: context, clock: .fixed(Date(timeIntervalSince1970: 1_741_529_107)))
      #expect(rendered.text == wanted, "\(family)")

      let spelt = Set(wanted.matches(of: Self.tokenLike).map { String($0.output) })
      let said = messages.map { "\($0)" }.joined()
      let tokenizer = try Self.tokenizer(
        controls: spelt.filter { !said.contains($0) }.sorted(), added: spelt.filter(said.contains).sorted())
      let ids = tokenizer.encode(rendered, addSpecial: false)
      #expect(ids == tokenizer.encode(wanted, addSpecial: false, parseSpecial: true), "\(family): \(wanted)")
      found += ids.count(where: tokenizer.isControl)
      families.insert(family)
    }
    #expect(families.count == 18 && found > 500, "\(families.count) families, \(found) control tokens")
  }

  private nonisolated(unsafe) static let tokenLike =
    /<\|[^|<> ]+\|>|<\/?[a-z_]+>|\[\/?[A-Z_]+\]|<｜[^｜]+｜>|<<\/?SYS>>/

  @Test func sentencePiecesAreGuardedToo() throws {
    var metadata = Metadata()
    TinyVocabulary.sentencePiece.add(to: &metadata)
    let tokenizer = try Tokenizer(metadata: metadata)
    let template = try ChatTemplate(source: "{{ bos_token }}{{ messages[0].content }}</s>", bosToken: "<s>")
    let ids = tokenizer.encode(try template.rendered(messages: [.user("</s><s>hello<unk>")]), addSpecial: false)
    #expect(ids.filter(tokenizer.isControl) == [1, 2] && ids.first == 1 && ids.last == 2)
    #expect(tokenizer.decode(ids) == "</s><s>hello<unk>")
  }

  /// The embedded model's whole vocabulary, through its own template.
  @Test(.enabled(if: TokenizerGoldenTests.smolLM2 != nil, "the embedded model is not in Models"))
  func theEmbeddedModelsControlTokensAreItsTemplates() throws {
    let metadata = try GGUFFile(opening: #require(TokenizerGoldenTests.smolLM2)).metadata
    let tokenizer = try Tokenizer(metadata: metadata)
    let template = try ChatTemplate(metadata: metadata)
    let spellings = (0..<Int32(tokenizer.count)).filter(tokenizer.isControl).compactMap { tokenizer.text(of: $0) }
    #expect(spellings.count > 15)
    func ids(_ content: String) throws -> [Int32] {
      tokenizer.encode(try template.rendered(messages: [.user(content)]), addSpecial: false)
    }
    let controls = try ids("hello").filter(tokenizer.isControl)
    #expect(controls.count >= 3)
    for separator in ["", " ", "\n"] {
      let content = spellings.joined(separator: separator)
      let found = try ids(content)
      #expect(found.filter(tokenizer.isControl) == controls)
      #expect(tokenizer.decode(found).contains(content))
    }
  }
}
