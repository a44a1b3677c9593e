/// A question to an engine.
///
/// ```swift
/// var request = GenerationRequest(messages: [Message(.user, "Why is the sky blue?")])
/// request.options.maxTokens = 200
/// request.sampling.temperature = 0
/// for try await event in engine.generate(request) {
///   if case .text(let piece) = event { print(piece.text, terminator: "") }
/// }
/// ```
public struct GenerationRequest: Sendable, Equatable {
  /// What an answer goes on from.
  public enum Prompt: Sendable, Equatable {
    /// Tokens as they are.
    case tokens([Int32])
    /// A plain text, with the special tokens that the model wants around one.
    case text(String)
    /// A conversation, by the model's own chat template, which may be told more.
    case messages([Message], tools: [Tool], variables: TemplateVariables = TemplateVariables())
  }

  /// What to go on from.
  public var prompt: Prompt
  /// How tokens are chosen.
  public var sampling = SamplingOptions()
  /// When the answer ends.
  public var options = GenerationOptions()
  /// Log-probabilities of the chosen tokens, and of so many of the likeliest beside each; nil gives none.
  public var logProbabilities: Int?
  /// What the answer's text has to look like; nil leaves it to the model.
  public var grammar: Grammar?
  /// Whether to begin with what earlier requests have read, where their prompts began the same.
  public var usesPrefixes = true
  /// Whether what it reads is kept for later requests that begin the same.
  public var keepsPrefix = true

  /// What a request takes.
  public static let logProbabilityRange = 0...100

  /// Goes on from tokens, a text or a conversation.
  public init(_ prompt: Prompt) { self.prompt = prompt }

  /// Answers the last message of a conversation.
  public init(messages: [Message], tools: [Tool] = []) { self.init(.messages(messages, tools: tools)) }

  /// Goes on from a text.
  public init(text: String) { self.init(.text(text)) }

  /// - Throws: ``GenerationError``, ``SamplingError`` for what is out of its range.
  func validate() throws {
    try options.validate()
    try sampling.validate()
    if let logProbabilities, !Self.logProbabilityRange.contains(logProbabilities) {
      throw GenerationError.logProbabilitiesOutside(logProbabilities, most: Self.logProbabilityRange.upperBound)
    }
  }
}

extension GenerationOptions {
  /// Whether a prompt of these tokens can be answered in a context.
  ///
  /// - Throws: ``GenerationError``.
  func check(_ prompt: [Int32], contextSize: Int) throws(GenerationError) {
    if prompt.isEmpty { throw .emptyPrompt }
    if prompt.count >= contextSize { throw .promptTooLong(tokens: prompt.count, contextSize: contextSize) }
    if case .slide(let keep) = contextPolicy, keep > contextSize - 2 {
      throw .keepTooLong(keep: keep, contextSize: contextSize)
    }
  }
}
