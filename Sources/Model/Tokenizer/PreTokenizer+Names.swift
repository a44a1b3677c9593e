extension PreTokenizer {
  /// Every name that ``init(named:)`` knows, in alphabetical order.
  static var knownNames: [String] { families.flatMap(\.names).sorted() }

  /// - Parameter name: the value of `tokenizer.ggml.pre`; nil means `default`.
  /// - Throws: ``VocabularyError/unknownPreTokenizer(_:)``
  init(named name: String?) throws(VocabularyError) {
    let name = name.map { $0.isEmpty ? "default" : $0 } ?? "default"
    guard let family = Self.families.first(where: { $0.names.contains(name) }) else {
      throw .unknownPreTokenizer(name)
    }
    stages = family.stages
    spelling = family.spelling
    ignoresMerges = family.ignoresMerges.contains(name)
    ignoresLineMerges = family.ignoresLineMerges.contains(name)
    addsBeginningOfSequence = family.addsBeginningOfSequence.contains(name)
    composesText = Self.composing.contains(name)
  }

  /// Those whose tokenizers in the package `transformers` have the normalizer NFC: Qwen's, Cohere's and GPT-NeoX's, which OLMo has.
  /// llama.cpp cuts their texts as they are, so that ids differ for decomposed texts; the models were trained on composed ones. Of
  /// other names that Qwen's expression is used under, such as `deepseek-r1-qwen`, it is not known, and they are cut as llama.cpp does.
  private static let composing: Set = ["qwen2", "qwen35", "command-r", "olmo"]

  private struct Family {
    var names: [String]
    var ignoresMerges: Set<String> = []
    var ignoresLineMerges: Set<String> = []
    var addsBeginningOfSequence: Set<String> = []
    var spelling = Spelling.bytes
    var stages: [Stage]
  }

  private static let llama3Names = [
    "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
  ]

  /// What most expressions have at their end.
  private static let lastWords: [Word] = [.lineBreaks, .spaces]

  /// `[^\s\p{L}\p{N}]`
  private static let otherMarks: ScalarText.Class = [.mark, .punctuation, .symbol, .other]

  /// GPT-4o's expression, with at most d digits in a word. The published one, where llama.cpp's takes any letter that is not ASCII for
  /// both cases.
  private static func gpt4o(digits: Int, joinsContractions: Bool = true) -> Stage {
    .words(
      [
        .cased(joinsContractions: joinsContractions), .numbers(digits),
        .marks(otherMarks, ending: .lineBreaksAndSlashes),
      ] + lastWords)
  }

  /// DeepSeek V3's third expression.
  private static func deepSeek3(ending: Ending, _ last: [Word]) -> Stage {
    .words(
      [
        .markedLetters, .letters([.letter, .mark], notAfter: [.letter, .punctuation, .symbol]),
        .marks([.punctuation, .symbol], ending: ending),
      ] + last)
  }

  private static let numbersInThrees = Stage.words([.numbers(3)])

  private static let families: [Family] = [
    Family(
      names: ["default"],
      stages: [
        .isolate(.falconPunctuation, length: .oneOrMore),
        .gpt2,
        .isolate(Members(classes: .number), length: .oneOrMore),
        .isolate(.asciiDigits, length: .exactly(3)),
      ]),
    Family(
      names: [
        "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "gigachat", "mellum",
        "a.x-4.0", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "modern-bert", "jina-v1-en", "jina-v2-code",
        "roberta-bpe",
      ],
      stages: [.gpt2]),
    Family(
      names: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
      stages: [.isolate(Members(classes: .number), length: .exactly(1)), .gpt2]),
    Family(
      names: ["falcon"],
      stages: [
        .isolate(.falconPunctuation.adding("`"), length: .oneOrMore),
        .gpt2,
        .isolate(.asciiDigits, length: .exactly(3)),
      ]),
    Family(
      names: llama3Names + ["dbrx", "smaug-bpe", "chatglm-bpe", "glm4", "glm5"],
      ignoresMerges: Set(llama3Names + ["glm4", "glm5"]),
      addsBeginningOfSequence: Set(llama3Names),
      stages: [.llama3(digits: 3, marksJoinLetters: false)]),
    Family(
      names: [
        "qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "solar-open", "grok-2", "kormo", "f2llmv2",
      ],
      stages: [.llama3(digits: 1, marksJoinLetters: false)]),
    Family(names: ["qwen35"], stages: [.llama3(digits: 1, marksJoinLetters: true)]),
    Family(
      names: ["laguna"],
      stages: [.isolate(.lineFeed, length: .oneOrMore), .llama3(digits: 1, marksJoinLetters: false)]),
    Family(
      names: ["minicpm5"], ignoresMerges: ["minicpm5"],
      stages: [numbersInThrees, .llama3(digits: .max, marksJoinLetters: false)]),
    Family(
      names: ["jais-2"],
      stages: [
        .words([
          .contraction, .letters(.letter, notAfter: [.letter, .number]), .numbers(3),
          .marks(otherMarks, ending: .lineBreaks), .lineBreaks, .powersOfSpaces,
        ])
      ]),
    Family(
      names: ["bailingmoe", "bailingmoe2", "llada-moe"],
      stages: [.llama3(digits: 1, marksJoinLetters: false)]),
    Family(
      names: ["seed-coder"],
      stages: [
        .words(
          [
            .contraction, .letters(.letter, notAfter: [.letter, .number]), .numbers(1),
            .marks(otherMarks, ending: .nothing),
          ] + lastWords)
      ]),
    Family(
      names: ["ufakzeka"],
      stages: [
        .words(
          [
            .letters(.letter, notAfter: [.letter, .number]), .numbers(1), .marks(otherMarks, ending: .lineBreaks),
          ] + lastWords)
      ]),
    Family(
      names: ["exaone-moe"],
      stages: [
        .words(
          [.contraction, .phrase, .numbers(1), .marks(otherMarks, ending: .oneLineBreakOrSlash)] + lastWords)
      ]),
    Family(
      names: ["tekken"], ignoresMerges: ["tekken"], addsBeginningOfSequence: ["tekken"],
      stages: [gpt4o(digits: 1, joinsContractions: false)]),
    Family(
      names: ["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2", "granite-embed-multi-97m"],
      ignoresMerges: ["granite-embed-multi-97m"],
      stages: [gpt4o(digits: 3)]),
    Family(names: ["tiny_aya", "cohere2moe"], stages: [.words([.decimalThousands]), gpt4o(digits: 3)]),
    Family(
      names: ["youtu"], ignoresMerges: ["youtu"],
      stages: [
        .words([.run(.hangul), .run(.chinesePunctuation), .run(.bopomofo), .run(.hanAndKana)]), gpt4o(digits: 1),
      ]),
    Family(
      names: ["kimi-k2"],
      stages: [
        .words(
          [
            .run(.han), .cased(joinsContractions: true, withoutHan: true), .numbers(3),
            .marks(otherMarks, ending: .lineBreaks),
          ] + lastWords)
      ]),
    Family(
      names: ["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
      stages: [
        numbersInThrees, .isolate(.hanAndKana, length: .oneOrMore), deepSeek3(ending: .lineBreaks, lastWords),
      ]),
    Family(
      names: ["spark2_5"],
      stages: [
        numbersInThrees, .isolate(.hanAndKana, length: .oneOrMore), deepSeek3(ending: .nothing, [.lineBreak, .spaces]),
        .isolate(Members(classes: .number), length: .exactly(1)),
      ]),
    Family(
      names: ["afmoe"],
      stages: [
        .words([.thousands]), .isolate(.asianScripts, length: .oneOrMore),
        deepSeek3(ending: .lineBreaks, lastWords),
      ]),
    Family(
      names: ["superbpe"],
      stages: [.isolate(Members(classes: .number), length: .oneOrMore), .beforeThousands]),
    Family(names: ["poro-chat", "bloom", "gpt3-finnish"], stages: [.words([.spacedRunWithout(.bloomPunctuation)])]),
    Family(
      names: ["viking"],
      stages: [
        .words([.spacedRunWithout(.bloomPunctuation)]), .isolate(Members(classes: .number), length: .exactly(1)),
      ]),
    Family(
      names: ["chameleon"], addsBeginningOfSequence: ["chameleon"],
      stages: [
        .words([.imageMarks]), .words([.indentation]), .isolate(Members(classes: .number), length: .exactly(1)),
        .isolate(.allPunctuation, length: .exactly(1)), .gpt2,
      ]),
    // Vocabularies of characters, like SentencePiece's but with merges. Words are whole lines.
    Family(
      names: ["gemma4", "granite-embed-multi-311m", "sarvam-moe"],
      ignoresLineMerges: ["gemma4", "granite-embed-multi-311m"],
      spelling: .charactersAndMarkedSpaces,
      stages: [.isolate(.lineFeed, length: .oneOrMore)]),
    Family(names: ["whitespace"], spelling: .characters, stages: [.words([.visible])]),
    // The punctuation includes U+3000, which is also white space; llama.cpp only takes it for the latter.
    Family(
      names: ["deepseek-llm"],
      stages: [
        .isolate(.lineBreaks, length: .exactly(1)),
        .isolateWithSpace(.casedLetters),
        .isolateWithSpace(.deepSeekPunctuation),
        .isolateTrailingSpace,
        .isolate(.eastAsian, length: .oneOrMore),
        .isolate(Members(classes: .number), length: .oneOrMore),
      ]),
    Family(
      names: ["deepseek-coder"],
      stages: [
        .isolate(.lineBreaks, length: .exactly(1)),
        .isolateWithSpace(Members(classes: .letter)),
        .isolateWithSpace(Members(classes: .punctuation)),
        .isolate(.eastAsian, length: .oneOrMore),
        .isolate(Members(classes: .number), length: .exactly(1)),
      ]),
  ]
}

extension PreTokenizer.Members {
  fileprivate static let asciiDigits = Self(ranges: [0x30...0x39])
  fileprivate static let lineBreaks = Self(ranges: [0x0a...0x0a, 0x0d...0x0d])

  /// `[\p{P}\$\+<=>\^~\|]`
  fileprivate static let falconPunctuation = Self(
    classes: .punctuation,
    ranges: [0x24...0x24, 0x2b...0x2b, 0x3c...0x3e, 0x5e...0x5e, 0x7c...0x7c, 0x7e...0x7e])

  /// `[!-/:-~！-／：-～‘-‟\u3000-。]`
  fileprivate static let deepSeekPunctuation = Self(
    ranges: [0x21...0x2f, 0x3a...0x7e, 0x2018...0x201f, 0x3000...0x3002, 0xff01...0xff0f, 0xff1a...0xff5e])

  fileprivate static let lineFeed = Self(ranges: [0x0a...0x0a])

  /// `[\p{P}!-/:-@\[-`{-~]`
  fileprivate static let allPunctuation = Self(
    classes: .punctuation, ranges: [0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e])

  /// `[(|.,!?…。，、।۔،)]`
  fileprivate static let bloomPunctuation = Self(
    ranges: [
      0x21...0x21, 0x28...0x29, 0x2c...0x2c, 0x2e...0x2e, 0x3f...0x3f, 0x7c...0x7c, 0x60c...0x60c, 0x6d4...0x6d4,
      0x964...0x964, 0x2026...0x2026, 0x3001...0x3002, 0xff0c...0xff0c,
    ])

  /// `[一-龥぀-ゟ゠-ヿ]`
  fileprivate static let hanAndKana = Self(ranges: [0x3040...0x30ff, 0x4e00...0x9fa5])
  /// `[가-힣ㄱ-ㆎ]`
  fileprivate static let hangul = Self(ranges: [0x3131...0x318e, 0xac00...0xd7a3])
  /// `[ㄅ-ㄯ]`
  fileprivate static let bopomofo = Self(ranges: [0x3105...0x312f])
  /// `[！…“”‘’—：；，、-〿︰-﹏]`
  fileprivate static let chinesePunctuation = Self(
    ranges: [
      0x2014...0x2014, 0x2018...0x2019, 0x201c...0x201d, 0x2026...0x2026, 0x3001...0x303f, 0xfe30...0xfe4f,
      0xff01...0xff01, 0xff0c...0xff0c, 0xff1a...0xff1b,
    ])
  /// Han, kana, Thai, Lao, Khmer, Burmese and Hangul, as AFMoE's expression lists them.
  fileprivate static let asianScripts = Self(
    ranges: [
      0xe40...0xe7f, 0xe80...0xeff, 0x1000...0x109f, 0x1100...0x11ff, 0x1780...0x17ff, 0x2f00...0x2fdf,
      0x3040...0x30ff, 0x3400...0x4dbf, 0x4e00...0xfaff, 0xff65...0xff9f,
    ])

  fileprivate func adding(_ scalar: Unicode.Scalar) -> Self {
    var result = self
    result.ranges.append(scalar.value...scalar.value)
    result.ranges.sort { $0.lowerBound < $1.lowerBound }
    return result
  }
}

extension Vocabulary {
  /// Every value of `tokenizer.ggml.pre` that a ``Tokenizer`` knows, in alphabetical order.
  public static var preTokenizerNames: [String] { PreTokenizer.knownNames }
}
