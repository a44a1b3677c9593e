import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// Converted tokenizers against the libraries that they come from.
@Suite struct ConvertedTokenizerTests {
  struct Sample: Decodable {
    var text: String
    var ids: [Int32]
  }

  static let names = ["sentencepiece", "sentencepiece-json", "llama3", "qwen2", "falcon", "smollm", "gpt2"]
  static let sizes = [
    "sentencepiece": 360, "sentencepiece-json": 360, "llama3": 303, "qwen2": 304, "falcon": 300, "smollm": 300,
    "gpt2": 300,
  ]

  @Test(arguments: names) func textBecomesTheSameTokens(name: String) throws {
    let samples = try #require(try Golden.json([String: [Sample]].self, "tokenizers.json", in: .module)[name])
    let tokenizer = try Tokenizer(metadata: metadata(name))
    #expect(samples.count == 7)
    for sample in samples {
      #expect(tokenizer.encode(sample.text, parseSpecial: true) == sample.ids, "\(sample.text)")
    }
  }

  @Test func keysSayWhatTheFilesSay() throws {
    let pieces = try metadata("sentencepiece")
    #expect(try pieces.string("tokenizer.ggml.model") == "llama")
    #expect(try pieces.integer("tokenizer.ggml.bos_token_id") == 1)
    #expect(try pieces.integer("tokenizer.ggml.eos_token_id") == 2)
    #expect(try pieces.integer("tokenizer.ggml.unknown_token_id") == 0)
    #expect(try pieces.bool("tokenizer.ggml.add_bos_token") == true)
    #expect(try pieces.bool("tokenizer.ggml.add_eos_token") == false)
    #expect(try pieces.string("tokenizer.chat_template") == "{{ messages[0]['content'] }}")
    let types = try pieces.requireIntegers("tokenizer.ggml.token_type")
    #expect(types[0..<3] == [2, 3, 3])
    #expect(types[3..<259].allSatisfy { $0 == 6 })
    #expect(types[259...].allSatisfy { $0 == 1 })

    let json = try metadata("sentencepiece-json")
    #expect(try json.requireIntegers("tokenizer.ggml.token_type")[0..<4] == [2, 3, 3, 6])
    #expect(try json.string("tokenizer.chat_template") == "D")
    #expect(try json.string("tokenizer.chat_template.tool_use") == "T")

    let llama3 = try metadata("llama3")
    #expect(try llama3.string("tokenizer.ggml.pre") == "llama-bpe")
    #expect(try llama3.integer("tokenizer.ggml.bos_token_id") == 300)
    #expect(try llama3.integer("tokenizer.ggml.eos_token_id") == 301)
    #expect(try llama3.integer("tokenizer.ggml.eom_token_id") == 302)
    // What the post-processor's template does.
    #expect(try llama3.bool("tokenizer.ggml.add_bos_token") == true)
    #expect(try llama3.bool("tokenizer.ggml.add_eos_token") == false)
    #expect(try llama3.string("tokenizer.chat_template") == "{{ bos_token }}{{ messages[0]['content'] }}")

    let qwen2 = try metadata("qwen2", extra: 8)
    #expect(try qwen2.string("tokenizer.ggml.pre") == "qwen2")
    #expect(try qwen2.integer("tokenizer.ggml.eos_token_id") == 302)
    #expect(try qwen2.integer("tokenizer.ggml.padding_token_id") == 300)
    #expect(try qwen2.bool("tokenizer.ggml.add_bos_token") == false)
    // Control, control, control, added by a user; then numbers without a token.
    #expect(try qwen2.requireIntegers("tokenizer.ggml.token_type")[300...] == [3, 3, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5])
    #expect(try qwen2.requireStrings("tokenizer.ggml.tokens")[304] == "[PAD304]")

    #expect(try metadata("falcon").string("tokenizer.ggml.pre") == "falcon")
    #expect(try metadata("smollm").string("tokenizer.ggml.pre") == "smollm")
    let gpt2 = try metadata("gpt2")
    #expect(try gpt2.string("tokenizer.ggml.pre") == "gpt-2")
    #expect(try gpt2.integer("tokenizer.ggml.bos_token_id") == 2)
    #expect(try gpt2.requireIntegers("tokenizer.ggml.token_type")[0..<4] == [1, 3, 3, 1])
  }

