public import PowerInferGGUF

/// A vocabulary small enough to read, with the structure of a real one.
public enum TinyVocabulary: Sendable {
  /// Byte-level BPE: the 256 bytes, some English merges, three control tokens. No text is unknown to it.
  case bytePairs(preTokenizer: String = "smollm")
  /// SentencePiece: three control tokens, 256 byte tokens, pieces with scores.
  case sentencePiece
  /// So many made-up tokens ("t0", "t1", …), for models that read no text.
  case numbered(Int)

  /// The tokens, in order of their ids.
  public var tokens: [String] {
    switch self {
    case .bytePairs:
      TinyVocabulary.controls + (0..<256).map { TinyVocabulary.symbol(UInt8($0)) }
        + TinyVocabulary.merges.map { $0.left + $0.right }
    case .sentencePiece:
      ["<unk>", "<s>", "</s>"] + (0..<256).map { "<0x\(hexadecimal($0))>" } + TinyVocabulary.pieces
    case .numbered(let count):
      (0..<count).map { "t\($0)" }
    }
  }

  /// Adds the keys of the tokenizer.
  public func add(to metadata: inout Metadata) {
    let tokens = tokens
    switch self {
    case .bytePairs(let preTokenizer):
      metadata.set("tokenizer.ggml.model", .string("gpt2"))
      metadata.set("tokenizer.ggml.pre", .string(preTokenizer))
      metadata.set("tokenizer.ggml.tokens", .array(MetadataArray(tokens)))
      let types = tokens.indices.map { Int32($0 < TinyVocabulary.controls.count ? 3 : 1) }
      metadata.set("tokenizer.ggml.token_type", .array(MetadataArray(types)))
      metadata.set(
        "tokenizer.ggml.merges", .array(MetadataArray(TinyVocabulary.merges.map { $0.left + " " + $0.right })))
      setSpecial(&metadata, beginning: 1, end: 2, unknown: 0, addsBeginning: false)
      metadata.set("tokenizer.chat_template", .string(TinyVocabulary.chatTemplate))
    case .sentencePiece:
      metadata.set("tokenizer.ggml.model", .string("llama"))
      metadata.set("tokenizer.ggml.tokens", .array(MetadataArray(tokens)))
      // Earlier pieces are the likelier ones, as in a trained vocabulary.
      let scores = tokens.indices.map { $0 < 259 ? Float(0) : Float(259 - $0) }
      metadata.set("tokenizer.ggml.scores", .array(MetadataArray(scores)))
      let types = tokens.indices.map { Int32($0 == 0 ? 2 : $0 < 3 ? 3 : $0 < 259 ? 6 : 1) }
      metadata.set("tokenizer.ggml.token_type", .array(MetadataArray(types)))
      setSpecial(&metadata, beginning: 1, end: 2, unknown: 0, addsBeginning: true)
    case .numbered:
      metadata.set("tokenizer.ggml.model", .string("no_vocab"))
    }
  }

  private func setSpecial(
    _ metadata: inout Metadata, beginning: UInt32, end: UInt32, unknown: UInt32, addsBeginning: Bool
  ) {
    metadata.set("tokenizer.ggml.bos_token_id", .uint32(beginning))
    metadata.set("tokenizer.ggml.eos_token_id", .uint32(end))
    metadata.set("tokenizer.ggml.unknown_token_id", .uint32(unknown))
    metadata.set("tokenizer.ggml.add_bos_token", .bool(addsBeginning))
  }

  private static let controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

  private static let chatTemplate =
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

  /// The character that stands for a byte in byte-level vocabularies: itself where it prints, else one from U+0100 on,
  /// counted over the bytes that do not (Radford et al. 2019).
  static func symbol(_ byte: UInt8) -> String {
    func prints(_ byte: UInt8) -> Bool { (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174 }
    if prints(byte) { return String(Unicode.Scalar(byte)) }
    let before = (0..<byte).count { !prints($0) }
    return String(decoding: [UInt16(256 + before)], as: UTF16.self)
  }

  /// In order of rank. "Ġ" is the space.
  private static let merges: [(left: String, right: String)] = [
    ("Ġ", "t"), ("h", "e"), ("Ġ", "a"), ("i", "n"), ("r", "e"), ("Ġt", "he"), ("o", "n"), ("Ġ", "w"), ("Ġ", "s"),
    ("l", "l"), ("e", "r"), ("Ġ", "c"), ("o", "r"), ("l", "d"), ("he", "ll"), ("hell", "o"), ("Ġw", "or"),
    ("Ġwor", "ld"), ("1", "2"), ("Ã", "©"), ("Ċ", "Ċ"),
  ]

  /// "▁" is the space.
  private static let pieces =
    ["▁", "e", "t", "a", "o", "i", "n", "s", "h", "r", "d", "l", "u", "c", "w", "é", "▁t", "he", "▁the", "in", "▁a"]
    + ["ll", "or", "ld", "hell", "hello", "▁hello", "▁w", "▁wor", "▁world", "."]
}

private func hexadecimal(_ value: Int) -> String {
  let digits = String(value, radix: 16, uppercase: true)
  return digits.count == 1 ? "0" + digits : digits
}
