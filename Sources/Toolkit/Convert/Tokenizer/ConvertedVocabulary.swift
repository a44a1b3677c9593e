import PowerInferGGUF
import PowerInferModel

/// The vocabulary of a model to be, as its file will have it.
struct ConvertedVocabulary {
  var kind: Vocabulary.Kind
  /// `tokenizer.ggml.pre`; nil for SentencePiece, which has none.
  var preTokenizer: String?
  /// By id; nil where no file names a token.
  var tokens: [Token?]
  /// "left right", of byte-pair vocabularies.
  var merges: [String] = []
  /// Whether a text gets a space in front; nil where nothing says so.
  var addsSpacePrefix: Bool?
  /// Whether a text is composed (NFC) before it is cut; nil where nothing says so.
  var composesText: Bool?

  struct Token: Equatable {
    var text: String
    var score: Float = 0
    var type = Vocabulary.TokenType.normal
  }

  /// Puts a token that was added after training in its place.
  ///
  /// - Throws: `ConvertError.tokenNumber` for a number that the model has no embedding for.
  mutating func add(_ added: AddedToken, count: Int, file: String) throws(ConvertError) {
    guard added.id >= 0, added.id < count else {
      throw .tokenNumber(file: file, id: added.id, count: count)
    }
    if added.id >= tokens.count { tokens += Array(repeating: nil, count: added.id + 1 - tokens.count) }
    let old = tokens[added.id]
    var type = added.isSpecial ? Vocabulary.TokenType.control : .userDefined
    // The library lists `<unk>` and byte tokens among them; they stay what they are.
    if let old, old.text.utf8.elementsEqual(added.text.utf8), [.unknown, .byte].contains(old.type) { type = old.type }
    // An escaped space is only SentencePiece's way to write one; this text is looked for as it is.
    let text = type == .userDefined ? added.text.replacing("\u{2581}", with: " ") : added.text
    let score = old?.text.utf8.elementsEqual(added.text.utf8) == true ? old?.score : nil
    tokens[added.id] = Token(text: text, score: score ?? ConvertedVocabulary.addedScore, type: type)
  }

  /// Of tokens that are found before anything is merged, as converters usually give it.
  static let addedScore: Float = -1000
  /// Of numbers without a token.
  static let paddingScore: Float = -10_000

  /// Makes the vocabulary as long as the model's embeddings: numbers without a token get one that no text becomes.
  mutating func fill(to count: Int) {
    tokens += Array(repeating: nil, count: max(0, count - tokens.count))
    for id in tokens.indices where tokens[id] == nil {
      tokens[id] = Token(text: "[PAD\(id)]", score: Self.paddingScore, type: .unused)
    }
  }

  /// Takes the scores of an older file of the same tokens, which merges were made from.
  ///
  /// - Returns: sentences about where the two differ; what this one says counts.
  mutating func adopt(_ older: ConvertedVocabulary, file: String, olderFile: String) -> [String] {
    var notes: [String] = []
    if (older.addsSpacePrefix ?? true) != (addsSpacePrefix ?? true) {
      let adds = addsSpacePrefix ?? true
      notes.append(
        "\"\(olderFile)\" and \"\(file)\" differ on the space before a text: \(adds ? "one" : "none") is put there, as the latter "
          + "says.")
    }
    let common = min(tokens.count, older.tokens.count)
    let different = (0..<common).first { id in
      guard let text = tokens[id]?.text, let other = older.tokens[id]?.text else { return false }
      return !text.utf8.elementsEqual(other.utf8)
    }
    if let different {
      notes.append(
        "\"\(olderFile)\" and \"\(file)\" differ on token \(different), and perhaps on others: the latter's tokens are taken."
      )
      return notes
    }
    for id in 0..<common where tokens[id] != nil {
      guard let other = older.tokens[id] else { continue }
      tokens[id]?.score = other.score
      tokens[id]?.type = other.type
    }
    for id in common..<max(common, older.tokens.count) {
      if id == tokens.count { tokens.append(older.tokens[id]) }
    }
    return notes
  }

  /// The number of a token; exact bytes, for Swift takes some different spellings for equal.
  func id(of text: String) -> Int? {
    tokens.firstIndex { $0?.text.utf8.elementsEqual(text.utf8) == true }
  }

  /// Sets the keys of the tokenizer that depend on the tokens alone.
  func describe(in metadata: inout Metadata) {
    metadata.set("tokenizer.ggml.model", .string(kind.rawValue))
    if let preTokenizer { metadata.set("tokenizer.ggml.pre", .string(preTokenizer)) }
    metadata.set("tokenizer.ggml.tokens", .array(MetadataArray(tokens.map { $0?.text ?? "" })))
    if kind == .sentencePiece {
      metadata.set("tokenizer.ggml.scores", .array(MetadataArray(tokens.map { $0?.score ?? 0 })))
    }
    let types = tokens.map { ($0?.type ?? .unused).rawValue }
    metadata.set("tokenizer.ggml.token_type", .array(MetadataArray(types)))
    if kind == .bytePair { metadata.set("tokenizer.ggml.merges", .array(MetadataArray(merges))) }
    if let addsSpacePrefix { metadata.set("tokenizer.ggml.add_space_prefix", .bool(addsSpacePrefix)) }
    if let composesText { metadata.set(Vocabulary.composesTextKey, .bool(composesText)) }
  }
}

/// A token that was added to a vocabulary after training.
struct AddedToken: Equatable {
  let id: Int
  let text: String
  /// Whether it steers the model rather than standing for text.
  let isSpecial: Bool

  init(id: Int, text: String, isSpecial: Bool) {
    self.id = id
    self.text = text
    // Some models do not mark those that ought to be.
    self.isSpecial =
      isSpecial || text == "<pad>" || (text.hasPrefix("<|") && text.hasSuffix("|>"))
      || (text.hasPrefix("<｜") && text.hasSuffix("｜>"))
  }
}
