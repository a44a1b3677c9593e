import OrderedCollections
import PowerInferJinja
public import PowerInferModel

/// Turns texts and conversations into the tokens that a model goes on from.
///
/// ```swift
/// let prompts = try PromptRenderer(model: model)
/// let tokens = try prompts.tokens(of: [Message(.user, "What is the capital of France?")])
/// ```
///
/// Control tokens of a conversation come from the template alone: a message that spells one is text.
public struct PromptRenderer: Sendable {
  private let tokenizer: Tokenizer
  private let template: ChatTemplate?
  private let trustsMessages: Bool

  /// What the model's file says of prompts.
  ///
  /// - Parameters:
  ///   - model: whose tokenizer and chat template they are.
  ///   - trustsMessages: whether texts and messages may spell control tokens too.
  /// - Throws: `JinjaError` where the file's chat template is none, and what reading the file's metadata throws.
  public init(model: LanguageModel, trustsMessages: Bool = false) throws {
    tokenizer = model.tokenizer
    template = try model.chatTemplate()
    self.trustsMessages = trustsMessages
  }

  /// With another template than the file's.
  public init(tokenizer: Tokenizer, template: ChatTemplate?, trustsMessages: Bool = false) {
    self.tokenizer = tokenizer
    self.template = template
    self.trustsMessages = trustsMessages
  }

  /// Whether conversations can be rendered.
  public var hasChatTemplate: Bool { template != nil }

  /// A plain text, with the special tokens that the model wants around one.
  public func tokens(of text: String) -> [Int32] {
    tokenizer.encode(text, addSpecial: true, parseSpecial: trustsMessages)
  }

  /// A conversation with the start of an answer after it, by the model's own template.
  ///
  /// - Parameters:
  ///   - messages: the conversation, oldest first.
  ///   - tools: what the model may ask to have called.
  ///   - beginning: what the answer begins with, for the model to go on from.
  /// - Throws: ``PromptError/noChatTemplate``; `JinjaError`, with the template's own words where it refuses the conversation.
  public func tokens(of messages: [Message], tools: [Tool] = [], beginning: String = "") throws -> [Int32] {
    let text = try rendered(messages, tools)
    var tokens = tokenizer.encode(trustsMessages ? RenderedText(trusting: text.text) : text, addSpecial: false)
    if !beginning.isEmpty {
      tokens += tokenizer.encode(beginning, addSpecial: false, parseSpecial: trustsMessages)
    }
    // Some templates spell the token that begins a text, others leave it to the tokenizer.
    guard tokenizer.addsBOS, let bos = tokenizer.bos, tokens.first != bos else { return tokens }
    return [bos] + tokens
  }

  /// The same conversation as the text that the template makes of it. A text alone does not say who spelt a control token in it,
  /// so that it is for people to read, not for models.
  ///
  /// - Throws: as ``tokens(of:tools:beginning:)``.
  public func text(of messages: [Message], tools: [Tool] = []) throws -> String { try rendered(messages, tools).text }

  private func rendered(_ messages: [Message], _ tools: [Tool]) throws -> RenderedText {
    guard let template else { throw PromptError.noChatTemplate }
    return try template.rendered(
      messages: messages.map(ChatMessage.init), tools: tools.isEmpty ? nil : tools.map(\.value))
  }
}

/// Why a conversation is no prompt.
public enum PromptError: Error, Equatable, CustomStringConvertible {
  case noChatTemplate

  public var description: String {
    switch self {
    case .noChatTemplate:
      "The model has no chat template, so it cannot chat; expected a plain text or tokens to go on from."
    }
  }
}

extension ChatMessage {
  /// A message as templates see it: arguments of tool calls as objects where they are, no content where there is nothing but calls.
  init(_ message: Message) {
    var extras: OrderedDictionary<String, Value> = [:]
    if let name = message.name { extras["name"] = .string(name) }
    if let reasoning = message.reasoning { extras["reasoning_content"] = .string(reasoning) }
    if !message.toolCalls.isEmpty {
      extras["tool_calls"] = .list(
        message.toolCalls.map { call in
          let arguments = try? Value(json: call.arguments)
          return [
            "id": .string(call.id), "type": "function",
            "function": [
              "name": .string(call.name),
              "arguments": arguments?.entries == nil ? .string(call.arguments) : arguments ?? .none,
            ],
          ]
        })
    }
    if let id = message.toolCallID { extras["tool_call_id"] = .string(id) }
    let isSilent = message.content.isEmpty && !message.toolCalls.isEmpty
    self.init(role: message.role.rawValue, content: isSilent ? .none : .string(message.content), extras: extras)
  }
}
