import PowerInfer
import PowerInferGGUF
import PowerInferJinja
import PowerInferModel

/// Renders a conversation by the chat template in the model's file.
struct ChatRenderer {
  private let template: ChatTemplate
  /// Whether messages may spell control tokens too.
  private let trustsMessages: Bool

  /// Nil where the file has no template.
  ///
  /// - Parameters:
  ///   - model: the model whose template it is.
  ///   - trustsMessages: whether messages may spell control tokens too.
  /// - Throws: `JinjaError` where the file's template is none.
  init?(model: LanguageModel, trustsMessages: Bool) throws {
    do {
      try self.init(ChatTemplate(metadata: model.file.metadata), trustsMessages: trustsMessages)
    } catch ChatTemplateError.missing {
      return nil
    }
  }

  init(_ template: ChatTemplate, trustsMessages: Bool) {
    self.template = template
    self.trustsMessages = trustsMessages
  }

  /// The conversation with the start of an answer after it, and which of its bytes may spell control tokens.
  ///
  /// - Throws: `JinjaError`, with the template's own words where it refuses the conversation.
  func render(_ messages: [Message]) throws -> RenderedText {
    let text = try template.rendered(
      messages: messages.map { ChatMessage(role: $0.role.rawValue, content: $0.content) })
    return trustsMessages ? RenderedText(trusting: text.text) : text
  }
}
