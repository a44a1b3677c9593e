import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

/// Ids that independent implementations give; see Scripts/golden_tokenizers.py for how the small ones were made.
@Suite struct TokenizerGoldenTests {
  struct Case: Decodable {
    var text: String
    var ids: [Int32]
  }

  struct Small: Decodable {
    var tokens: [String]
    var scores: [Float]?
    var types: [Int32]?
    var merges: [String]?
    var cases: [Case]

    func vocabulary(kind: Vocabulary.Kind, preTokenizer: String? = nil) -> Vocabulary {
      Vocabulary(
        kind: kind, preTokenizer: preTokenizer, tokens: tokens, scores: scores ?? [],
        types: types?.compactMap(Vocabulary.TokenType.init) ?? [], merges: merges ?? [])
    }
  }

  private static func small(_ name: String) throws -> Small {
    let all = try Golden.json([String: Small].self, "tokenizer-small.json", in: .module)
    return try #require(all[name])
  }

  /// The ids are those of the Python package `sentencepiece`, which trained the vocabulary.
  @Test func sentencePieceIDs() throws {
    let golden = try Self.small("llama")
    let tokenizer = try Tokenizer(vocabulary: golden.vocabulary(kind: .sentencePiece))
    #expect(golden.cases.count > 80)
    for golden in golden.cases {
      let ids = tokenizer.encode(golden.text, addSpecial: false)
      #expect(ids == golden.ids, "\(golden.text.debugDescription)")
      #expect(Array(tokenizer.decode(ids).utf8) == Array(golden.text.utf8), "\(golden.text.debugDescription)")
    }
  }

  /// The ids are those of the Python package `tokenizers`, which trained the vocabularies.
  @Test(arguments: ["smollm", "qwen2", "tekken", "deepseek-v3", "gemma4"]) func bytePairIDs(preTokenizer: String) throws
  {
    let golden = try Self.small(preTokenizer)
    let tokenizer = try Tokenizer(vocabulary: golden.vocabulary(kind: .bytePair, preTokenizer: preTokenizer))
    #expect(golden.cases.count > 80)
    for golden in golden.cases {
      let ids = tokenizer.encode(golden.text, addSpecial: false)
      #expect(ids == golden.ids, "\(golden.text.debugDescription)")
      #expect(tokenizer.composesText == (preTokenizer == "qwen2"))
      // Composed texts are equal, but not the same bytes.
      let isSame =
        tokenizer.composesText
        ? tokenizer.decode(ids) == golden.text : Array(tokenizer.decode(ids).utf8) == Array(golden.text.utf8)
      #expect(isSame, "\(golden.text.debugDescription)")
    }
  }

  /// A file's own word counts before what is usual with its pre-tokenizer.
  @Test func theFileSaysWhetherTextsAreComposed() throws {
    let golden = try Self.small("qwen2")
    var vocabulary = golden.vocabulary(kind: .bytePair, preTokenizer: "qwen2")
    let composed = try Tokenizer(vocabulary: vocabulary).encode("\u{e9}")
    #expect(try Tokenizer(vocabulary: vocabulary).encode("e\u{301}") == composed)
    vocabulary.composesText = false
    let apart = try Tokenizer(vocabulary: vocabulary)
    #expect(apart.encode("e\u{301}") != composed && apart.decode(apart.encode("e\u{301}")).unicodeScalars.count == 2)
    vocabulary.preTokenizer = "deepseek-r1-qwen"
    vocabulary.composesText = nil
    #expect(try Tokenizer(vocabulary: vocabulary).encode("e\u{301}") == apart.encode("e\u{301}"))
  }

  private struct SmolLM2Case: Decodable {
    var text: String
    var tokens: [Int32]
  }

  /// The embedded model, or another with the same vocabulary named in the environment.
  static let smolLM2: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let embedded = root.appendingPathComponent("Models/smollm2-135m-relu.q4_0.powerinfer.gguf").path
    let named = ProcessInfo.processInfo.environment["POWERINFER_TEST_MODEL"]
    return [named, embedded].compactMap { $0 }.first { FileManager.default.fileExists(atPath: $0) }
  }()

  /// The ids are those of the model's own tokenizer in the Python package `transformers`.
  @Test(.enabled(if: smolLM2 != nil, "the embedded model is not in Models"))
  func smolLM2IDs() throws {
    let path = try #require(Self.smolLM2)
    let tokenizer = try Tokenizer(metadata: GGUFFile(opening: path).metadata)
    let cases = try Golden.json([SmolLM2Case].self, "tokenizer-smollm2.json", in: .module)
    #expect(cases.count == 40)
    for golden in cases {
      let ids = tokenizer.encode(golden.text, addSpecial: true, parseSpecial: true)
      #expect(ids == golden.tokens, "\(golden.text.debugDescription)")
      #expect(tokenizer.decode(ids, renderSpecial: true) == golden.text)
    }
    #expect(tokenizer.count == 49152)
    #expect(tokenizer.id(of: "<|im_start|>") == 1)
    #expect(tokenizer.eos == 2)
    #expect(tokenizer.eot == 2)
    #expect(tokenizer.isEndOfGeneration(2))
    #expect(tokenizer.isEndOfGeneration(0))
    #expect(!tokenizer.isEndOfGeneration(1))
    #expect(!tokenizer.addsBOS)
    #expect(tokenizer.encode("<|im_start|>", parseSpecial: true) == [1])
    #expect(!tokenizer.encode("<|im_start|>", parseSpecial: false).contains(1))
  }
}
