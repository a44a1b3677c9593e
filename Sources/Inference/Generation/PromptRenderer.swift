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
  private let shape: TemplateShape
  private let trustsMessages: Bool
  /// Why the file's template is none; plain texts do not need it.
  private var templateFailure: JinjaError?

  /// What the model's file says of prompts, or the engine's options in its place.
  ///
  /// - Throws: as ``init(model:template:trustsMessages:)``.
  public init(engine: Engine, trustsMessages: Bool = false) throws {
    try self.init(model: engine.model, template: engine.chatTemplate, trustsMessages: trustsMessages)
  }

  /// What the model's file says of prompts.
  ///
  /// - Parameters:
  ///   - model: whose tokenizer and chat template they are.
  ///   - template: the name or the text of a chat template in place of the file's; see `ChatTemplate.source(named:)`.
  ///   - trustsMessages: whether texts and messages may spell control tokens too.
  /// - Throws: `JinjaError` where the given chat template is none, `ChatTemplateError` for an unknown name, and what reading the
  ///   file's metadata throws. That the file's own template is none shows where a conversation is to be rendered.
  public init(model: LanguageModel, template: String? = nil, trustsMessages: Bool = false) throws {
    var (found, failure): (ChatTemplate?, JinjaError?)
    do {
      found = try model.chatTemplate(instead: template)
    } catch let error as JinjaError where template == nil {
      failure = error
    }
    self.init(tokenizer: model.tokenizer, template: found, trustsMessages: trustsMessages)
    templateFailure = failure
  }

  /// With another template than the file's.
  public init(tokenizer: Tokenizer, template: ChatTemplate?, trustsMessages: Bool = false) {
    self.tokenizer = tokenizer
    self.template = template
    shape = template.map { $0.shape } ?? TemplateShape()
    self.trustsMessages = trustsMessages
  }

  /// Whether conversations can be rendered.
  public var hasChatTemplate: Bool { template != nil || templateFailure != nil }

  /// The template's text; empty where there is none.
  public var templateSource: String { template?.source ?? "" }

  /// How the model writes calls of tools.
  public var toolCallFormat: ToolCallFormat {
    shape.showsTools ? ToolCallFormat(template: templateSource) : .generic
  }

  /// The marks between which the model thinks, as its template shows; nil where it shows none.
  public var reasoningFormat: ReasoningFormat? { ReasoningFormat.shown(by: templateSource) }

  /// The marks of a reasoning that a prompt has opened, so that the answer begins inside; nil where it has not.
  public func openReasoning(in prompt: [Int32]) -> ReasoningFormat? {
    ReasoningFormat.leftOpen(by: prompt, tokenizer)
  }

  /// A plain text, with the special tokens that the model wants around one.
  ///
  /// - Parameter isFinished: whether the text is a whole prompt, in which control tokens count.
  public func tokens(of text: String, isFinished: Bool = false) -> [Int32] {
    tokenizer.encode(text, addSpecial: true, parseSpecial: isFinished || trustsMessages)
  }

  /// A conversation with the start of an answer after it, by the model's own template.
  ///
  /// - Parameters:
  ///   - messages: the conversation, oldest first.
  ///   - tools: what the model may ask to have called.
  ///   - beginning: what the answer begins with, for the model to go on from.
  ///   - variables: what else the template is told.
  /// - Throws: ``PromptError/noChatTemplate``; `JinjaError`, with the template's own words where it refuses the conversation.
  public func tokens(
    of messages: [Message], tools: [Tool] = [], beginning: String = "",
    variables: TemplateVariables = TemplateVariables()
  ) throws -> [Int32] {
    try prompt(of: messages, tools: tools, beginning: beginning, variables: variables).tokens
  }

  /// The same, with sentences about what the template does not show, or shows only in another shape.
  ///
  /// - Throws: as ``tokens(of:tools:beginning:variables:)``.
  public func prompt(
    of messages: [Message], tools: [Tool] = [], beginning: String = "",
    variables: TemplateVariables = TemplateVariables()
  ) throws -> (tokens: [Int32], remarks: [String]) {
    let (text, remarks) = try rendered(messages, tools, variables)
    var tokens = tokens(of: text)
    if !beginning.isEmpty {
      tokens += tokenizer.encode(beginning, addSpecial: false, parseSpecial: trustsMessages)
    }
    return (tokens, remarks)
  }

  /// The same conversation as the text that the template makes of it. A text alone does not say who spelt a control token in it,
  /// so that it is for people to read, not for models.
  ///
  /// - Throws: as ``tokens(of:tools:beginning:variables:)``.
  public func text(
    of messages: [Message], tools: [Tool] = [], variables: TemplateVariables = TemplateVariables()
  ) throws -> String {
    try rendered(messages, tools, variables).text.text
  }

  private func rendered(
    _ messages: [Message], _ tools: [Tool], _ variables: TemplateVariables
  ) throws -> (text: RenderedText, remarks: [String]) {
    let isTold = !tools.isEmpty && !shape.showsTools
    let given = isTold ? telling(tools, messages) : messages
    var (text, remarks) = try rendered(
      given.map(ChatMessage.init), tools.isEmpty || isTold ? nil : tools.map(\.value), opensTurn: true,
      variables: variables)
    if isTold { remarks.insert(Self.toldRemark, at: 0) }
    return (text, remarks)
  }

  private static let toldRemark = "The chat template shows no tools: a system message tells of them."

  /// A conversation whose system message tells of tools.
  private func telling(_ tools: [Tool], _ messages: [Message]) -> [Message] {
    let text = ToolCallFormat.instruction(tools)
    var messages = messages
    if messages.first?.role == .system {
      messages[0].content += "\n\n" + text
    } else {
      messages.insert(Message(.system, text), at: 0)
    }
    return messages
  }

  private func rendered(
    _ messages: [ChatMessage], _ tools: [Value]?, opensTurn: Bool, variables: TemplateVariables = TemplateVariables()
  ) throws -> (text: RenderedText, remarks: [String]) {
    if let templateFailure { throw templateFailure }
    guard let template else { throw PromptError.noChatTemplate }
    let (messages, remarks) = template.adapted(messages, hasTools: tools != nil, to: shape)
    let text = try template.rendered(
      messages: messages, tools: tools, addGenerationPrompt: opensTurn, extra: variables.values)
    return (text, remarks + template.omissions(of: messages, from: text.text))
  }

  private func tokens(of text: RenderedText) -> [Int32] {
    let tokens = tokenizer.encode(trustsMessages ? RenderedText(trusting: text.text) : text, addSpecial: false)
    // Some templates spell the token that begins a text, others leave it to the tokenizer.
    if tokenizer.addsBOS, let bos = tokenizer.bos, tokens.first != bos { return [bos] + tokens }
    return tokens
  }

  /// A conversation that ends with an answer.
  ///
  /// - Returns: the tokens of all of it, and indices of those that the model would have had to yield: those after the prompt for
  ///   the answer, up to the first that ends one.
  /// - Throws: as ``tokens(of:tools:beginning:variables:)``.
  func turn(
    _ messages: ArraySlice<ChatMessage>, tools: [Value]?
  ) throws -> (tokens: [Int32], answer: Range<Int>, remarks: [String]) {
    let (text, remarks) = try rendered(Array(messages), tools, opensTurn: false)
    let tokens = tokens(of: text)
    let before = Array(messages.dropLast())
    // Some templates refuse to open a turn at the beginning: such an answer has no prompt.
    guard
      let (prompt, _) = before.isEmpty
        ? try? rendered([], tools, opensTurn: true) : try rendered(before, tools, opensTurn: true)
    else { return (tokens, tokens.count..<tokens.count, remarks) }
    // Where a template opens a turn with what it does not keep, such as the start of a thought, the answer begins before that.
    let start = max(1, zip(tokens, self.tokens(of: prompt)).prefix { $0 == $1 }.count)
    guard start < tokens.count else { return (tokens, tokens.count..<tokens.count, remarks) }
    let end = tokens[start...].firstIndex(where: tokenizer.isEndOfGeneration).map { $0 + 1 } ?? tokens.count
    return (tokens, start..<end, remarks)
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
