import Foundation
import PowerInferJinja
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// Grammars that hold from somewhere in an answer on.
@Suite struct LazyGrammarTests {
  private static func tool(_ name: String = "pick", _ parameters: String = #"{"type": "object"}"#) throws -> Tool {
    try Tool(name: name, parameters: parameters)
  }

  /// A constraint that has taken a text, token by token.
  private func constraint(
    _ grammar: Grammar, after texts: String..., openReasoning: ReasoningFormat? = nil
  ) throws -> Constraint {
    let tokenizer = try GrammarTests.tokenizer.get()
    var constraint = Constraint(
      try GrammarTests.machine(grammar), trigger: grammar.trigger, beginsText: false, openReasoning: openReasoning)
    for text in texts {
      for token in tokenizer.encode(text, addSpecial: false, parseSpecial: false) {
        if let allowed = constraint.allowed { #expect(try allowed.contains(token), "\(text.debugDescription)") }
        try constraint.accept(token)
      }
    }
    return constraint
  }

  /// The single bytes that may come next; nil where all may.
  private func next(_ constraint: Constraint) throws -> Set<String>? {
    let tokenizer = try GrammarTests.tokenizer.get()
    return try constraint.allowed.map { try $0.mask() }.map { mask in
      Set(
        (0..<Int32(tokenizer.count)).filter { mask.contains($0) && !tokenizer.isControl($0) }.compactMap {
          let bytes = tokenizer.bytes(of: $0)
          return bytes.count == 1 ? String(decoding: bytes, as: UTF8.self) : nil
        })
    }
  }

  @Test func aCallIsHeldOnceItIsOpened() throws {
    let grammar = try ToolCallFormat.tagged.grammar(offering: [Self.tool()])
    for free in ["", "Hello", "<think>x", "<think>the <tool_call> is", "a <tool_cal"] {
      #expect(try next(constraint(grammar, after: free)) == nil, "\(free)")
    }
    for held in ["<tool_call>", "Hi.\n<tool_call>", "<think>x</think>\n<tool_call>"] {
      #expect(try next(constraint(grammar, after: held)) == [" ", "\n", "{"], "\(held)")
    }
    #expect(try next(constraint(grammar, after: "<tool_call>", "\n{\"name\": \"")) == ["p"])
    // In every piece in which a tokenizer may cut the mark.
    #expect(try next(constraint(grammar, after: "<", "to", "ol_", "call", ">")) == [" ", "\n", "{"])
    // Free again behind it, and held once more.
    let call = "\n{\"name\": \"pick\", \"arguments\": {\"a\": 1}}\n</tool_call>"
    let after = try constraint(grammar, after: "<tool_call>", call)
    #expect(try next(after) == nil && !after.isComplete)
    #expect(try next(constraint(grammar, after: "<tool_call>", call, "\n<tool_call>")) == [" ", "\n", "{"])
    // Nothing ends in the middle of a call.
    let tokenizer = try GrammarTests.tokenizer.get()
    let mask = try #require(try constraint(grammar, after: "<tool_call>\n").allowed?.mask())
    #expect(tokenizer.endOfGenerationTokens.allSatisfy { !mask.contains($0) })
  }

  @Test func aBareCallIsHeldFromTheAnswersBeginning() throws {
    let grammar = try ToolCallFormat.bare.grammar(offering: [Self.tool()])
    #expect(try next(constraint(grammar, after: "{\"name\": \"")) == ["p"])
    #expect(try next(constraint(grammar, after: " {\"name\":")) == [" ", "\n", "\""])
    for free in ["{\"na", "{\"city\": 1", "The call {\"name\": \""] {
      #expect(try next(constraint(grammar, after: free)) == nil, "\(free)")
    }
    let whole = try constraint(grammar, after: "{\"name\": \"pick\", \"parameters\": {}}")
    #expect(whole.isComplete)
  }

  @Test func aListOfCallsEndsTheAnswer() throws {
    let grammar = try ToolCallFormat.listed.grammar(offering: [Self.tool("a"), Self.tool("b")])
    #expect(try next(constraint(grammar, after: "Hello [")) == nil)
    let list = "[{\"name\": \"a\", \"arguments\": {}}, {\"name\": \"b\", \"arguments\": {}}"
    #expect(try next(constraint(grammar, after: "[TOOL_CALLS]", list)) == [" ", "\n", ",", "]"])
    #expect(try constraint(grammar, after: "[TOOL_CALLS]", list + "]").isComplete)
  }

  @Test func modelsWithoutAFormatAreHeldFromTheFirstToken() throws {
    let grammar = try ToolCallFormat.generic.grammar(offering: [Self.tool()])
    for text in [
      #"{"tool_call": {"name": "pick", "arguments": {}}}"#, #"{"response": "Hello."}"#,
    ] { #expect(try GrammarTests.admits(grammar, text), "\(text)") }
    for text in ["Hello", #"{"tool_call": {"name": "other", "arguments": {}}}"#, "{}"] {
      #expect(try !GrammarTests.admits(grammar, text), "\(text)")
    }
    let forced = try ToolCallFormat.generic.grammar(calling: [Self.tool()])
    #expect(try !GrammarTests.admits(forced, #"{"response": "Hello."}"#))
  }

  /// As programs write the parameters of nested types: references are to places in the tool's own schema.
  @Test(arguments: [ToolCallFormat.tagged, .listed, .bare, .generic]) func referencesAreTheTools(format: ToolCallFormat)
    throws
  {
    let size = { (most: Int) in
      "{\"type\": \"object\", \"properties\": {\"size\": {\"$ref\": \"#/$defs/Size\"}}, \"required\": [\"size\"], \"$defs\": {\"Size\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": \(most)}}}"
    }
    let tools = [try Self.tool("small", size(3)), try Self.tool("large", size(30))]
    let grammar = try format.grammar(calling: tools)
    func call(_ name: String, _ size: Int) -> String {
      let key = format == .bare ? "parameters" : "arguments"
      let object = "{\"name\": \"\(name)\", \"\(key)\": {\"size\": \(size)}}"
      switch format {
      case .tagged: return "<tool_call>\n\(object)\n</tool_call>"
      case .listed: return "[TOOL_CALLS][\(object)]"
      case .bare: return object
      case .generic: return "{\"tool_call\": \(object)}"
      }
    }
    for (name, number, fits) in [("small", 3, true), ("small", 4, false), ("large", 30, true), ("large", 31, false)] {
      #expect(try GrammarTests.admits(grammar, call(name, number)) == fits, "\(name) \(number)")
    }
    _ = try format.grammar(offering: tools)
  }

  @Test func whatIsThoughtIsFree() throws {
    let grammar = try Grammar(gbnf: #"root ::= "yes" | "no""#)
    #expect(try next(constraint(grammar, after: "Well, I th", openReasoning: .think)) == nil)
    #expect(try next(constraint(grammar, after: "Well.</think>", openReasoning: .think)) == ["n", "y"])
    #expect(try constraint(grammar, after: "Well.</think>", "yes", openReasoning: .think).isComplete)
    #expect(try next(constraint(grammar, after: "")) == ["n", "y"])
  }

  /// An answer of a random model whose mark is made likely: behind every mark stands what the grammar says.
  @Test(.timeLimit(.minutes(5))) func answersAreHeldBehindEveryMark() async throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: TinyModel(seed: 5).write(to: folder.file("tiny.gguf")))
    let engine = try Engine(model: model, options: EngineOptions(contextSize: 512, threads: 1))
    let mark = try #require(model.tokenizer.encode("~", addSpecial: false, parseSpecial: false).last)
    var request = GenerationRequest(.tokens([5, 6, 7]))
    (request.sampling.temperature, request.sampling.topK, request.sampling.seed) = (3, 0, 1)
    request.sampling.logitBias = [mark: 9]
    request.options.maxTokens = 300
    request.options.ignoreEndOfGeneration = true
    request.grammar = try Grammar(schema: ["const": "ab"], trigger: .mark("~", isRepeated: true))
    let text = try #require(try await engine.generate(request).collect().result).text
    let behind = text.components(separatedBy: "~").dropFirst()
    #expect(behind.count > 3)
    for part in behind.dropLast() { #expect(part.hasPrefix("\"ab\""), "\(part.debugDescription)") }
  }
}
