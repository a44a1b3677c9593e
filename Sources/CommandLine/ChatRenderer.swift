import PowerInfer
import PowerInferGGUF
import PowerInferModel

/// Renders a conversation by the chat template in the model's file.
struct ChatRenderer {
  private let template: ChatTemplate

  /// Nil where the file has no template.
  ///
  /// - Throws: `JinjaError` where the file's template is none.
  init?(model: LanguageModel) throws {
    do {
      template = try ChatTemplate(metadata: model.file.metadata)
    } catch ChatTemplateError.missing {
      return nil
    }
  }

  /// The conversation with the start of an answer after it.
  ///
  /// - Throws: `JinjaError`, with the template's own words where it refuses the conversation.
  func render(_ messages: [Message]) throws -> String {
    try template.render(messages: messages.map { ChatMessage(role: $0.role.rawValue, content: $0.content) })
  }
}
