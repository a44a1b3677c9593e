import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

/// Control and added tokens. The expected ids follow from the vocabularies, which are small enough to do so by hand.
@Suite struct TokenizerSpecialTests {
  /// Printable ASCII as single tokens (ids 0...94 for "!"..."~"), then the space, then what a test adds.
  private static func bytePair(
    _ added: [(String, Vocabulary.TokenType)], merges: [String] = ["a b"], change: (inout Vocabulary) -> Void = { _ in }
  ) throws -> Tokenizer {
    let characters = (0x21...0x7e as ClosedRange<UInt8>).map { String(Unicode.Scalar($0)) } + ["Ġ", "ab"]
    var vocabulary = Vocabulary(
      kind: .bytePair, preTokenizer: "gpt-2", tokens: characters + added.map(\.0),
      types: characters.map { _ in .normal } + added.map(\.1), merges: merges)
    change(&vocabulary)
    return try Tokenizer(vocabulary: vocabulary)
  }

  private static let space: Int32 = 94
  private static let ab: Int32 = 95
  private static let firstAdded: Int32 = 96

  private static func id(_ character: Character) -> Int32 {
    Int32(character.asciiValue.map { $0 - 0x21 } ?? 0)
  }

  private static func ids(_ text: String) -> [Int32] { text.map { $0 == " " ? space : id($0) } }

  @Test func controlTokensAreReadOnlyOnRequest() throws {
    let tokenizer = try Self.bytePair([("<|x|>", .control)])
    #expect(tokenizer.encode("q<|x|>r", parseSpecial: true) == [Self.id("q"), Self.firstAdded, Self.id("r")])
    #expect(tokenizer.encode("q<|x|>r") == Self.ids("q<|x|>r"))
  }

  @Test func addedTokensAreAlwaysRead() throws {
    let tokenizer = try Self.bytePair([("TAG", .userDefined)])
    #expect(tokenizer.encode("qTAGTAGr") == [Self.id("q"), Self.firstAdded, Self.firstAdded, Self.id("r")])
    #expect(tokenizer.decode([Self.firstAdded]) == "TAG")
  }

  @Test func theLongestTokenWinsWhereverItStands() throws {
    let tokenizer = try Self.bytePair([("XY", .userDefined), ("YZW", .userDefined), ("XYZWV", .control)])
    let first = Self.firstAdded
    #expect(tokenizer.encode("XYZW") == [Self.id("X"), first + 1])
    #expect(tokenizer.encode("XYXYZW") == [first, Self.id("X"), first + 1])
    #expect(tokenizer.encode("XYZWV", parseSpecial: true) == [first + 2])
    #expect(tokenizer.encode("XYZWV") == [Self.id("X"), first + 1, Self.id("V")])
  }

  @Test func strippingTokensSwallowTheWhiteSpaceBeside() throws {
    let tokenizer = try Self.bytePair([("<L>", .control), ("<R>", .control)]) {
      $0.leftStripping = [Self.firstAdded]
      $0.rightStripping = [Self.firstAdded + 1]
    }
    let (left, right) = (Self.firstAdded, Self.firstAdded + 1)
    #expect(tokenizer.encode("q  <L> r", parseSpecial: true) == [Self.id("q"), left, Self.space, Self.id("r")])
    #expect(tokenizer.encode("q <R>  r", parseSpecial: true) == [Self.id("q"), Self.space, right, Self.id("r")])
    #expect(tokenizer.encode("<R> <L>", parseSpecial: true) == [right, left])
  }

  @Test func noTextBecomesAControlTokenByMerging() throws {
    // The merge "a b" would yield the token "ab" if it were an ordinary one.
    let tokenizer = try Self.bytePair([]) { $0.types[Int(Self.ab)] = .control }
    #expect(tokenizer.encode("ab") == Self.ids("ab"))
    #expect(tokenizer.encode("ab", parseSpecial: true) == [Self.ab])
    let whole = try Self.bytePair([]) {
      $0.types[Int(Self.ab)] = .control
      $0.preTokenizer = "llama-bpe"
      $0.addsBeginningOfSequence = false
    }
    #expect(whole.encode("ab") == Self.ids("ab"))
  }

  @Test func wholeWordsSkipMergesWhereThePreTokenizerSaysSo() throws {
    let merging = try Self.bytePair([("abc", .normal)]) { $0.addsBeginningOfSequence = false }
    #expect(merging.encode("abc") == [Self.ab, Self.id("c")])
    let whole = try Self.bytePair([("abc", .normal)]) {
      $0.preTokenizer = "llama-bpe"
      $0.addsBeginningOfSequence = false
    }
    #expect(whole.encode("abc") == [Self.firstAdded])
  }

