public import PowerInferJinja

/// Turns text into the token ids of one vocabulary and back.
///
/// The ids are those that llama.cpp gives for the same metadata, but where its expression for cutting words only comes near the one that a
/// model was trained with (GPT-4o's, Tekken's, Kimi's): there they are Hugging Face's. So they are where that composes a text first (``composesText``). Immutable, so that any number of threads may share it.
public final class Tokenizer: Sendable {
  private enum Encoder: Sendable {
    case sentencePiece(SentencePieceEncoder)
    case bytePair(BytePairEncoder)
  }

  /// The algorithm.
  public let kind: Vocabulary.Kind
  /// The number of tokens; ids are 0 ..< count.
  public let count: Int
  /// The token that begins a text, if the vocabulary has one.
  public let bos: Int32?
  /// The token that ends a text.
  public let eos: Int32?
  /// The token that ends a turn of a conversation.
  public let eot: Int32?
  /// What a SentencePiece-style vocabulary gives for characters it lacks.
  public let unknown: Int32?
  /// What fills up short texts in a batch; never part of one.
  public let padding: Int32?
  /// Whether ``encode(_:addSpecial:parseSpecial:)`` with `addSpecial` begins with ``bos``.
  public let addsBOS: Bool
  /// Whether ``encode(_:addSpecial:parseSpecial:)`` with `addSpecial` ends with ``eos``.
  public let addsEOS: Bool
  /// Whether a text gets a space in front, which decoding takes away again.
  public let addsSpacePrefix: Bool
  /// Whether a text is composed (NFC) before it is cut, as Hugging Face's `tokenizers` do for Qwen and others. llama.cpp does not.
  public let composesText: Bool
  /// The tokens that end an answer, in ascending order.
  public let endOfGenerationTokens: [Int32]

  /// ``Vocabulary/remarks`` of what it was made from.
  public let remarks: [String]

  private let texts: [String]
  private let attributes: [TokenAttributes]
  private let idsByText: ByteStringTable
  private let specials: SpecialTokenFinder
  private let encoder: Encoder

  /// - Throws: ``VocabularyError`` where the data cannot make a tokenizer.
  public init(vocabulary: Vocabulary) throws(VocabularyError) {
    let count = vocabulary.tokens.count
    guard count > 0 else { throw .noTokens }
    guard count < Int(Int32.max) / 2 else { throw .tooManyTokens(count) }
    guard vocabulary.scores.isEmpty || vocabulary.scores.count >= count else {
      throw .countMismatch(what: "scores", found: vocabulary.scores.count, tokens: count)
    }
    guard vocabulary.types.isEmpty || vocabulary.types.count >= count else {
      throw .countMismatch(what: "token types", found: vocabulary.types.count, tokens: count)
    }

    var ids = ByteStringTable(capacity: count)
    for (id, text) in vocabulary.tokens.enumerated() where !text.isEmpty { ids.insert(text, value: Int32(id)) }
    func valid(_ id: Int32?) -> Int32? {
      guard let id, id >= 0, Int(id) < count else { return nil }
      return id
    }
    let isSentencePiece = vocabulary.kind == .sentencePiece
    let bos = valid(vocabulary.beginningOfSequence) ?? valid(isSentencePiece ? 1 : 11)
    let eos = valid(vocabulary.endOfSequence) ?? valid(isSentencePiece ? 2 : 11)
    let unknown = valid(vocabulary.unknown) ?? valid(isSentencePiece ? 0 : nil)

    var attributes =
      vocabulary.types.isEmpty
      ? [TokenAttributes](repeating: .normal, count: count) : vocabulary.types.prefix(count).map(TokenAttributes.init)
    func first(of names: [String]) -> Int32? { names.lazy.compactMap { ids.value(of: $0) }.first }
    let eot = valid(vocabulary.endOfTurn) ?? first(of: KnownTokens.endOfTurn)
    let namedEnds = KnownTokens.endOfGeneration.compactMap { ids.value(of: $0) }
    let fillInMiddleEnds =
      vocabulary.fillInMiddleEnds.compactMap(valid) + KnownTokens.fillInMiddleEnds.compactMap(first)
    // Some files mark these as ordinary tokens, which would let a user's text end the answer.
    for id in namedEnds + fillInMiddleEnds + KnownTokens.fillInMiddle.compactMap(first) {
      attributes[Int(id)].insert(.control)
    }
    let ends = namedEnds + fillInMiddleEnds + [eos, eot, valid(vocabulary.endOfMessage)].compactMap { $0 }

    let isOrdinary = { (id: Int) in attributes[id].isDisjoint(with: [.hidden, .byte]) }
    let preTokenizer: PreTokenizer?
    switch vocabulary.kind {
    case .sentencePiece:
      encoder = .sentencePiece(
        SentencePieceEncoder(vocabulary: vocabulary, unknown: unknown, isOrdinary: isOrdinary))
      preTokenizer = nil
    case .bytePair:
      encoder = .bytePair(try BytePairEncoder(vocabulary: vocabulary, isOrdinary: isOrdinary))
      preTokenizer = try PreTokenizer(named: vocabulary.preTokenizer)
    }

    kind = vocabulary.kind
    self.count = count
    self.bos = bos
    self.eos = eos
    self.eot = eot
    self.unknown = unknown
    padding = valid(vocabulary.padding)
    addsBOS =
      bos != nil
      && (vocabulary.addsBeginningOfSequence ?? preTokenizer?.addsBeginningOfSequence ?? isSentencePiece)
    addsEOS = eos != nil && (vocabulary.addsEndOfSequence ?? false)
    addsSpacePrefix = vocabulary.addsSpacePrefix ?? isSentencePiece
    composesText = vocabulary.composesText ?? preTokenizer?.composesText ?? false
    endOfGenerationTokens = Set(ends).sorted()
    remarks = vocabulary.remarks
    texts = vocabulary.tokens
    self.attributes = attributes
    idsByText = ids
    specials = Self.specials(of: vocabulary, attributes: attributes)
  }

