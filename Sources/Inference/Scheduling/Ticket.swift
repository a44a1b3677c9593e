import PowerInferModel

/// A request on its way to the scheduler: checked, its prompt cut into tokens.
struct Ticket: Sendable {
  let request: GenerationRequest
  /// Not empty, known tokens, fewer than the context holds.
  let prompt: [Int32]
  let vocabulary: ModelVocabulary
  let constraint: Constraint?
  /// The marks of a reasoning that the prompt has opened.
  let openReasoning: ReasoningFormat?
  let channel: EventChannel
  /// When it came, in seconds.
  let arrival: Double

  /// Tells it apart from others.
  var name: ObjectIdentifier { ObjectIdentifier(channel) }

  /// - Throws: whatever shows before anything is computed.
  init(
    _ request: GenerationRequest, on engine: Engine, prompts: Result<PromptRenderer, any Error>, channel: EventChannel
  ) throws {
    arrival = Generator.monotonicSeconds()
    try request.validate()
    switch request.prompt {
    case .tokens(let tokens): prompt = tokens
    case .text(let text): prompt = try prompts.get().tokens(of: text)
    case .messages(let messages, let tools, let variables):
      prompt = try prompts.get().tokens(of: messages, tools: tools, variables: variables)
    }
    try request.options.check(prompt, contextSize: engine.contextSize)
    let size = engine.model.configuration.vocabularySize
    if let bad = prompt.first(where: { $0 < 0 || Int($0) >= size }) {
      throw EngineError.unknownToken(bad, vocabularySize: size)
    }
    self.request = request
    self.channel = channel
    // A conversation's answer begins a text of its own; everything else goes on.
    let begins = if case .messages = request.prompt { true } else { false }
    vocabulary = ModelVocabulary(engine.model.tokenizer, continuing: !begins)
    let openReasoning = ReasoningFormat.leftOpen(by: prompt, engine.model.tokenizer)
    self.openReasoning = openReasoning
    constraint = try request.grammar.map {
      try engine.constraint(to: $0, beginsText: begins, openReasoning: openReasoning)
    }
  }
}
