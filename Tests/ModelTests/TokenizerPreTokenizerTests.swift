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
  @Test(arguments: ["gpt-2", "smollm", "falcon", "default", "llama-bpe", "qwen2", "qwen35", "deepseek-coder"])
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

  @Test func anUnknownNameIsNamedWithTheKnown() throws {
    let error = #expect(throws: VocabularyError.self) { try PreTokenizer(named: "mystery") }
    let sentence = try #require(error).description
    #expect(sentence.hasPrefix("The pre-tokenizer \"mystery\" is not known; known are \"a.x-4.0\", \"chatglm-bpe\", "))
    #expect(sentence.contains("\"smollm\""))
    #expect(Set(PreTokenizer.knownNames).count == PreTokenizer.knownNames.count)
  }
}
