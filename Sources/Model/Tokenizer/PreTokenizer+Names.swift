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
    ignoresMerges = family.ignoresMerges.contains(name)
    addsBeginningOfSequence = family.addsBeginningOfSequence.contains(name)
  }

  private struct Family {
    var names: [String]
    var ignoresMerges: Set<String> = []
    var addsBeginningOfSequence: Set<String> = []
    var stages: [Stage]
  }

  private static let llama3Names = [
    "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
  ]

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
        "a.x-4.0",
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
      names: llama3Names + ["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"],
      ignoresMerges: Set(llama3Names + ["glm4"]),
      addsBeginningOfSequence: Set(llama3Names),
      stages: [.llama3(digits: 3, marksJoinLetters: false)]),
    Family(
      names: ["qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "solar-open", "grok-2", "kormo"],
      stages: [.llama3(digits: 1, marksJoinLetters: false)]),
    Family(names: ["qwen35"], stages: [.llama3(digits: 1, marksJoinLetters: true)]),
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
