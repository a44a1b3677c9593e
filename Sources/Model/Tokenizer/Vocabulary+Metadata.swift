public import PowerInferGGUF

extension Vocabulary {
  /// Our own key beside llama.cpp's `tokenizer.ggml.normalizer.lowercase`: whether texts are composed (NFC) first.
  public static let composesTextKey = "tokenizer.ggml.normalizer.nfc"

  /// Reads the `tokenizer.ggml.*` keys of a model file.
  /// - Throws: ``VocabularyError`` for a missing or unknown tokenizer, `GGUFError` for a key of the wrong type.
  public init(metadata: Metadata) throws {
    let prefix = "tokenizer.ggml."
    guard let model = try metadata.string(prefix + "model") else {
      throw VocabularyError.missingKey(prefix + "model")
    }
    guard let kind = Kind(rawValue: model) else { throw VocabularyError.unknownKind(model) }
    guard let tokens = try metadata.strings(prefix + "tokens") else {
      throw VocabularyError.missingKey(prefix + "tokens")
    }
    var remarks: [String] = []
    func id(_ name: String) throws -> Int32? {
      let key = prefix + name + "_token_id"
      guard let value = try metadata.integer(key) else { return nil }
      // Files write -1, or its unsigned form, for "there is none".
      guard value != -1, value != Int(UInt32.max) else { return nil }
      guard tokens.indices.contains(value) else {
        remarks.append(
          "Metadata key \"\(key)\" is \(value), but the vocabulary has \(tokens.count) tokens; it counts as absent.")
        return nil
      }
      return Int32(exactly: value)
    }

    self.init(
      kind: kind,
      preTokenizer: try metadata.string(prefix + "pre")
        ?? metadata.string("general.architecture").flatMap { try? Architecture.named($0).preTokenizer },
      tokens: tokens,
      scores: try metadata.floats(prefix + "scores") ?? [],
      types: try metadata.integers(prefix + "token_type")?.map {
        Int32(exactly: $0).flatMap(TokenType.init) ?? .undefined
      } ?? [],
      merges: kind == .bytePair ? try metadata.strings(prefix + "merges") ?? [] : [],
      beginningOfSequence: try id("bos"),
      endOfSequence: try id("eos"),
      unknown: try id("unknown"),
      padding: try id("padding"),
      addsBeginningOfSequence: try metadata.bool(prefix + "add_bos_token"),
      addsEndOfSequence: try metadata.bool(prefix + "add_eos_token"),
      addsSpacePrefix: try metadata.bool(prefix + "add_space_prefix"))
    composesText = try metadata.bool(Self.composesTextKey)
    endOfTurn = try id("eot")
    endOfMessage = try id("eom")
    fillInMiddleEnds = try ["fim_pad", "fim_rep", "fim_sep"].compactMap(id)

    self.remarks = remarks

    // Files do not say which tokens strip white space; Phi-3's are known to.
    let name = try metadata.string("general.name")?.lowercased() ?? ""
    specialsStripRight = name.contains("phi-3") || name.contains("phi3")
  }
}

extension Tokenizer {
  /// Builds the tokenizer that a model file describes.
  /// - Throws: ``VocabularyError``, or `GGUFError` for a key of the wrong type.
  public convenience init(metadata: Metadata) throws {
    try self.init(vocabulary: Vocabulary(metadata: metadata))
  }
}
