import PowerInferCheckpoint
import PowerInferModel
import PowerInferPlatform

/// `tokenizer.json`: a tokenizer of Hugging Face's library.
struct TokenizerJSON: Decodable {
  let model: TokenModel
  let added: [AddedToken]
  let normalizer: JSONValue?
  let preTokenizer: JSONValue?
  let postProcessor: JSONValue?
  let decoder: JSONValue?

  /// The algorithm and its vocabulary.
  struct TokenModel: Decodable {
    let type: String?
    /// Empty where the vocabulary is no dictionary.
    let vocabulary: [(text: String, id: Int)]
    let merges: [(left: String, right: String)]
    let fallsBackToBytes: Bool
    let ignoresMerges: Bool
    let unknown: String?

    private enum CodingKeys: String, CodingKey {
      case type, merges
      case vocabulary = "vocab"
      case fallsBackToBytes = "byte_fallback"
      case ignoresMerges = "ignore_merges"
      case unknown = "unk_token"
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      type = try container.decodeIfPresent(String.self, forKey: .type)
      // A unigram model has a list here, which is not read.
      let vocabulary = (try? container.decode([String: Int].self, forKey: .vocabulary)) ?? [:]
      self.vocabulary = vocabulary.map { (ExactJSON.restored($0.key), $0.value) }
      // "left right", or since 2024 two texts, which may have spaces in them.
      if let pairs = try? container.decode([[String]].self, forKey: .merges) {
        merges = try pairs.map { pair in
          guard pair.count == 2 else { throw Malformed() }
          return (ExactJSON.restored(pair[0]), ExactJSON.restored(pair[1]))
        }
      } else {
        merges = try (container.decodeIfPresent([String].self, forKey: .merges) ?? []).map { text in
          guard let space = text.firstIndex(of: " ") else { throw Malformed() }
          return (
            ExactJSON.restored(String(text[..<space])), ExactJSON.restored(String(text[text.index(after: space)...]))
          )
        }
      }
      fallsBackToBytes = try container.decodeIfPresent(Bool.self, forKey: .fallsBackToBytes) ?? false
      ignoresMerges = try container.decodeIfPresent(Bool.self, forKey: .ignoresMerges) ?? false
      unknown = try container.decodeIfPresent(String.self, forKey: .unknown).map(ExactJSON.restored)
    }
  }

  private struct Malformed: Error {}

  private struct Added: Decodable {
    var id: Int
    var content: String
    var special: Bool?
  }

  private enum CodingKeys: String, CodingKey {
    case model, normalizer, decoder
    case added = "added_tokens"
    case preTokenizer = "pre_tokenizer"
    case postProcessor = "post_processor"
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    model = try container.decode(TokenModel.self, forKey: .model)
    added = try (container.decodeIfPresent([Added].self, forKey: .added) ?? []).map {
      AddedToken(id: $0.id, text: ExactJSON.restored($0.content), isSpecial: $0.special ?? false)
    }
    normalizer = try container.decodeIfPresent(JSONValue.self, forKey: .normalizer)
    preTokenizer = try container.decodeIfPresent(JSONValue.self, forKey: .preTokenizer)
    postProcessor = try container.decodeIfPresent(JSONValue.self, forKey: .postProcessor)
    self.decoder = try container.decodeIfPresent(JSONValue.self, forKey: .decoder)
  }

  /// Reads a file.
  ///
  /// - Throws: `ConvertError`, naming the file.
  static func open(_ path: String) throws(ConvertError) -> TokenizerJSON {
    do throws(CheckpointError) {
      let file = try SettingsFile(path)
      return try ExactJSON.decode(TokenizerJSON.self, from: file.bytes, named: "The content")
    } catch .file(let error) {
      throw .file(error)
    } catch {
      throw .checkpoint(.inFile(path: path, reason: error))
    }
  }

  // MARK: What it means

  /// The steps of a part of the tokenizer, those of a sequence one by one.
  static func steps(_ part: JSONValue?, in list: String) -> [JSONValue] {
    guard let part else { return [] }
    return part[list]?.array?.flatMap { steps($0, in: list) } ?? [part]
  }

  /// Whether texts are cut into bytes, each of which is spelt by a character.
  var isByteLevel: Bool {
    (Self.steps(preTokenizer, in: "pretokenizers") + Self.steps(decoder, in: "decoders")).contains {
      $0["type"]?.string == "ByteLevel"
    }
  }

  /// Whether it is a byte-pair model of characters with bytes behind them, as SentencePiece's models are converted.
  var describesSentencePieces: Bool {
    model.type ?? "BPE" == "BPE" && model.fallsBackToBytes && !model.vocabulary.isEmpty
  }

  /// Whether a template of the post-processor puts a token before or after every text; nil where there is no template.
  var templateEnds: (first: Bool, last: Bool)? {
    let steps = Self.steps(postProcessor, in: "processors")
    guard let template = steps.first(where: { $0["type"]?.string == "TemplateProcessing" })?["single"]?.array,
      let first = template.first, let last = template.last
    else { return nil }
    return (first["SpecialToken"] != nil, last["SpecialToken"] != nil)
  }

  /// What is done to a text before it is cut, step by step.
  var normalizerNames: [String] {
    Self.steps(normalizer, in: "normalizers").compactMap { $0["type"]?.string }
  }

  /// Composition, and what makes SentencePiece's spaces.
  static let knownNormalizers: Set = ["NFC", "Prepend", "Replace"]

  /// Whether a text gets a space in front, as SentencePiece's models have it.
  var prependsSpace: Bool {
    let normalizers = Self.steps(normalizer, in: "normalizers")
    if normalizers.contains(where: { $0["type"]?.string == "Prepend" }) { return true }
    return Self.steps(preTokenizer, in: "pretokenizers").contains {
      guard $0["type"]?.string == "Metaspace" else { return false }
      if let scheme = $0["prepend_scheme"]?.string { return scheme != "never" }
      return $0["add_prefix_space"]?.bool ?? true
    }
  }
}
