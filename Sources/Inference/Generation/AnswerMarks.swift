import PowerInferModel

/// The marks of reasoning and of calls, which answers show even where a vocabulary has control tokens for them, as Mistral's have:
/// nothing else tells these parts of an answer from what the model says.
enum AnswerMarks {
  /// Control tokens that spell such a mark.
  static func tokens(of tokenizer: Tokenizer) -> Set<Int32> {
    Set((ReasoningFormat.marks + ToolCallFormat.marks).compactMap(tokenizer.id(of:)).filter(tokenizer.isControl))
  }
}