  private static func specials(of vocabulary: Vocabulary, attributes: [TokenAttributes]) -> SpecialTokenFinder {
    let keepingSpace: Set<String> = ["<s>", "<unk>", "<|endoftext|>"]
    var entries: [SpecialTokenFinder.Entry] = []
    for (id, text) in vocabulary.tokens.enumerated() {
      guard !attributes[id].isDisjoint(with: [.hidden, .userDefined]) else { continue }
      entries.append(
        SpecialTokenFinder.Entry(
          id: Int32(id), text: Array(text.utf8), isControl: !attributes[id].isDisjoint(with: .hidden),
          stripsLeft: vocabulary.leftStripping.contains(Int32(id)),
          stripsRight: vocabulary.rightStripping.contains(Int32(id))
            || vocabulary.specialsStripRight && !keepingSpace.contains(text)))
    }
    return SpecialTokenFinder(entries)
  }

  // MARK: Text to tokens

  /// Cuts a text into tokens.
  /// - Parameters:
  ///   - text: any text.
  ///   - addSpecial: Puts ``bos`` in front and ``eos`` behind where the model expects them.
  ///   - parseSpecial: Reads the spelling of a control token, such as `<|im_start|>`, as that token. Without it no
  ///     text yields a control token. It believes whoever wrote the text: for a conversation, take ``encode(_:addSpecial:)``.
  public func encode(_ text: String, addSpecial: Bool = true, parseSpecial: Bool = false) -> [Int32] {
    var text = text
    return text.withUTF8 {
      encode(utf8: $0, addSpecial: addSpecial, control: parseSpecial ? .everywhere : .nowhere)
    }
  }

  /// Cuts a rendered template into tokens, as a whole.
  ///
  /// The spelling of a control token counts only where all of its bytes are trusted, so that no message ends its own turn.
  /// Tokens of the type ``Vocabulary/TokenType/userDefined`` are found everywhere.
  /// - Parameters:
  ///   - text: what a template has made of a conversation.
  ///   - addSpecial: Puts ``bos`` in front and ``eos`` behind where the model expects them. Most templates do so themselves.
  public func encode(_ text: RenderedText, addSpecial: Bool) -> [Int32] {
    var string = text.text
    return string.withUTF8 { encode(utf8: $0, addSpecial: addSpecial, control: .trusted(in: text)) }
  }

  /// Cuts bytes into tokens, as ``encode(_:addSpecial:parseSpecial:)`` does.
  ///
  /// A byte that is not part of valid UTF-8 becomes its byte token (SentencePiece) or U+FFFD (byte-pair).
  public func encode(bytes: [UInt8], addSpecial: Bool = true, parseSpecial: Bool = false) -> [Int32] {
    let control: SpecialTokenFinder.ControlTokens = parseSpecial ? .everywhere : .nowhere
    return bytes.withUnsafeBufferPointer { buffer in
      if case .bytePair = encoder, !UTF8Scan.isValid(buffer) {
        return UTF8Scan.repaired(buffer).withUnsafeBufferPointer {
          encode(utf8: $0, addSpecial: addSpecial, control: control)
        }
      }
      return encode(utf8: buffer, addSpecial: addSpecial, control: control)
    }
  }

