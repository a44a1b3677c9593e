import PowerInfer

/// Control tokens of models that fill in the middle of a text.
struct Infill: Sendable, Equatable {
  var prefix: Int32
  var suffix: Int32
  var middle: Int32

  /// The spellings that models have for the three.
  private static let spellings = [
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"), ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"), ("▁<PRE>", "▁<SUF>", "▁<MID>"), ("<PRE>", "<SUF>", "<MID>"),
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
  ]

  /// Those of a vocabulary; nil where it has none.
  init?(_ tokenizer: Tokenizer) {
    for (first, second, third) in Self.spellings {
      guard let prefix = tokenizer.id(of: first), let suffix = tokenizer.id(of: second),
        let middle = tokenizer.id(of: third)
      else { continue }
      (self.prefix, self.suffix, self.middle) = (prefix, suffix, middle)
      return
    }
    return nil
  }

  /// What stands before the gap, what stands after it, and then what fills it.
  func prompt(before: String, after: String, _ tokenizer: Tokenizer) -> [Int32] {
    func tokens(_ text: String) -> [Int32] { tokenizer.encode(text, addSpecial: false, parseSpecial: false) }
    let start = tokenizer.addsBOS ? tokenizer.bos.map { [$0] } ?? [] : []
    return start + [prefix] + tokens(before) + [suffix] + tokens(after) + [middle]
  }
}

extension ServedModel {
  /// How it fills in the middle; nil where it does not.
  var infill: Infill? { Infill(tokenizer) }
}