  /// Every token keeps its exact bytes: Swift takes U+2126 and U+03A9, both Ω, for the same text.
  @Test func tokensThatLookTheSameStayApart() throws {
    let folder = try folder("sentencepiece-json")
    var text = String(decoding: try folder.read("model/tokenizer.json"), as: UTF8.self)
    text = text.replacing("\"vocab\":{", with: "\"vocab\":{\"\u{2126}\":360,\"\u{3A9}\":361,")
    try folder.write("model/tokenizer.json", text)
    let tokens = try metadata(in: folder, count: 362).requireStrings("tokenizer.ggml.tokens")
    #expect(tokens[360].unicodeScalars.map(\.value) == [0x2126])
    #expect(tokens[361].unicodeScalars.map(\.value) == [0x3A9])
  }

  /// What is done to a text first is the tokenizer's own; what cannot be done here is said.
  @Test func textsAreComposedWhereTheTokenizerComposes() throws {
    #expect(try metadata("qwen2").bool(Vocabulary.composesTextKey) == true)
    #expect(try metadata("smollm").bool(Vocabulary.composesTextKey) == false)
    let folder = try folder("qwen2")
    let text = String(decoding: try folder.read("model/tokenizer.json"), as: UTF8.self)
    func described(normalizer: String) throws -> (metadata: Metadata, notes: [String]) {
      let other = text.replacing(#/"normalizer":\s*\{\s*"type":\s*"NFC"\s*\}/#, with: "\"normalizer\":\(normalizer)")
      #expect(other != text)
      try folder.write("model/tokenizer.json", other)
      return try self.described(in: folder, count: 304)
    }
    let plain = try described(normalizer: "null")
    #expect(plain.notes == [])
    #expect(try !Tokenizer(metadata: plain.metadata).composesText)
    let both = try described(normalizer: #"{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]}"#)
    #expect(try Tokenizer(metadata: both.metadata).composesText)
    #expect(
      both.notes.count == 1
        && both.notes[0].hasSuffix(
          "changes texts by the normalizer \"Lowercase\", which is not done here: some texts get other tokens.")
    )
  }

  /// Merges of before 2024 are one text each.
  @Test func oldMergesAreRead() throws {
    let folder = try folder("llama3")
    let text = String(decoding: try folder.read("model/tokenizer.json"), as: UTF8.self)
    let old = text.replacing(#/\["([^"\s]+)","([^"\s]+)"\]/#) { "\"\($0.1) \($0.2)\"" }
    #expect(old != text)
    try folder.write("model/tokenizer.json", old)
    #expect(
      try metadata(in: folder, count: 303).requireStrings("tokenizer.ggml.merges")
        == metadata("llama3").requireStrings("tokenizer.ggml.merges"))
  }

  /// Of two files that differ, the one that Hugging Face's fast tokenizers read; the ids are that library's.
  @Test func theNewerFileCounts() throws {
    let folder = try folder("sentencepiece")
    let resources = try #require(Bundle.module.resourceURL).appendingPathComponent("Golden/Tokenizers")
    var text = try String(
      contentsOf: resources.appendingPathComponent("sentencepiece-json/tokenizer.json"), encoding: .utf8)
    try folder.write("model/tokenizer.json", text)
    let (both, nothing) = try described(in: folder, count: 360)
    let older = try metadata("sentencepiece")
    #expect(nothing == [] && both["tokenizer.ggml.scores"] == older["tokenizer.ggml.scores"])
    let sentence = "hello the river"
    let spaced: [Int32] = [301, 259, 322, 322, 309, 264, 301, 310, 304, 265, 310]
    #expect(try Tokenizer(metadata: both).encode(sentence, addSpecial: false) == spaced)

    let prepending = #/\{"type":\s*"Prepend",\s*"prepend":\s*"▁"\},?/#
    text = text.replacing(prepending, with: "")
    try folder.write("model/tokenizer.json", text)
    let (metadata, notes) = try described(in: folder, count: 360)
    let tokenizer = try Tokenizer(metadata: metadata)
    #expect(tokenizer.encode(sentence, addSpecial: false) == Array(spaced.dropFirst()))
    #expect(tokenizer.encode(" hello", addSpecial: false) == [301, 259, 322, 322, 309])
    #expect(
      notes == [
        "\"\(folder.file("model/tokenizer.model"))\" and \"\(folder.file("model/tokenizer.json"))\" differ on the space before a "
          + "text: none is put there, as the latter says."
      ])
  }

