import Foundation
import PowerInfer
import PowerInferTestKit
import Testing

/// Answers of a tiny random model, held to a form: left alone, it writes nothing that makes sense. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct ConstrainedAnswerTests {
  private static let model = Result {
    let folder = try TemporaryFolder()
    return try LanguageModel(opening: TinyModel(seed: 5).write(to: folder.file("tiny.gguf")))
  }

  private func engine() throws -> Engine {
    var options = EngineOptions(contextSize: 256, threads: 1)
    options.isDeterministic = true
    return try Engine(model: Self.model.get(), options: options)
  }

  private func request(_ seed: UInt64, _ grammar: Grammar?, most: Int = 200) -> GenerationRequest {
    var request = GenerationRequest(.tokens([5, 6, 7]))
    request.sampling.temperature = 3
    request.sampling.topK = 0
    request.sampling.seed = seed
    request.options.maxTokens = most
    request.grammar = grammar
    return request
  }

  @Test func answersFitTheGrammar() async throws {
    let engine = try engine()
    let grammar = try Grammar(gbnf: #"root ::= "[" item ("," item){0,3} "]" "\n"\#nitem ::= [a-c]{1,4} | "é""#)
    for seed in 0..<30 {
      let result = try await engine.generate(request(UInt64(seed), grammar)).collect().result
      #expect(result?.finishReason == .stop)
      let item = "([a-c]{1,4}|é)"
      let expected = try Regex("\\[\(item)(,\(item)){0,3}\\]\\n")
      #expect(try expected.wholeMatch(in: result?.text ?? "") != nil, "\(result?.text ?? "")")
    }
  }

  @Test func answersFitTheSchema() async throws {
    let engine = try engine()
    let grammar = try Grammar(
      jsonSchema: """
        {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}, "size": {"type": "integer", "minimum": 5, "maximum": 2000},
         "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 3}}, "required": ["kind", "size", "tags"]}
        """)
    for seed in 0..<20 {
      let result = try #require(try await engine.generate(request(UInt64(seed), grammar)).collect().result)
      #expect(result.finishReason == .stop, "\(result.text)")
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(result.text.utf8)) as? [String: Any], "\(result.text)")
      #expect(["a", "b"].contains(object["kind"] as? String))
      #expect((5...2000).contains(object["size"] as? Int ?? 0))
      let tags = try #require(object["tags"] as? [String])
      #expect(tags.count <= 3 && tags.allSatisfy { $0.unicodeScalars.count <= 3 })
    }
  }

  @Test func anEndInTheMiddleSaysSo() async throws {
    let grammar = try Grammar(gbnf: #"root ::= "a"{50}"#)
    let result = try await engine().generate(request(1, grammar, most: 3)).collect().result
    #expect(result?.finishReason == .length && result?.tokens.count == 3)
  }

  @Test func othersAreNotHeldToIt() async throws {
    let engine = try engine()
    let alone = try await engine.generate(request(7, nil, most: 20)).collect()
    async let free = engine.generate(request(7, nil, most: 20)).collect()
    async let held = engine.generate(request(8, try Grammar(gbnf: #"root ::= "x"{20}"#))).collect()
    #expect(try await free.tokens == alone.tokens)
    #expect(try await held.result?.text == String(repeating: "x", count: 20))
  }

  @Test func theGeneratorIsHeldTooAndBeginsAnew() throws {
    let engine = try engine()
    var sampling = SamplingOptions()
    sampling.seed = 3
    let generator = Generator(
      evaluator: engine.makeSequence(), vocabulary: ModelVocabulary(try Self.model.get().tokenizer, continuing: true),
      sampler: try Sampler(sampling))
    generator.constraint = try engine.constraint(to: Grammar(gbnf: #"root ::= "ab"{3}"#), beginsText: false)
    for _ in 0..<2 {
      let result = try generator.generate([5, 6])
      #expect(result.text == "ababab" && result.finishReason == .stop)
    }
  }

  @Test func aGrammarThatGrowsTooLargeEndsItsRequestAlone() async throws {
    let engine = try engine()
    let grammar = try Grammar(gbnf: "root ::= x x x x x x\nx ::= \"a\" x x x | \"a\" x | \"a\"")
    var endless = request(1, grammar)
    endless.options.ignoreEndOfGeneration = true
    let stream = engine.generate(endless)
    await #expect(throws: GrammarError.self) { _ = try await stream.collect() }
    #expect(try await engine.generate(request(7, nil, most: 5)).collect().result?.finishReason != nil)
    #expect(engine.cacheUse.sequences == 0)
  }
}