  private func encode(
    utf8 text: UnsafeBufferPointer<UInt8>, addSpecial: Bool, control: SpecialTokenFinder.ControlTokens
  ) -> [Int32] {
    var output: [Int32] = []
    output.reserveCapacity(text.count / 3 + 2)
    if addSpecial, addsBOS, let bos { output.append(bos) }
    var merger = PairMerger()
    var scratch = ScalarText()
    var followsToken = true
    for fragment in specials.fragments(of: text, control: control) {
      switch fragment {
      case .token(let id):
        output.append(id)
        followsToken = true
      case .text(let range):
        let part = UnsafeBufferPointer(rebasing: text[range])
        func append(_ part: UnsafeBufferPointer<UInt8>) {
          switch encoder {
          case .sentencePiece(let encoder):
            Self.escapingSpaces(part, prefix: addsSpacePrefix && followsToken).withUnsafeBufferPointer {
              encoder.encode($0, with: &merger, to: &output)
            }
          case .bytePair(let encoder) where encoder.spelling == .charactersAndMarkedSpaces:
            Self.escapingSpaces(part, prefix: false).withUnsafeBufferPointer {
              encoder.encode($0, with: &merger, scratch: &scratch, to: &output)
            }
          case .bytePair(let encoder):
            encoder.encode(part, with: &merger, scratch: &scratch, to: &output)
          }
        }
        if composesText, let composed = Composition.composed(part) {
          composed.withUnsafeBufferPointer(append)
        } else {
          append(part)
        }
        followsToken = false
      }
    }
    if addSpecial, addsEOS, let eos { output.append(eos) }
    return output
  }

  private static func escapingSpaces(_ text: UnsafeBufferPointer<UInt8>, prefix: Bool) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count + text.count / 2 + 3)
    if prefix { result.append(contentsOf: SentencePieceEncoder.space) }
    for byte in text {
      if byte == 0x20 { result.append(contentsOf: SentencePieceEncoder.space) } else { result.append(byte) }
    }
    return result
  }

  // MARK: Tokens to text

  /// The text of some tokens; invalid UTF-8 becomes U+FFFD, ids outside the vocabulary nothing.
  /// - Parameters:
  ///   - ids: the tokens.
  ///   - renderSpecial: Spells out control tokens instead of leaving them out.
  public func decode(_ ids: [Int32], renderSpecial: Bool = false) -> String {
    var detokenizer = StreamingDetokenizer(self, renderSpecial: renderSpecial)
    var text = ""
    for id in ids { text += detokenizer.append(id) }
    return text + detokenizer.finish()
  }

  /// The bytes that a token stands for: possibly part of a character, empty for what is not shown.
  /// - Parameters:
  ///   - id: the token.
  ///   - renderSpecial: Spells out control tokens instead of leaving them out.
  public func bytes(of id: Int32, renderSpecial: Bool = false) -> [UInt8] {
    guard let attributes = attributes(of: id) else { return [] }
    let text = texts[Int(id)]
    if !attributes.isDisjoint(with: .hidden) { return renderSpecial ? Array(text.utf8) : [] }
    if attributes.contains(.userDefined) { return Array(text.utf8) }
    if attributes.contains(.byte) { return SentencePieceEncoder.byte(spelt: text).map { [$0] } ?? [] }
    guard attributes.contains(.normal) else { return [] }
    let spelling: PreTokenizer.Spelling =
      if case .bytePair(let encoder) = encoder { encoder.spelling } else { .charactersAndMarkedSpaces }
    var result: [UInt8] = []
    for scalar in text.unicodeScalars {
      if spelling == .charactersAndMarkedSpaces, scalar == "\u{2581}" {
        result.append(0x20)
      } else if spelling == .bytes, let byte = ByteAlphabet.byte(of: scalar) {
        result.append(byte)
      } else {
        result.append(contentsOf: UTF8.encode(scalar) ?? .init())
      }
    }
    return result
  }

  /// The token as the vocabulary spells it.
  public func text(of id: Int32) -> String? {
    attributes(of: id) == nil ? nil : texts[Int(id)]
  }

  /// The token that the vocabulary spells this way.
  public func id(of text: String) -> Int32? {
    idsByText.value(of: text)
  }

  /// Whether a model that yields this token has finished its answer.
  public func isEndOfGeneration(_ id: Int32) -> Bool {
    endOfGenerationTokens.contains(id)
  }

  /// Whether a token steers the model rather than standing for text.
  public func isControl(_ id: Int32) -> Bool {
    attributes(of: id).map { !$0.isDisjoint(with: .hidden) } ?? false
  }

  private func attributes(of id: Int32) -> TokenAttributes? {
    id >= 0 && Int(id) < count ? attributes[Int(id)] : nil
  }
}
