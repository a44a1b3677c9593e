import Foundation
import PowerInferModel
import PowerInferTestKit
import Testing

@Suite struct TokenizerDecodingTests {
  /// `<unk>`, `<s>`, `</s>`, 256 byte tokens (id = byte + 3), then a few pieces.
  private static func sentencePiece(_ pieces: [String] = ["▁", "▁Hi", "Hi", "▁▁x"]) throws -> Tokenizer {
    let bytes = (0...255).map { String(format: "<0x%02X>", $0) }
    return try Tokenizer(
      vocabulary: Vocabulary(
        kind: .sentencePiece, tokens: ["<unk>", "<s>", "</s>"] + bytes + pieces,
        types: [.unknown, .control, .control] + bytes.map { _ in .byte } + pieces.map { _ in .normal }))
  }

  private static func byteToken(_ byte: UInt8) -> Int32 { Int32(byte) + 3 }

  @Test func theFirstPieceLosesTheSpaceThatEncodingAdded() throws {
    let tokenizer = try Self.sentencePiece()
    #expect(tokenizer.decode([260, 260]) == "Hi Hi")
    #expect(tokenizer.decode([1, 260]) == "Hi")
    #expect(tokenizer.decode([1, 260], renderSpecial: true) == "<s>Hi")
    #expect(tokenizer.decode([262]) == " x")
    #expect(tokenizer.decode([261, 260]) == "Hi Hi")
    var continued = StreamingDetokenizer(tokenizer, atStart: false)
    #expect(continued.append(260) == " Hi")
  }

  @Test func idsOutsideTheVocabularyAreNothing() throws {
    let tokenizer = try Self.sentencePiece()
    #expect(tokenizer.decode([-1, 260, 263, .max, .min, 261]) == "HiHi")
    #expect(tokenizer.bytes(of: 100_000).isEmpty)
    #expect(tokenizer.text(of: -1) == nil)
    #expect(tokenizer.text(of: 263) == nil)
    #expect(tokenizer.text(of: 260) == "▁Hi")
    #expect(tokenizer.id(of: "nowhere") == nil)
  }

  @Test func noPartOfACharacterIsEmitted() throws {
    let tokenizer = try Self.sentencePiece()
    var stream = StreamingDetokenizer(tokenizer, atStart: false)
    let parts = Array("é😀".utf8).map { stream.append(Self.byteToken($0)) }
    #expect(parts == ["", "é", "", "", "", "😀"])
    #expect(stream.finish() == "")
  }

  @Test func eachInvalidSequenceBecomesOneReplacement() throws {
    let tokenizer = try Self.sentencePiece()
    var stream = StreamingDetokenizer(tokenizer, atStart: false)
    // 0xE2 0x82 begins a character that "Hi" cuts off; 0xFF begins none; 0xF0 is cut off by the end.
    #expect(stream.append(Self.byteToken(0xe2)) == "")
    #expect(stream.append(Self.byteToken(0x82)) == "")
    #expect(stream.append(261) == "\u{fffd}Hi")
    #expect(stream.append(Self.byteToken(0xff)) == "\u{fffd}")
    #expect(stream.append(Self.byteToken(0xf0)) == "")
    #expect(stream.finish() == "\u{fffd}")
    #expect(stream.finish() == "")
  }

  /// Foundation's decoding of all the bytes at once is the reference.
  @Test func streamedTextIsTheWholeText() throws {
    let tokenizer = try Self.sentencePiece()
    var random = SeededGenerator(seed: 7)
    let edges: [UInt8] = [
      0x41, 0x80, 0xbf, 0xc0, 0xc3, 0xa9, 0xe0, 0xa0, 0xed, 0xe2, 0x82, 0xf0, 0x90, 0xf4, 0x8f, 0xff,
    ]
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 1...12, using: &random)).map { _ in edges.randomElement(using: &random) ?? 0 }
      var stream = StreamingDetokenizer(tokenizer, atStart: false)
      var text = ""
      for byte in bytes {
        let part = stream.append(Self.byteToken(byte))
        // What is withheld is at most one unfinished character, so at most three bytes.
        text += part
      }
      text += stream.finish()
      #expect(Array(text.utf8) == Array(String(decoding: Data(bytes), as: UTF8.self).utf8), "\(bytes)")
    }
  }

  @Test func bytesThatAreNoTextGoThroughByteTokens() throws {
    let tokenizer = try Self.sentencePiece()
    let ids = tokenizer.encode(bytes: [0x48, 0x69, 0xff, 0xe2, 0x82], addSpecial: false)
    #expect(ids == [260, Self.byteToken(0xff), Self.byteToken(0xe2), Self.byteToken(0x82)])
  }

  @Test func bytePairTokenizersReplaceBytesThatAreNoText() throws {
    let alphabet = TinyVocabulary.bytePairs(preTokenizer: "gpt-2").tokens
    let tokenizer = try Tokenizer(
      vocabulary: Vocabulary(kind: .bytePair, preTokenizer: "gpt-2", tokens: alphabet, merges: ["h e"]))
    #expect(tokenizer.encode(bytes: [0x41, 0xff, 0xc3]) == tokenizer.encode("A\u{fffd}\u{fffd}"))
    #expect(tokenizer.decode(tokenizer.encode("naïve 😀\n")) == "naïve 😀\n")
  }

  @Test func charactersOutsideTheByteAlphabetStandForThemselves() throws {
    let tokenizer = try Tokenizer(
      vocabulary: Vocabulary(kind: .bytePair, tokens: ["a", "▁日", "Ġa"], merges: ["Ġ a"]))
    #expect(tokenizer.decode([1, 2]) == "▁日 a")
  }
}
