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
    default: return nil
    }
  }

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
  private static func cl100k(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }
}
