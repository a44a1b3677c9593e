/// A chat: the messages so far, and answers to new ones.
///
/// Every turn renders the whole conversation; the generator's memory makes sure that only what is new is read.
public final class Conversation {
  /// Renders messages, with the start of an answer after them, as tokens.
  public typealias Renderer = ([Message]) throws -> [Int32]

  /// What answers.
  public let generator: Generator
  /// The messages after the system prompt.
  public private(set) var messages: [Message] = []
  /// What the model is told before the conversation; a change counts from the next turn on.
  public var systemPrompt: String?

  /// Messages that the last answer made room by forgetting.
  public private(set) var forgottenCount = 0

  private let render: Renderer

  /// An empty conversation.
  public init(generator: Generator, systemPrompt: String? = nil, render: @escaping Renderer) {
    self.generator = generator
    self.systemPrompt = systemPrompt
    self.render = render
  }

  /// The system prompt and the messages, as a template takes them.
  public var transcript: [Message] {
    (systemPrompt.map { [Message(.system, $0)] } ?? []) + messages
  }

  /// Answers a message. The message and as much of the answer as came, cancelled or not, join the conversation; after
  /// an error it is as it was before.
  ///
  /// Where the context slides (`ContextPolicy.slide`), a conversation that leaves an answer too little room loses its oldest
  /// turns, but never its system prompt; ``forgottenCount`` says how many messages.
  ///
  /// - Throws: what rendering and `Generator.generate` throw; `ConversationError.tooLong` where the context is too small
  ///   for the conversation.
  public func reply(
    to text: String, options: GenerationOptions = GenerationOptions(), cancellation: CancellationFlag? = nil,
    onText: (String) throws -> Void = { _ in }, onProgress: ((_ done: Int, _ of: Int) -> Void)? = nil
  ) throws -> GenerationResult {
    let before = messages
    messages.append(Message(.user, text))
    forgottenCount = 0
    var options = options
    do {
      let prompt = try fittingPrompt(&options)
      let result = try generator.generate(
        prompt, options: options, cancellation: cancellation, onText: onText, onProgress: onProgress)
      messages.append(Message(.assistant, result.text))
      return result
    } catch GenerationError.promptTooLong(let tokens, let contextSize)
      where !before.isEmpty && options.contextPolicy == .stop
    {
      messages = before
      throw ConversationError.tooLong(tokens: tokens, contextSize: contextSize)
    } catch {
      messages = before
      forgottenCount = 0
      throw error
    }
  }

  /// The conversation as tokens, without its oldest turns where the options let them go and they are in the way.
  private func fittingPrompt(_ options: inout GenerationOptions) throws -> [Int32] {
    var prompt = try render(transcript)
    guard case .slide(let keep) = options.contextPolicy else { return prompt }
    let contextSize = generator.evaluator.contextSize
    // A quarter of the context is room enough: what an answer needs beyond it, it takes from what it has read.
    let room = min(options.maxTokens ?? .max, contextSize / 4)
    while prompt.count > contextSize - room,
      let next = messages.indices.dropFirst().first(where: { messages[$0].role == .user })
    {
      messages.removeFirst(next)
      forgottenCount += next
      prompt = try render(transcript)
    }
    // While the answer makes room for itself, the system prompt stays, too.
    if let systemPrompt, keep >= 0, let other = try? render([Message(.system, systemPrompt), Message(.user, "")]) {
      let shared = zip(prompt, other).prefix { $0 == $1 }.count
      options.contextPolicy = .slide(keep: min(max(keep, shared), max(keep, contextSize / 2)))
    }
    return prompt
  }

  /// Starts anew with the same system prompt.
  public func reset() {
    messages.removeAll()
    forgottenCount = 0
  }

  /// Goes on from an earlier conversation; a system message at its start becomes the system prompt.
  ///
  /// - Throws: `ConversationError.misplacedSystemMessage` where one stands elsewhere.
  public func restore(_ transcript: [Message]) throws {
    let system = transcript.first?.role == .system ? transcript.first : nil
    let rest = Array(transcript.dropFirst(system == nil ? 0 : 1))
    if let index = rest.firstIndex(where: { $0.role == .system }) {
      throw ConversationError.misplacedSystemMessage(index: index + (system == nil ? 0 : 1))
    }
    systemPrompt = system?.content
    messages = rest
  }
}

/// Why a conversation cannot go on.
public enum ConversationError: Error, Equatable, CustomStringConvertible {
  case tooLong(tokens: Int, contextSize: Int)
  case misplacedSystemMessage(index: Int)

  public var description: String {
    switch self {
    case .tooLong(let tokens, let contextSize):
      "The conversation has \(tokens) tokens by now, but the context holds \(contextSize) and the answer needs room too: "
        + "start anew (/reset), use a larger context (--ctx-size), or let the oldest turns go (--context-shift)."
    case .misplacedSystemMessage(let index):
      "A system message may only stand first in a conversation, but message \(index + 1) is one."
    }
  }
}
