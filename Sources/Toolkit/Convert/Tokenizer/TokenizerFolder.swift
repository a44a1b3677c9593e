import PowerInferCheckpoint
import PowerInferGGUF
import PowerInferModel
import PowerInferPlatform

/// Everything about tokens in the folder of a model, made the keys of a model file.
struct TokenizerFolder {
  private let folder: ModelFolder
  private let configuration: Settings?
  private let vocabulary: ConvertedVocabulary
  private let json: TokenizerJSON?
  /// What its messages name.
  private let file: String
  /// Sentences about what a user would not expect.
  private(set) var notes: [String] = []

  /// - Parameters:
  ///   - folder: of the model.
  ///   - count: rows of the embeddings.
  ///   - preTokenizer: `tokenizer.ggml.pre`, where the user knows better.
  init(_ folder: ModelFolder, count: Int, preTokenizer: String?) throws(ConvertError) {
    self.folder = folder
    configuration = try folder.settings("tokenizer_config.json")
    let (jsonPath, modelPath) = (folder.path + "/tokenizer.json", folder.path + "/tokenizer.model")
    let vocabularyPath = folder.path + "/vocab.json"
    json = FileIdentity(jsonPath) == nil ? nil : try TokenizerJSON.open(jsonPath)

    var vocabulary: ConvertedVocabulary
    if let json, json.isByteLevel {
      file = jsonPath
      vocabulary = try Self.bytePairs(json, count: count, preTokenizer: preTokenizer, file: jsonPath)
      // Said either way, for it may be otherwise than what is usual with this pre-tokenizer.
      vocabulary.composesText = json.normalizerNames.contains("NFC")
    } else if let json, json.describesSentencePieces {
      // What Hugging Face's library runs; the older file tells the scores that it was made from.
      file = jsonPath
      vocabulary = try Self.sentencePieces(json, count: count, file: jsonPath)
      if FileIdentity(modelPath) != nil {
        do throws(ConvertError) {
          let older = try Self.sentencePieces(modelPath, count: count)
          notes += vocabulary.adopt(older, file: jsonPath, olderFile: modelPath)
        } catch {
          notes.append("\"\(modelPath)\" is passed over: \(error)")
        }
      }
    } else if FileIdentity(modelPath) != nil {
      file = modelPath
      vocabulary = try Self.sentencePieces(modelPath, count: count)
      if let adds = try configuration?.bool("add_prefix_space") { vocabulary.addsSpacePrefix = adds ? nil : false }
    } else if let json {
      file = jsonPath
      vocabulary = try Self.sentencePieces(json, count: count, file: jsonPath)
    } else if FileIdentity(vocabularyPath) != nil {
      file = vocabularyPath
      vocabulary = try Self.bytePairs(folder, count: count, preTokenizer: preTokenizer, file: vocabularyPath)
    } else {
      throw .noTokenizer(folder: folder.path)
    }
    if let json, file == jsonPath {
      for name in json.normalizerNames where !TokenizerJSON.knownNormalizers.contains(name) {
        notes.append(
          "\"\(jsonPath)\" changes texts by the normalizer \(shown(name)), which is not done here: some texts get other tokens."
        )
      }
    }
    for (file, tokens) in try Self.added(folder, json: json, configuration: configuration) {
      let fitting = tokens.filter { $0.id < count }
      if fitting.count < tokens.count {
        notes.append(
          "\"\(file)\" has \(tokens.count - fitting.count) more tokens than the model has embeddings; they are left "
            + "out.")
      }
      for token in fitting { try vocabulary.add(token, count: count, file: file) }
    }
    vocabulary.fill(to: count)
    self.vocabulary = vocabulary
  }

  /// Sets all keys of the tokenizer and of chat templates.
  mutating func describe(in metadata: inout Metadata) throws(ConvertError) {
    vocabulary.describe(in: &metadata)
    try describeSpecials(in: &metadata)
    for (name, text) in try chatTemplates() {
      metadata.set("tokenizer.chat_template" + (name == "default" ? "" : "." + name), .string(text))
    }
  }

  // MARK: Vocabularies

  private static func placed(
    _ entries: [(text: String, id: Int)], count: Int, file: String
  ) throws(ConvertError) -> [ConvertedVocabulary.Token?] {
    var tokens: [ConvertedVocabulary.Token?] = []
    for (text, id) in entries.sorted(by: { $0.id < $1.id }) {
      guard id >= 0, id < count else { throw .tokenNumber(file: file, id: id, count: count) }
      if id >= tokens.count { tokens += Array(repeating: nil, count: id + 1 - tokens.count) }
      guard tokens[id] == nil else { throw .tokenTwice(file: file, id: id) }
      tokens[id] = .init(text: text)
    }
    return tokens
  }