  @Test func aDamagedOlderFileIsPassedOver() throws {
    let folder = try folder("sentencepiece-json")
    try folder.write("model/tokenizer.model", "no protocol buffer")
    let (metadata, notes) = try described(in: folder, count: 360)
    #expect(try metadata.requireStrings("tokenizer.ggml.tokens").count == 360)
    let path = folder.file("model/tokenizer.model")
    #expect(notes == ["\"\(path)\" is passed over: \"\(path)\" is no SentencePiece model, or it is damaged."])
  }

  @Test func oneBadSourceDoesNotStopTheSearch() throws {
    let folder = try folder("qwen2")
    try folder.write("model/tokenizer_config.json", #"{"eos_token": "<nope>", "bos_token_id": "none"}"#)
    try folder.write("model/generation_config.json", #"{"eos_token_id": 302, "bos_token_id": 300}"#)
    let (metadata, notes) = try described(in: folder, count: 304)
    #expect(try metadata.integer("tokenizer.ggml.eos_token_id") == 302)
    #expect(try metadata.integer("tokenizer.ggml.bos_token_id") == 300)
    let path = folder.file("model/tokenizer_config.json")
    #expect(
      notes == [
        "The \"bos_token_id\" in \"\(path)\" is no number of a token; it is passed over.",
        "\"\(path)\" names the token \"<nope>\", which the vocabulary does not have; it is passed over.",
      ])
  }

  /// The expressions as the models publish them.
  @Test(arguments: [
    (
      "tekken",
      [
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
      ]
    ),
    (
      "gpt-4o",
      [
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
      ]
    ),
    (
      "qwen35",
      [
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
      ]
    ),
    (
      "deepseek-v3",
      [
        #"\p{N}{1,3}"#, "[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
      ]
    ),
  ])
  func moreWaysToCutAreRecognised(name: String, expressions: [String]) throws {
    let folder = try folder("llama3")
    let whole = try folder.read("model/tokenizer.json")
    var json = try #require(try JSONSerialization.jsonObject(with: Data(whole)) as? [String: Any])
    let splits = expressions.map { expression -> [String: Any] in
      ["type": "Split", "pattern": ["Regex": expression], "behavior": "Isolated", "invert": false]
    }
    json["pre_tokenizer"] = [
      "type": "Sequence",
      "pretokenizers": splits + [
        ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false]
      ],
    ]
    try folder.write("model/tokenizer.json", Array(JSONSerialization.data(withJSONObject: json)))
    #expect(try metadata(in: folder, count: 303).string("tokenizer.ggml.pre") == name)
  }