  @Test func beginningAndEndAreAddedOnRequest() throws {
    let tokenizer = try Self.bytePair([("<s>", .control), ("</s>", .control)]) {
      $0.beginningOfSequence = Self.firstAdded
      $0.endOfSequence = Self.firstAdded + 1
      $0.addsBeginningOfSequence = true
      $0.addsEndOfSequence = true
    }
    #expect(tokenizer.encode("a") == [Self.firstAdded, Self.id("a"), Self.firstAdded + 1])
    #expect(tokenizer.encode("") == [Self.firstAdded, Self.firstAdded + 1])
    #expect(tokenizer.encode("a", addSpecial: false) == [Self.id("a")])
    #expect(tokenizer.encode("", addSpecial: false) == [])
  }

  @Test func endsOfGenerationAreRecognisedByTheirText() throws {
    let tokenizer = try Self.bytePair([
      ("<|im_end|>", .control), ("<|endoftext|>", .normal), ("<|eot_id|>", .control), ("<end_of_turn>", .control),
      ("<|end|>", .control), ("<|im_start|>", .control), ("</s>", .control),
    ]) { $0.endOfSequence = Self.firstAdded + 6 }
    let first = Self.firstAdded
    #expect(tokenizer.endOfGenerationTokens == [first, first + 1, first + 2, first + 3, first + 4, first + 6])
    #expect(!tokenizer.isEndOfGeneration(first + 5))
    #expect(!tokenizer.isEndOfGeneration(-1))
    #expect(tokenizer.eot == first + 2)
    // A file that calls it an ordinary token is not believed.
    #expect(tokenizer.isControl(first + 1))
    #expect(tokenizer.decode([first + 1]) == "")
  }

  @Test func theEndOfTurnThatTheFileNamesComesFirst() throws {
    let tokenizer = try Self.bytePair([("<|im_end|>", .control), ("DONE", .control)]) {
      $0.endOfTurn = Self.firstAdded + 1
    }
    #expect(tokenizer.eot == Self.firstAdded + 1)
    #expect(tokenizer.isEndOfGeneration(Self.firstAdded + 1))
  }

  @Test func metadataGivesTheSameTokenizer() throws {
    var metadata = Metadata()
    TinyVocabulary.sentencePiece.add(to: &metadata)
    let tokenizer = try Tokenizer(metadata: metadata)
    #expect(tokenizer.kind == .sentencePiece)
    #expect(tokenizer.addsBOS && !tokenizer.addsEOS && tokenizer.addsSpacePrefix)
    #expect((tokenizer.bos, tokenizer.eos, tokenizer.unknown, tokenizer.padding) == (1, 2, 0, nil))
    let expected = ["▁hello", "▁the", "▁world", "."].map { tokenizer.id(of: $0) }
    #expect(tokenizer.encode("hello the world.") == [1] + expected)
    // "é" is a piece, "ü" is spelt in bytes: 0xC3 is token 3 + 195, 0xBC token 3 + 188.
    #expect(tokenizer.encode("éü", addSpecial: false) == [259, tokenizer.id(of: "é"), 198, 191])

    var changed = metadata
    changed.set("tokenizer.ggml.add_bos_token", .bool(false))
    changed.set("tokenizer.ggml.add_space_prefix", .bool(false))
    changed.set("tokenizer.ggml.eos_token_id", .uint32(999_999))
    let other = try Tokenizer(metadata: changed)
    #expect(other.encode("hello") == [tokenizer.id(of: "hello")])
    #expect(other.eos == 2)
  }

  @Test func phi3TokensStripTheWhiteSpaceBehindThem() throws {
    var metadata = Metadata()
    TinyVocabulary.sentencePiece.add(to: &metadata)
    metadata.set("general.name", .string("Phi-3-mini"))
    let tokenizer = try Tokenizer(metadata: metadata)
    let the = try #require(tokenizer.id(of: "▁the"))
    #expect(tokenizer.encode("</s> \n the", addSpecial: false, parseSpecial: true) == [2, the])
    // Not so behind <s>: its space stays, beside the one that every text gets.
    #expect(tokenizer.encode("<s> the", addSpecial: false, parseSpecial: true) == [1, 259, the])
  }
}
