import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferModel

@Suite struct TokenizerPreTokenizerTests {
  private struct Splits: Decodable {
    var texts: [String]
    /// Per pre-tokenizer and text, the lengths of the words in characters.
    var splits: [String: [[Int]]]
  }

  /// The splits are those of the published expressions in the Python package `regex`; see Scripts/golden_tokenizers.py.
  @Test(arguments: [
    "gpt-2", "smollm", "falcon", "default", "llama-bpe", "qwen2", "qwen35", "deepseek-coder", "tekken", "gpt-4o",
    "tiny_aya", "youtu", "kimi-k2", "deepseek-v3", "spark2_5", "afmoe", "superbpe", "viking", "poro-chat", "chameleon",
    "bailingmoe", "seed-coder", "ufakzeka", "laguna", "exaone-moe", "minicpm5", "jais-2", "gemma4", "whitespace",
  ])
  func splitsLikeThePublishedExpressions(name: String) throws {
    let golden = try Golden.json(Splits.self, "pretokenizer-splits.json", in: .module)
    let expected = try #require(golden.splits[name])
    let preTokenizer = try PreTokenizer(named: name)
    var text = ScalarText()
    #expect(golden.texts.count == expected.count && expected.count > 150)
    for (string, lengths) in zip(golden.texts, expected) {
      var string = string
      string.withUTF8 { text.read($0) }
      let ends = preTokenizer.wordEnds(in: text).filter { $0 > 0 }
      let found = zip(ends, [0] + ends).map { $0 - $1 }
      #expect(found == lengths, "\(string.debugDescription)")
    }
  }

  @Test func aliasesShareTheirExpressions() throws {
    var text = ScalarText()
    var string = "I'LL pay 12345 for  it\r\n\r\n ok"
    string.withUTF8 { text.read($0) }
    func ends(_ name: String?) throws -> [Int] { try PreTokenizer(named: name).wordEnds(in: text) }
    #expect(try ends("llama3") == ends("llama-bpe"))
    #expect(try ends("stablelm2") == ends("qwen2"))
    #expect(try ends("starcoder") == ends("smollm"))
    #expect(try ends("mpt") == ends("gpt-2"))
    #expect(try ends(nil) == ends("default"))
    #expect(try ends("") == ends("default"))
    #expect(try ends("qwen2") != ends("llama-bpe"))
    #expect(try PreTokenizer(named: "llama-v3").ignoresMerges)
    #expect(try PreTokenizer(named: "llama-v3").addsBeginningOfSequence)
    #expect(try !PreTokenizer(named: "dbrx").ignoresMerges)
    #expect(try !PreTokenizer(named: "qwen2").addsBeginningOfSequence)
  }

  /// The names that llama.cpp's loader takes.
  @Test(arguments: [
    "a.x-4.0", "afmoe", "bailingmoe", "bailingmoe2", "bloom", "chameleon", "chatglm-bpe", "codeshell", "cohere2moe",
    "command-r", "dbrx", "deepseek-coder", "deepseek-llm", "deepseek-r1-qwen", "deepseek-v3", "default", "exaone",
    "exaone-moe", "exaone4", "f2llmv2", "falcon", "falcon-h1", "falcon3", "gemma4", "gigachat", "glm4", "glm5", "gpt-2",
    "gpt-4o", "gpt3-finnish", "granite-docling", "granite-embed-multi-311m", "granite-embed-multi-97m", "grok-2",
    "hunyuan", "hunyuan-dense", "hy_v4", "jais", "jais-2", "jina-de", "jina-es", "jina-v1-en", "jina-v2-code",
    "jina-v2-de", "jina-v2-es", "jina-v5-nano", "joyai-llm", "kanana2", "kimi-k2", "kormo", "laguna", "lfm2",
    "llada-moe",
    "llama-bpe", "llama-v3", "llama3", "llama4", "megrez", "mellum", "mellum2", "midm-2.0", "minerva-7b", "minicpm5",
    "minimax-m2", "modern-bert", "mpt", "olmo", "phi-2", "pixtral", "poro-chat", "qwen2", "qwen35", "refact",
    "roberta-bpe", "sarvam-moe", "seed-coder", "smaug-bpe", "smollm", "solar-open", "spark2_5", "stablelm2",
    "starcoder",
    "superbpe", "talkie", "tekken", "tiny_aya", "trillion", "ufakzeka", "viking", "whitespace", "youtu",
  ])
  func everyNameIsKnown(name: String) throws {
    let preTokenizer = try PreTokenizer(named: name)
    let whole: Set = [
      "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
    ]
    #expect(
      preTokenizer.ignoresMerges
        == (whole.union(["glm4", "glm5", "tekken", "youtu", "minicpm5", "granite-embed-multi-97m"])).contains(name))
    #expect(preTokenizer.addsBeginningOfSequence == whole.union(["tekken", "chameleon"]).contains(name))
  }

  @Test func anUnknownNameIsNamedWithTheKnown() throws {
    let error = #expect(throws: VocabularyError.self) { try PreTokenizer(named: "mystery") }
    let sentence = try #require(error).description
    #expect(sentence.hasPrefix("The pre-tokenizer \"mystery\" is not known; known are \"a.x-4.0\", \"afmoe\", "))
    #expect(sentence.contains("\"smollm\""))
    #expect(Set(PreTokenizer.knownNames).count == PreTokenizer.knownNames.count)
  }
}