  @Test func endsOfAnswersAreAllKept() throws {
    let folder = try folder("qwen2")
    try folder.write("model/generation_config.json", #"{"eos_token_id": [302, 300, 301, 299]}"#)
    let (metadata, notes) = try described(in: folder, count: 304)
    #expect(try metadata.integer("tokenizer.ggml.eos_token_id") == 302)
    #expect(try metadata.integer("tokenizer.ggml.eot_token_id") == 300)
    #expect(try metadata.integer("tokenizer.ggml.eom_token_id") == 301)
    #expect(notes.count == 1 && notes[0].hasSuffix("ends an answer too, which the file has no key for."))
    #expect(try Tokenizer(metadata: metadata).endOfGenerationTokens.contains(301))
  }

  @Test func tokensWithoutEmbeddingsAreLeftOut() throws {
    let folder = try folder("sentencepiece")
    try folder.write("model/added_tokens.json", #"{"<pad>": 360, "new words": 359}"#)
    let (metadata, notes) = try described(in: folder, count: 360)
    #expect(try metadata.requireStrings("tokenizer.ggml.tokens")[359] == "new words")
    #expect(try metadata.requireIntegers("tokenizer.ggml.token_type")[359] == 4)
    #expect(
      notes == [
        "\"\(folder.file("model/added_tokens.json"))\" has 1 more tokens than the model has embeddings; they "
          + "are left out."
      ])
  }

  /// Damaged models of SentencePiece: never a trap, always an error or a vocabulary.
  @Test func damagedProtocolBuffersNeverCrash() throws {
    let whole = try folder("sentencepiece").read("model/tokenizer.model")
    var random = SeededGenerator(seed: 3)
    var (read, refused) = (0, 0)
    for round in 0..<4000 {
      var bytes = whole
      if round < 400 {
        bytes.removeLast(bytes.count - round * bytes.count / 400)
      } else {
        for _ in 0..<1 + random.below(3) {
          let position = random.below(2) == 0 ? random.below(bytes.count) : bytes.count - 1 - random.below(200)
          bytes[position] = random.bytes(1)[0]
        }
      }
      let model = bytes.withUnsafeBytes { SentencePieceModel($0) }
      if model == nil { refused += 1 } else { read += 1 }
    }
    #expect(read > 100)
    #expect(refused > 100)
  }

  /// Damaged descriptions of tokenizers: never a trap, always an error or keys.
  @Test(arguments: ["llama3", "sentencepiece-json"]) func damagedDescriptionsNeverCrash(name: String) throws {
    let folder = try folder(name)
    let whole = try folder.read("model/tokenizer.json")
    var random = SeededGenerator(seed: 11)
    var (read, refused) = (0, 0)
    for _ in 0..<150 {
      var bytes = whole
      for _ in 0..<1 + random.below(2) {
        // The rest is all vocabulary.
        let position = random.below(2) == 0 ? random.below(1500) : random.below(bytes.count)
        switch random.below(4) {
        case 0: bytes[position] = random.bytes(1)[0]
        case 1: bytes.removeSubrange(position..<min(bytes.count, position + 1 + random.below(30)))
        case 2: bytes.insert(contentsOf: Array("[{\"-9e1,:".utf8)[random.below(9)...], at: position)
        default:
          if let digit = bytes[position...].firstIndex(where: { (0x30...0x39).contains($0) }) {
            bytes.insert(0x39, at: digit)
          }
        }
      }
      try folder.write("model/tokenizer.json", bytes)
      do {
        _ = try Tokenizer(metadata: metadata(in: folder, count: 360))
        read += 1
      } catch {
        #expect("\(error)".hasSuffix("."))
        refused += 1
      }
    }
    #expect(read > 10)
    #expect(refused > 10)
  }

  /// Nesting that a reader might lose its stack in.
  @Test(arguments: ["config.json", "tokenizer_config.json", "tokenizer.json"]) func deepNestingIsRefused(
    name: String
  ) throws {
    let folder = try folder("llama3")
    for depth in [400, 100_000] {
      let nest = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      try folder.write("model/" + name, #"{"pre_tokenizer":\#(nest),"model":{"vocab":{"a":0},"merges":[]}}"#)
      // An error of any kind, or none: the settings may hold what they like.
      _ = try? metadata(in: folder, count: 303)
    }
    #expect(throws: ConvertError.self) { try metadata(in: folder, count: 303) }
  }

  // MARK: Support

  private func folder(_ name: String) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let resources = try #require(Bundle.module.resourceURL).appendingPathComponent("Golden/Tokenizers/\(name)").path
    try FileManager.default.copyItem(atPath: resources, toPath: folder.file("model"))
    // A folder without weights is none.
    let ends = name == "llama3" ? "[301, 302]" : "null"
    try folder.write("model/config.json", "{\"eos_token_id\": \(ends)}")
    try folder.write("model/model.safetensors", StoredTensor.safetensors([]))
    return folder
  }

  private func metadata(_ name: String, extra: Int = 0) throws -> Metadata {
    try metadata(in: folder(name), count: (Self.sizes[name] ?? 0) + extra)
  }

  private func metadata(in folder: TemporaryFolder, count: Int) throws -> Metadata {
    try described(in: folder, count: count).metadata
  }

  private func described(in folder: TemporaryFolder, count: Int) throws -> (metadata: Metadata, notes: [String]) {
    var tokenizer = try TokenizerFolder(ModelFolder(folder.file("model")), count: count, preTokenizer: nil)
    var metadata = Metadata()
    try tokenizer.describe(in: &metadata)
    return (metadata, tokenizer.notes)
  }
}
