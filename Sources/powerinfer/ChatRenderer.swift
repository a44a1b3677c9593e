import GGUF
import Inference
import Model

/// Renders a conversation by the chat template in the model's file.
struct ChatRenderer {
  /// Whether the tokenizer adds the special tokens around a text; not where the template spells them.
  let wantsSpecialTokens = false

  /// Nil where the file has no template.
  init?(model: LanguageModel) throws {
    return nil
  }

  func render(_ messages: [Message]) throws -> String {
    ""
  }
}
