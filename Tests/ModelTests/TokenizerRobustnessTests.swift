import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

/// Vocabularies and texts that no one should make.
@Suite struct TokenizerRobustnessTests {
  @Test func whatCannotBeATokenizerIsSaidInASentence() throws {
    func sentence(_ vocabulary: Vocabulary) -> String? {
      do {
        _ = try Tokenizer(vocabulary: vocabulary)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(
      sentence(Vocabulary(kind: .sentencePiece, tokens: []))
        == "The vocabulary is empty; expected at least one token in tokenizer.ggml.tokens.")
    #expect(
      sentence(Vocabulary(kind: .bytePair, tokens: ["a"]))
        == "The byte-pair vocabulary has no merges; expected the list tokenizer.ggml.merges.")
    #expect(
      sentence(Vocabulary(kind: .sentencePiece, tokens: ["a", "b"], scores: [1]))
        == "The vocabulary has 1 scores for 2 tokens; expected one for each.")
    #expect(
      sentence(Vocabulary(kind: .sentencePiece, tokens: ["a", "b"], types: [.normal]))
        == "The vocabulary has 1 token types for 2 tokens; expected one for each.")
  }

  @Test func metadataWithoutATokenizerIsSaidInASentence() throws {
    func sentence(_ metadata: Metadata) -> String? {
      do {
        _ = try Tokenizer(metadata: metadata)
        return nil
      } catch {
        return "\(error)"
      }
    }
    var metadata = Metadata()
    #expect(
      sentence(metadata) == "The file has no tokenizer: the metadata key tokenizer.ggml.model is missing.")
    metadata.set("tokenizer.ggml.model", .string("bert"))
    #expect(sentence(metadata) == "The tokenizer model \"bert\" is not known; known are \"llama\", \"gpt2\".")
    metadata.set("tokenizer.ggml.model", .string("llama"))
    #expect(
      sentence(metadata) == "The file has no tokenizer: the metadata key tokenizer.ggml.tokens is missing.")
    metadata.set("tokenizer.ggml.tokens", .uint32(3))
    #expect(sentence(metadata)?.contains("tokenizer.ggml.tokens") == true)
  }

  @Test func tokensThatAreNoTextDoNoHarm() throws {
    var metadata = Metadata()
    metadata.set("tokenizer.ggml.model", .string("llama"))
    metadata.set(
      "tokenizer.ggml.tokens", .array(MetadataArray(stringBytes: [[], [0xff, 0xfe], [0x61], [0x61], [0xe2, 0x96]])))
    let tokenizer = try Tokenizer(metadata: metadata)
    // Of duplicates the first counts. "b" has neither a piece nor byte tokens, so it is the unknown token, id 0.
    #expect(tokenizer.id(of: "a") == 2)
    metadata.set("tokenizer.ggml.add_space_prefix", .bool(false))
    #expect(try Tokenizer(metadata: metadata).encode("aba", addSpecial: false) == [2, 0, 2])
  }

  @Test func mergesOfUnknownTokensFallBackToBytes() throws {
    // "a b" makes no token, so its bytes come out; " c" and "d" are no merges at all; "ab c" makes a token again.
    let tokenizer = try Tokenizer(
      vocabulary: Vocabulary(
        kind: .bytePair, preTokenizer: "gpt-2", tokens: ["a", "b", "c", "abc"],
        merges: ["a b", "", "d", " c", "日 本", "ab c", "x y"]))
    #expect(tokenizer.encode("ab") == [0, 1])
    #expect(tokenizer.encode("abc") == [3])
    #expect(tokenizer.encode("xyz日") == [])
  }

  /// Eight characters merge pairwise into one token, so runs of any length are cut into eights from the left.
  @Test func longRunsAreCutLikeShortOnes() throws {
    let tokens = ["<unk>", "▁", "a", "aa", "aaaa", "aaaaaaaa"]
    let sentencePiece = try Tokenizer(
      vocabulary: Vocabulary(
        kind: .sentencePiece, tokens: tokens, scores: [0, 0, 0, 3, 2, 1], addsBeginningOfSequence: false,
        addsSpacePrefix: false))
    let bytePair = try Tokenizer(
      vocabulary: Vocabulary(
        kind: .bytePair, preTokenizer: "gpt-2", tokens: tokens, merges: ["a a", "aa aa", "aaaa aaaa"]))
    for length in [1, 7, 8, 9, 100_003] {
      let tail: [Int32] = (length & 4 != 0 ? [4] : []) + (length & 2 != 0 ? [3] : []) + (length & 1 != 0 ? [2] : [])
      let expected = [Int32](repeating: 5, count: length / 8) + tail
      let text = String(repeating: "a", count: length)
      #expect(sentencePiece.encode(text) == expected)
      #expect(bytePair.encode(text) == expected)
    }
  }

  @Test func manySpecialTokensInALongTextAreFound() throws {
    let names = (0..<500).map { "<|reserved_\($0)|>" }
    let tokenizer = try Tokenizer(
      vocabulary: Vocabulary(
        kind: .sentencePiece, tokens: ["<", "|"] + names, types: [.normal, .normal] + names.map { _ in .control },
        addsSpacePrefix: false))
    let text = String(repeating: "<|reserved_7|><<|", count: 2000)
    let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: true)
    #expect(ids == Array(repeating: [9, 0, 0, 1], count: 2000).flatMap { $0 })
  }

  /// Random vocabularies and texts: whatever comes out are ids of the vocabulary.
  @Test func randomVocabulariesDoNoHarm() throws {
    var random = SeededGenerator(seed: 3)
    let alphabet: [Character] = ["a", "b", "▁", " ", "é", "日", "😀", "<", ">", "\n", "Ġ", "\u{301}", "0", "x", "'"]
    func text(_ longest: Int) -> String {
      String(
        (0..<Int.random(in: 0...longest, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "a" })
    }
    for round in 0..<300 {
      let tokens = (0..<Int.random(in: 1...40, using: &random)).map { _ in text(4) }
      let names: [String?] = ["gpt-2", "llama-bpe", "qwen2", "falcon", "deepseek-llm", nil]
      var vocabulary = Vocabulary(
        kind: round % 2 == 0 ? .sentencePiece : .bytePair, preTokenizer: names[round % names.count], tokens: tokens,
        scores: tokens.map { _ in [0, 1, -1, .nan, .infinity, -.infinity].randomElement(using: &random) ?? 0 },
        types: tokens.map { _ in .init(rawValue: .random(in: 0...6, using: &random)) ?? .normal },
        merges: (0..<20).map { _ in text(3) + " " + text(3) },
        beginningOfSequence: .random(in: -2...50, using: &random), unknown: .random(in: -2...50, using: &random))
      vocabulary.rightStripping = Set(tokens.indices.map(Int32.init).shuffled(using: &random).prefix(3))
      vocabulary.leftStripping = Set(tokens.indices.map(Int32.init).shuffled(using: &random).prefix(3))
      let tokenizer = try Tokenizer(vocabulary: vocabulary)
      for _ in 0..<5 {
        let ids = tokenizer.encode(text(60), parseSpecial: Bool.random(using: &random))
        #expect(ids.allSatisfy { $0 >= 0 && Int($0) < tokens.count })
        let bytes = (0..<30).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(tokenizer.encode(bytes: bytes).allSatisfy { $0 >= 0 && Int($0) < tokens.count })
        _ = tokenizer.decode(ids, renderSpecial: true)
      }
    }
  }

  @Test func sentencesShowNamesSafely() {
    #expect(
      VocabularyError.tooManyMerges(300_000_000).description
        == "The vocabulary has 300000000 merges; expected at most 268435455.")
    #expect(
      VocabularyError.unknownPreTokenizer("x\u{1B}\n").description.hasPrefix(
        "The pre-tokenizer \"x\\u{1b}\\n\" is not known; known are \"a.x-4.0\", "))
    #expect(
      VocabularyError.unknownKind("bert").description
        == "The tokenizer model \"bert\" is not known; known are \"llama\", \"gpt2\".")
  }
}