  private static func bytePairs(
    _ json: TokenizerJSON, count: Int, preTokenizer: String?, file: String
  ) throws(ConvertError) -> ConvertedVocabulary {
    guard json.model.type ?? "BPE" == "BPE", !json.model.vocabulary.isEmpty else {
      throw .tokenizerKind(file: file, kind: json.model.type ?? "")
    }
    guard let name = preTokenizer ?? WordCutting.name(of: json) else {
      throw .preTokenizer(file: file, known: Vocabulary.preTokenizerNames)
    }
    var vocabulary = ConvertedVocabulary(
      kind: .bytePair, preTokenizer: name, tokens: try placed(json.model.vocabulary, count: count, file: file))
    vocabulary.merges = json.model.merges.map { left, right in
      // A space would end the first part; in the byte alphabet it is spelt "Ġ".
      "\(left.replacing(" ", with: "\u{120}")) \(right.replacing(" ", with: "\u{120}"))"
    }
    return vocabulary
  }

  /// `vocab.json` and `merges.txt`, of before there was `tokenizer.json`: always GPT-2's way of cutting.
  private static func bytePairs(
    _ folder: ModelFolder, count: Int, preTokenizer: String?, file: String
  ) throws(ConvertError) -> ConvertedVocabulary {
    let settings = try reading { () throws(CheckpointError) in try JSONValue(opening: file) }
    guard let object = settings.object else { throw .checkpoint(.inFile(path: file, reason: .notJSON("The content"))) }
    var entries: [(text: String, id: Int)] = []
    for (text, id) in object {
      guard let id = id.integer else { throw .wrongKey(text, file: file, expected: "a whole number") }
      entries.append((text, id))
    }
    let mergesPath = folder.path + "/merges.txt"
    guard let merges = try SettingsFile.text(mergesPath) else { throw .file(.missing(path: mergesPath)) }
    var vocabulary = ConvertedVocabulary(
      kind: .bytePair, preTokenizer: preTokenizer ?? "gpt-2", tokens: try placed(entries, count: count, file: file))
    // The first line may say the version.
    vocabulary.merges = merges.split(whereSeparator: \.isNewline).map(String.init)
      .filter { !$0.hasPrefix("#version") && $0.contains(" ") }
    return vocabulary
  }

  private static func sentencePieces(_ path: String, count: Int) throws(ConvertError) -> ConvertedVocabulary {
    let file = try reading { () throws(CheckpointError) in try SettingsFile(path) }
    guard let model = SentencePieceModel(file.bytes) else { throw .protocolBuffer(file: path) }
    guard model.algorithm == 2 else { throw .tokenizerKind(file: path, kind: "Unigram") }
    guard model.tokens.count <= count else {
      throw .tokenNumber(file: path, id: model.tokens.count - 1, count: count)
    }
    return ConvertedVocabulary(
      kind: .sentencePiece, preTokenizer: nil, tokens: model.tokens,
      addsSpacePrefix: model.addsSpacePrefix ? nil : false)
  }

  /// A SentencePiece model that only `tokenizer.json` has left: merges instead of scores.
  ///
  /// A score is minus the rank of the first merge that makes the token: as in the model that the merges were made from,
  /// where every way to make a token has the token's own score.
  private static func sentencePieces(
    _ json: TokenizerJSON, count: Int, file: String
  ) throws(ConvertError) -> ConvertedVocabulary {
    guard json.model.type ?? "BPE" == "BPE", json.model.fallsBackToBytes, !json.model.vocabulary.isEmpty else {
      throw .tokenizerKind(file: file, kind: json.model.type ?? "BPE without bytes")
    }
    var ranks: [[UInt8]: Int] = [:]
    for (rank, merge) in json.model.merges.enumerated() {
      let made = Array(merge.left.utf8) + Array(merge.right.utf8)
      if ranks[made] == nil { ranks[made] = rank }
    }
    var tokens = try placed(json.model.vocabulary, count: count, file: file)
    for id in tokens.indices {
      guard let text = tokens[id]?.text else { continue }
      if let rank = ranks[Array(text.utf8)] { tokens[id]?.score = -Float(rank) }
      if text == json.model.unknown {
        tokens[id]?.type = .unknown
      } else if text.utf8.count == 6, text.hasPrefix("<0x"), text.hasSuffix(">") {
        tokens[id]?.type = .byte
      }
    }
    return ConvertedVocabulary(
      kind: .sentencePiece, preTokenizer: nil, tokens: tokens, addsSpacePrefix: json.prependsSpace ? nil : false)
  }

  /// Tokens added after training, by the files that list them; later files know better.
  private static func added(
    _ folder: ModelFolder, json: TokenizerJSON?, configuration: Settings?
  ) throws(ConvertError) -> [(file: String, tokens: [AddedToken])] {
    var result: [(String, [AddedToken])] = []
    if let file = try folder.settings("added_tokens.json") {
      var tokens: [AddedToken] = []
      for (text, id) in file.entries {
        guard let id = id.integer else { throw .wrongKey(text, file: file.file, expected: "a whole number") }
        tokens.append(AddedToken(id: id, text: text, isSpecial: false))
      }
      result.append((file.file, tokens.sorted { $0.id < $1.id }))
    }
    if let json { result.append((folder.path + "/tokenizer.json", json.added)) }
    if let configuration, let entries = configuration["added_tokens_decoder"]?.object {
      var tokens: [AddedToken] = []
      for (key, value) in entries {
        guard let id = Int(key), let text = value["content"]?.string else {
          throw .wrongKey("added_tokens_decoder", file: configuration.file, expected: "a list of tokens by number")
        }
        tokens.append(AddedToken(id: id, text: text, isSpecial: value["special"]?.bool ?? false))
      }
      result.append((configuration.file, tokens.sorted { $0.id < $1.id }))
    }
    return result
  }

