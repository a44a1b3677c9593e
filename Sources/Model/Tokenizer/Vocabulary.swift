import PowerInferGGUF

/// What a model file says about its tokens: the data a ``Tokenizer`` is built from.
///
/// Nothing is checked here; ``Tokenizer/init(vocabulary:)`` refuses what it cannot use.
public struct Vocabulary: Sendable {
  /// The algorithm that cuts text into tokens; raw values are those of `tokenizer.ggml.model`.
  public enum Kind: String, Sendable, CaseIterable {
    /// SentencePiece-style: adjacent pieces merge by score, unknown characters fall back to byte tokens.
    case sentencePiece = "llama"
    /// Byte-level byte-pair encoding: adjacent pieces merge by rank inside pre-tokenized words.
    case bytePair = "gpt2"
  }

  /// Raw values are those of `tokenizer.ggml.token_type`.
  public enum TokenType: Int32, Sendable {
    case undefined = 0
    case normal = 1
    case unknown = 2
    /// Steers the model (beginning of text, end of turn …); ordinary text never becomes one.
    case control = 3
    /// Added after training; found in any text before everything else.
    case userDefined = 4
    case unused = 5
    /// Stands for one byte, spelt `<0xXX>`.
    case byte = 6
  }

  public var kind: Kind
  /// `tokenizer.ggml.pre`: how text is cut into words before byte-pair merges; absent means `default`.
  public var preTokenizer: String?
  /// The text of each token as the file spells it; the index is the token's id.
  public var tokens: [String]
  /// One per token, higher merges first; empty means all zero. Used by SentencePiece-style vocabularies.
  public var scores: [Float]
  /// One per token; empty means all normal.
  public var types: [TokenType]
  /// `"left right"` in order of rank, in the byte alphabet. Used by byte-pair vocabularies.
  public var merges: [String]

  public var beginningOfSequence: Int32?
  public var endOfSequence: Int32?
  public var endOfTurn: Int32?
  public var endOfMessage: Int32?
  public var unknown: Int32?
  public var padding: Int32?
  /// Tokens of a code model's fill-in-the-middle format whose appearance ends an answer.
  public var fillInMiddleEnds: [Int32] = []

  /// Whether ``beginningOfSequence`` goes before a text; nil leaves it to the kind and the pre-tokenizer.
  public var addsBeginningOfSequence: Bool?
  /// Whether ``endOfSequence`` goes after a text; nil means no.
  public var addsEndOfSequence: Bool?
  /// Whether a text gets a space in front; nil means yes for SentencePiece-style vocabularies, else no.
  public var addsSpacePrefix: Bool?
  /// Whether a text is composed (NFC) before it is cut; nil leaves it to the pre-tokenizer.
  public var composesText: Bool?
  /// Special tokens that swallow the white space to their left, or to their right.
  public var leftStripping: Set<Int32> = []
  public var rightStripping: Set<Int32> = []
  /// All special tokens swallow the white space to their right, but for `<s>`, `<unk>` and `<|endoftext|>`.
  public var specialsStripRight = false

  /// What a file says that cannot be so and was passed over, in sentences.
  public var remarks: [String] = []

  public init(
    kind: Kind, preTokenizer: String? = nil, tokens: [String], scores: [Float] = [], types: [TokenType] = [],
    merges: [String] = [], beginningOfSequence: Int32? = nil, endOfSequence: Int32? = nil,
    unknown: Int32? = nil, padding: Int32? = nil, addsBeginningOfSequence: Bool? = nil,
    addsEndOfSequence: Bool? = nil, addsSpacePrefix: Bool? = nil
  ) {
    self.kind = kind
    self.preTokenizer = preTokenizer
    self.tokens = tokens
    self.scores = scores
    self.types = types
    self.merges = merges
    self.beginningOfSequence = beginningOfSequence
    self.endOfSequence = endOfSequence
    self.unknown = unknown
    self.padding = padding
    self.addsBeginningOfSequence = addsBeginningOfSequence
    self.addsEndOfSequence = addsEndOfSequence
    self.addsSpacePrefix = addsSpacePrefix
  }
}

/// Why no tokenizer could be made from a vocabulary.
public enum VocabularyError: Error, Equatable, CustomStringConvertible {
  case missingKey(String)
  case unknownKind(String)
  case unknownPreTokenizer(String)
  case noTokens
  case tooManyTokens(Int)
  case noMerges
  case tooManyMerges(Int)
  case countMismatch(what: String, found: Int, tokens: Int)

  public var description: String {
    switch self {
    case .missingKey(let key):
      "The file has no tokenizer: the metadata key \(key) is missing."
    case .unknownKind(let name):
      "The tokenizer model \(shown(name)) is not known; known are "
        + Vocabulary.Kind.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ") + "."
    case .unknownPreTokenizer(let name):
      "The pre-tokenizer \(shown(name)) is not known; known are "
        + PreTokenizer.knownNames.map { "\"\($0)\"" }.joined(separator: ", ") + "."
    case .noTokens:
      "The vocabulary is empty; expected at least one token in tokenizer.ggml.tokens."
    case .tooManyTokens(let count):
      "The vocabulary has \(count) tokens; expected at most \(Int32.max)."
    case .noMerges:
      "The byte-pair vocabulary has no merges; expected the list tokenizer.ggml.merges."
    case .tooManyMerges(let count):
      "The vocabulary has \(count) merges; expected at most \(BytePairEncoder.mostMerges)."
    case .countMismatch(let what, let found, let tokens):
      "The vocabulary has \(found) \(what) for \(tokens) tokens; expected one for each."
    }
  }
}
