/// What a token is; unlike the file's types, several can hold at once.
struct TokenAttributes: OptionSet, Sendable {
  var rawValue: UInt8
  static let normal = TokenAttributes(rawValue: 1)
  static let unknown = TokenAttributes(rawValue: 2)
  static let control = TokenAttributes(rawValue: 4)
  static let userDefined = TokenAttributes(rawValue: 8)
  static let byte = TokenAttributes(rawValue: 16)
  /// Never shown unless special tokens are asked for, never made from ordinary text.
  static let hidden: TokenAttributes = [.unknown, .control]

  init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  init(_ type: Vocabulary.TokenType) {
    self =
      switch type {
      case .normal: .normal
      case .unknown: .unknown
      case .control: .control
      case .userDefined: .userDefined
      case .byte: .byte
      case .unused, .undefined: []
      }
  }
}

/// Tokens that are recognised by their text, because files often do not name them in their metadata.
enum KnownTokens {
  /// Ends a turn; the first of these that a vocabulary has is its end-of-turn token if the file names none.
  static let endOfTurn = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "<EOT>", "_<EOT>",
    "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>",
  ]

  /// Ends an answer.
  static let endOfGeneration =
    endOfTurn + [
      "<|eom_id|>", "</s>", "[EOS]", "<eos>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>",
    ]

  /// Parts of fill-in-the-middle prompts whose appearance ends an answer; the first of each line that exists.
  static let fillInMiddleEnds = [
    ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
    ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
    ["<|file_sep|>"],
  ]

  /// The other parts of fill-in-the-middle prompts, which are control tokens too.
  static let fillInMiddle = [
    ["<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>"],
    ["<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>"],
    ["<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>"],
  ]
}