  // MARK: Special tokens

  private mutating func describeSpecials(in metadata: inout Metadata) throws(ConvertError) {
    let sources = [
      configuration, try folder.settings("special_tokens_map.json"), folder.configuration,
      try folder.settings("generation_config.json"),
    ].compactMap { $0 }
    for (name, key) in [("bos", "bos"), ("unk", "unknown"), ("pad", "padding")] {
      if let id = try ids(name, sources).first {
        metadata.set("tokenizer.ggml.\(key)_token_id", .uint32(UInt32(id)))
      }
    }
    let ends = try ids("eos", sources)
    if let end = ends.first { metadata.set("tokenizer.ggml.eos_token_id", .uint32(UInt32(end))) }
    // A file has two more keys for tokens that end an answer; the ends of a message and of a turn are what they are for.
    var others = ends.dropFirst()
    let message = others.first { vocabulary.tokens[$0]?.text == "<|eom_id|>" } ?? others.dropFirst().first
    if let message {
      others.removeAll { $0 == message }
      metadata.set("tokenizer.ggml.eom_token_id", .uint32(UInt32(message)))
    }
    if let turn = others.popFirst() { metadata.set("tokenizer.ggml.eot_token_id", .uint32(UInt32(turn))) }
    if let rest = others.first, let text = vocabulary.tokens[rest]?.text {
      notes.append("The token \(shown(text)) ends an answer too, which the file has no key for.")
    }
    let template = json?.templateEnds
    let addsBeginning = try configuration?.bool("add_bos_token") ?? template?.first
    let addsEnd = try configuration?.bool("add_eos_token") ?? template?.last
    if let addsBeginning { metadata.set("tokenizer.ggml.add_bos_token", .bool(addsBeginning)) }
    if let addsEnd { metadata.set("tokenizer.ggml.add_eos_token", .bool(addsEnd)) }
  }

  /// The numbers that settings give for a special token, by text or by number; those of the first file first.
  private mutating func ids(_ name: String, _ sources: [Settings]) throws(ConvertError) -> [Int] {
    var result: [Int] = []
    var unknown: [(file: String, text: String)] = []
    var malformed: [String] = []
    for source in sources {
      if let value = source["\(name)_token"], let text = value.string ?? value["content"]?.string {
        if let id = vocabulary.id(of: text) {
          result.append(id)
        } else if name == "eos" || name == "bos" {
          // Half of all models name a padding token that was never added.
          unknown.append((source.file, text))
        }
      }
      let value = source["\(name)_token_id"]
      for id in value?.array ?? [value].compactMap({ $0 }) {
        guard let id = id.integer else {
          malformed.append(source.file)
          continue
        }
        // Some say -1 for "none".
        if vocabulary.tokens.indices.contains(id) { result.append(id) }
      }
    }
    // One bad source is no reason not to believe the next; only where there is none, it is an error.
    if result.isEmpty, let first = unknown.first { throw .noToken(file: first.file, text: first.text) }
    if result.isEmpty, let first = malformed.first {
      throw .wrongKey("\(name)_token_id", file: first, expected: "a whole number, or a list of them")
    }
    for (file, text) in unknown {
      notes.append("\"\(file)\" names the token \(shown(text)), which the vocabulary does not have; it is passed over.")
    }
    for file in malformed {
      notes.append("The \"\(name)_token_id\" in \"\(file)\" is no number of a token; it is passed over.")
    }
    var seen = Set<Int>()
    return result.filter { seen.insert($0).inserted }
  }

  // MARK: Chat templates

  /// Name and text of every template; the one without a name is "default", and comes first.
  private func chatTemplates() throws(ConvertError) -> [(name: String, text: String)] {
    if let text = try SettingsFile.text(folder.path + "/chat_template.jinja") { return [("default", text)] }
    let separate = try folder.settings("chat_template.json")
    let value = configuration?["chat_template"] ?? separate?["chat_template"]
    guard let value else { return [] }
    if let text = value.string { return [("default", text)] }
    var result: [(name: String, text: String)] = []
    for entry in value.array ?? [] {
      guard let name = entry["name"]?.string, let text = entry["template"]?.string else {
        throw .wrongKey(
          "chat_template", file: configuration?.file ?? folder.path,
          expected: "a text or a list of texts")
      }
      result.append((name, text))
    }
    return result.filter { $0.name == "default" } + result.filter { $0.name != "default" }
  }
}
