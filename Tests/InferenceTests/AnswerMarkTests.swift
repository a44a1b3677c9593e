import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// Marks of calls and of reasoning that a vocabulary has as control tokens are seen by those who look for them.
@Suite struct AnswerMarkTests {
  /// The tiny vocabulary, whose control tokens 0 and 2 are marks, and 1 is none.
  private static func tokenizer(_ opening: String, _ closing: String) throws -> Tokenizer {
    var metadata = Metadata()
    let vocabulary = TinyVocabulary.bytePairs()
    vocabulary.add(to: &metadata)
    var tokens = vocabulary.tokens
    (tokens[0], tokens[2]) = (opening, closing)
    metadata.set("tokenizer.ggml.tokens", .array(MetadataArray(tokens)))
    metadata.set("tokenizer.ggml.eos_token_id", .uint32(1))
    return try Tokenizer(metadata: metadata)
  }

  private static func text(_ tokens: [Int32], _ tokenizer: Tokenizer) -> String {
    var assembler = ModelVocabulary(tokenizer).makeTextAssembler()
    var text = ""
    for token in tokens { text += assembler.append(token) }
    return text + assembler.finish()
  }

  @Test func aCallBehindAControlTokenIsACall() throws {
    let tokenizer = try Self.tokenizer("[TOOL_CALLS]", "<|other|>")
    let call = #"[{"name": "pick", "arguments": {}}]"#
    let tokens = [0] + tokenizer.encode(call, addSpecial: false, parseSpecial: false)
    let text = Self.text(tokens + [2, 1], tokenizer)
    #expect(text == "[TOOL_CALLS]" + call, "other control tokens stay hidden")
    let answer = ParsedAnswer(text, nil, AnswerParser(reasoning: .think, calls: .listed))
    #expect(answer.calls == [.init(name: "pick", arguments: "{}")] && answer.text.isEmpty)
    // A message that spells the mark does not become it.
    #expect(!tokenizer.encode("[TOOL_CALLS]", addSpecial: false, parseSpecial: false).contains(0))
  }

  @Test func grammarsSeeTheControlToken() throws {
    let tokenizer = try Self.tokenizer("[TOOL_CALLS]", "<|other|>")
    let table = TokenTable(tokenizer, count: tokenizer.count)
    let tools = [try Tool(name: "pick", parameters: #"{"type": "object"}"#)]
    func next(_ constraint: Constraint) throws -> [Int32]? {
      let mask = try constraint.allowed?.mask()
      return mask.map { mask in (0..<Int32(tokenizer.count)).filter { mask.contains($0) } }
    }
    let open = tokenizer.encode("[", addSpecial: false, parseSpecial: false)
    // Held once the token has come.
    let offering = try ToolCallFormat.listed.grammar(offering: tools)
    var constraint = Constraint(
      try GrammarMachine(offering.graph, table), trigger: offering.trigger, beginsText: false)
    #expect(try next(constraint) == nil)
    try constraint.accept(0)
    let allowed = try #require(try next(constraint))
    #expect(open.allSatisfy(allowed.contains) && !allowed.contains(0) && !allowed.contains(2))
    // Allowed where a call is forced, and a beginning of it.
    let calling = try ToolCallFormat.listed.grammar(calling: tools)
    var forced = Constraint(try GrammarMachine(calling.graph, table), beginsText: false)
    #expect(try next(forced)?.contains(0) == true)
    #expect(try next(forced)?.contains(2) == false)
    try forced.accept(0)
    let then = try #require(try next(forced))
    #expect(!then.isEmpty && then.allSatisfy { tokenizer.bytes(of: $0).first == UInt8(ascii: "[") })
  }

  @Test func reasoningBetweenControlTokensComesApart() throws {
    let tokenizer = try Self.tokenizer("[THINK]", "[/THINK]")
    let words = { (text: String) in tokenizer.encode(text, addSpecial: false, parseSpecial: false) }
    let text = Self.text([0] + words("hm") + [2] + words("yes"), tokenizer)
    #expect(text == "[THINK]hm[/THINK]yes")
    let format = try #require(ReasoningFormat.shown(by: "{{ '[THINK]' }}"))
    let answer = ParsedAnswer(text, nil, AnswerParser(reasoning: format, calls: nil))
    #expect(answer.reasoning == "hm" && answer.text == "yes")
  }
}
