import PowerInferCheckpoint
import PowerInferModel

/// How a byte-level tokenizer of Hugging Face's library cuts a text into words, and the name that GGUF files give it.
enum WordCutting {
  /// The name, by what the steps of the pre-tokenizer do; nil where it is none of those known.
  ///
  /// Not by what the tokenizer makes of a sample, as llama.cpp's converter does: that changes with every token added.
  static func name(of tokenizer: TokenizerJSON) -> String? {
    let steps = TokenizerJSON.steps(tokenizer.preTokenizer, in: "pretokenizers").map(Step.init)
    switch steps {
    case [.bytes(cuts: true)]: return "gpt-2"
    case [.digits(single: true), .bytes(cuts: true)]: return "smollm"
    case [.punctuation, .bytes(cuts: true), .digits(single: false), .split("[0-9][0-9][0-9]")]: return "falcon"
    case [.split(cl100k(digits: "{1,3}")), .bytes(cuts: false)]:
      return tokenizer.model.ignoresMerges ? "llama-bpe" : "smaug-bpe"
    case [.split(cl100k(digits: "")), .bytes(cuts: false)]: return "qwen2"
    case [.split(cl100k(digits: "", letters: #"[\p{L}\p{M}]+"#, marks: #"\p{L}\p{M}\p{N}"#)), .bytes(cuts: false)]:
      return "qwen35"
    case [.split(gpt4o(suffix: "", digits: "")), .bytes(cuts: false)]: return "tekken"
    case [.split(gpt4o(suffix: contraction, digits: "{1,3}")), .bytes(cuts: false)]: return "gpt-4o"
    case [
      .split(#"\d{1,3}(?=(?:\d{3})*\b)"#), .split(gpt4o(suffix: contraction, digits: "{1,3}")), .bytes(cuts: false),
    ]:
      return "tiny_aya"
    case [.split(#"\p{N}{1,3}"#), .split("[一-龥\u{3040}-ゟ゠-ヿ]+"), .split(deepSeek3), .bytes(cuts: false)]:
      return "deepseek-v3"
    case [.split(seedCoder), .bytes(cuts: false)]: return "seed-coder"
    default: return nil
    }
  }

  private static let contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

  /// The expression of GPT-4o and of Mistral's Tekken, which has no contractions and single digits.
  private static func gpt4o(suffix: String, digits: String) -> String {
    let (upper, lower) = (#"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#, #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#)
    let lead = #"[^\r\n\p{L}\p{N}]?"#
    return "\(lead)\(upper)*\(lower)+\(suffix)|\(lead)\(upper)+\(lower)*\(suffix)|" + #"\p{N}"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// With the line breaks as such, as the published file has them.
  private static let deepSeek3 =
    ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^"## + "\r\n"
    + #"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+["# + "\r\n" + #"]*|\s*["# + "\r\n" + #"]+|\s+(?!\S)|\s+"#

  private static let seedCoder =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n" + #"\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}"# + "\r\n" + #"]+|\s*["#
    + "\r\n" + #"]+|\s+(?!\S)|\s+"#

  private enum Step: Equatable {
    case bytes(cuts: Bool)
    case digits(single: Bool)
    case punctuation
    case split(String)
    case other

    init(_ step: JSONValue) {
      switch step["type"]?.string {
      case "ByteLevel": self = .bytes(cuts: step["use_regex"]?.bool ?? true)
      case "Digits": self = .digits(single: step["individual_digits"]?.bool ?? false)
      case "Punctuation" where step["behavior"]?.string == "Contiguous": self = .punctuation
      case "Split" where step["behavior"]?.string == "Isolated" && step["invert"]?.bool != true:
        self = step["pattern"]?["Regex"]?.string.map { .split($0) } ?? .other
      default: self = .other
      }
    }
  }

  /// The expression of Llama 3 and Qwen2, which differ in how many digits make a word.
  private static func cl100k(
    digits: String, letters: String = #"\p{L}+"#, marks: String = #"\p{L}\p{N}"#
  ) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?"# + letters + #"|\p{N}"# + digits
      + #"| ?[^\s"# + marks + #"]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }
}
