import Foundation
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// What grammars admit and refuse. Expected are the texts that GBNF's description and Unicode define.
@Suite struct GrammarTests {
  static let tokenizer = Result {
    let folder = try TemporaryFolder()
    return try LanguageModel(opening: TinyModel(seed: 5).write(to: folder.file("tiny.gguf"))).tokenizer
  }

  static func machine(_ grammar: Grammar) throws -> GrammarMachine {
    let tokenizer = try tokenizer.get()
    return try GrammarMachine(grammar.graph, TokenTable(tokenizer, count: tokenizer.count))
  }

  static func admits(_ grammar: Grammar, _ text: String) throws -> Bool {
    let machine = try machine(grammar)
    return machine.mayEnd(try machine.state(after: text.utf8, from: machine.start))
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let grammar: String
    let fits: [String]
    let others: [String]
    var testDescription: String { grammar }
  }

  static let cases = [
    Case(grammar: #"root ::= "yes" | "no""#, fits: ["yes", "no"], others: ["", "y", "yesno", "Yes"]),
    Case(
      grammar: #"root ::= [a-c]* "x"+ [^0-9]?"#, fits: ["x", "abcxx", "xé", "xx "], others: ["", "abc", "x5", "dx"]),
    Case(grammar: "root ::= [あ-う]{2,3}", fits: ["あい", "ううう"], others: ["あ", "ああああ", "え"]),
    Case(grammar: #"root ::= ."#, fits: ["a", "é", "🌍", "\n"], others: ["", "ab"]),
    Case(
      grammar: "root ::= a b # a comment\na ::= \"1\" |\n  \"2\"\nb ::= (\n \"3\" # another\n | \"4\" )",
      fits: ["13", "24"], others: ["1", "3", "12"]),
    Case(grammar: #"root ::= "\x41\u00e9\U0001F600\"\\\n""#, fits: ["Aé😀\"\\\n"], others: ["A"]),
    Case(grammar: #"root ::= "(" root ")" | """#, fits: ["", "()", "((()))"], others: ["(", "(()", "())"]),
    Case(grammar: "root ::= x root?\nx ::= [01]{3}", fits: ["010", "010111"], others: ["0101", ""]),
    Case(grammar: #"root ::= ("a" | "ab") ("c" | "bc")"#, fits: ["ac", "abc", "abbc"], others: ["ab", "abb"]),
    Case(grammar: #"root ::= ("a"?)*"#, fits: ["", "aaaa"], others: ["b"]),
    Case(grammar: #"root ::= [\]\-\\^]+"#, fits: ["]-\\^"], others: ["a", ""]),
    Case(grammar: "root ::= \"a\"{2}\r\n\r\n", fits: ["aa"], others: ["a", "aaa"]),
  ]

  @Test(arguments: cases) func grammarsAdmitTheirTexts(one: Case) throws {
    let grammar = try Grammar(gbnf: one.grammar)
    for text in one.fits { #expect(try Self.admits(grammar, text), "\(text.debugDescription)") }
    for text in one.others { #expect(try !Self.admits(grammar, text), "\(text.debugDescription)") }
  }

  @Test(arguments: [
    ("", GrammarError.noRule(name: "root")),
    ("root ::= other", .noRule(name: "other")),
    ("root ::= \"a\"\nroot ::= \"b\"", .twoRules(name: "root")),
    ("root ::= root \"a\" | \"b\"", .leftRecursion(rule: "root")),
    ("root ::= a\na ::= b \"x\" | \"y\"\nb ::= a", .leftRecursion(rule: "a")),
    ("root ::= \" \"? root | \"a\"", .leftRecursion(rule: "root")),
    ("root ::= \"a\" root", .noText(rule: "root")),
    ("root ::= \"a", .syntax(line: 1, expected: "a closing quotation mark", found: "its end")),
    ("root ::= \"a\"\nx := \"b\"", .syntax(line: 2, expected: "::= after the name of a rule", found: "\":\"")),
    ("root ::= [b-a]", .syntax(line: 1, expected: "a range of characters in ascending order", found: "\"]\"")),
    (
      "root ::= \"a\"{3,1}",
      .syntax(line: 1, expected: "a greatest number of repetitions that is not below the least", found: "its end")
    ),
    ("root ::= \"\\q\"", .syntax(line: 1, expected: "an escape sequence", found: "\"q\"")),
    ("root ::= \"\\uD800\"", .syntax(line: 1, expected: "the number of a character", found: "\"\"\"")),
    ("root ::= ((\"a\"{1000}){1000}){1000}", .tooLarge(limit: 200_000)),
    ("root ::= \"a\"{99999999999999999999}", .tooLarge(limit: 200_000)),
  ]) func wrongGrammarsAreSentences(text: String, expected: GrammarError) {
    #expect(throws: expected) { try Grammar(gbnf: text) }
  }

  @Test func deepGrammarsAreRefused() {
    #expect(throws: GrammarError.tooDeep(limit: 200)) {
      try Grammar(gbnf: "root ::= \"a\"" + String(repeating: "*", count: 500_000))
    }
    #expect(throws: GrammarError.tooDeep(limit: 200)) {
      try Grammar(gbnf: "root ::= " + String(repeating: "(", count: 100_000))
    }
  }

  @Test func aGrammarThatExplodesIsASentence() throws {
    // Every "a" may belong to any of many rules, each at a depth of its own.
    let grammar = try Grammar(gbnf: "root ::= x x x x x x\nx ::= \"a\" x x x | \"a\" x | \"a\"")
    let machine = try Self.machine(grammar)
    #expect(throws: GrammarError.self) {
      _ = try machine.state(after: repeatElement(0x61, count: 2000), from: machine.start)
    }
  }

  /// UTF-8 as Swift encodes it.
  @Test func characterClassesAreTheirBytes() throws {
    var random = SeededGenerator(seed: 3)
    let edges: [UInt32] = [
      0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF, 0x3F, 0x40, 0xFFF, 0x1000,
    ]
    for _ in 0..<300 {
      let ends = [0, 1].map { _ in
        random.below(2) == 0 ? edges[random.below(edges.count)] : UInt32(random.below(0x110000))
      }.sorted()
      let set = ScalarSet([ends[0]...ends[1]])
      let sequences = set.byteSequences
      for value in Set(
        edges + ends + ends.flatMap { [$0 &- 1, $0 &+ 1] } + (0..<20).map { _ in UInt32(random.below(0x110000)) })
      {
        guard let scalar = Unicode.Scalar(value) else { continue }
        let bytes = Array(String(Character(scalar)).utf8)
        let fits = sequences.filter { $0.count == bytes.count && zip($0, bytes).allSatisfy { $0.contains($1) } }.count
        #expect(fits == ((ends[0]...ends[1]).contains(value) ? 1 : 0), "U+\(String(value, radix: 16)) in \(ends)")
      }
      #expect(set.inverted.intersection(set).isEmpty && set.inverted.union(set) == .all)
    }
  }

  /// Masks are made along tokens that begin alike; here each token is followed for itself.
  @Test(arguments: cases) func masksAllowWhatMayFollow(one: Case) throws {
    let machine = try Self.machine(try Grammar(gbnf: one.grammar))
    let tokenizer = try Self.tokenizer.get()
    for text in one.fits {
      var state = machine.start
      for byte in text.utf8 {
        let mask = try machine.mask(of: state, isFirst: false)
        for id in 0..<Int32(tokenizer.count) {
          let bytes = tokenizer.isControl(id) ? [] : tokenizer.bytes(of: id)
          let fits =
            tokenizer.isEndOfGeneration(id)
            ? machine.mayEnd(state)
            : try !bytes.isEmpty && machine.state(after: bytes, from: state) != GrammarMachine.dead
          #expect(mask.contains(id) == fits, "token \(id) after part of \(text.debugDescription)")
        }
        state = try machine.state(after: [byte], from: state)
      }
    }
  }

  @Test func masksTakeLogitsAway() {
    var mask = TokenMask(count: 200)
    for token: Int32 in [0, 63, 64, 130, -1, 500] { mask.insert(token) }
    var logits = [Float](repeating: 1, count: 210)
    logits.withUnsafeMutableBufferPointer { mask.apply(to: $0) }
    #expect(logits.indices.filter { logits[$0] == 1 } == [0, 63, 64, 130])
  }
}
