import Hummingbird
import PowerInfer

extension OpenAIRoutes {
  /// `/v1/chat/completions`
  @Sendable func chat(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let body = try BodyReader.decode(WithSampling<ChatRequest>.self, from: bytes)
    let fields = body.fields
    try fields.validate()
    let model = try await service.library.model(fields.model)
    let tools = AnswerTools(
      fields.tools?.isEmpty == false ? try AnswerTools.read(bytes) : [], fields.tool_choice?.choice, of: model)
    let variables = try TemplateVariables.read(
      bytes, thinking: fields.enable_thinking, fields.chat_template_kwargs)
    var generation = try service.request(
      .messages(fields.messages, tools: tools.tools, variables: variables), body.sampling,
      maxTokens: fields.max_completion_tokens ?? fields.max_tokens, stop: fields.stop, model: model)
    generation.grammar = try tools.grammar()
    if fields.hasForm, fields.tool_choice?.choice.isForced != true {
      let form = try AnswerForm(bytes)
      if let grammar = try form.openAI("response_format") ?? form.llama() { generation.grammar = grammar }
    }
    let parser = service.parser(fields.reasoning_format?.output, tools.format, of: model)
    if fields.logprobs == true { generation.logProbabilities = fields.top_logprobs ?? 0 }
    if fields.cache_prompt == false { (generation.usesPrefixes, generation.keepsPrefix) = (false, false) }
    let answers = try Answers(generation.copies(fields.count), model, service, for: context)
    if fields.stream == true {
      return answers.stream(
        ChatStream(
          model: model, count: fields.count, hasLogprobs: fields.logprobs == true, includesUsage: fields.includesUsage,
          parser: parser, requestID: context.requestID))
    }
    let outcomes = try await answers.outcomes()
    return JSONReply.response(
      ChatReply(
        id: Names.new("chatcmpl-"), created: Names.now, model: model.name,
        choices: outcomes.enumerated().map { index, outcome in
          let message = ChatReply.Answer(ParsedAnswer(outcome.result.text, outcome.start, parser))
          return ChatReply.Choice(
            index: index, message: message,
            logprobs: OrNull(fields.logprobs == true ? ChatLogprobs(outcome.choices, model.tokenizer) : nil),
            finish_reason: outcome.result.finishReason.openAI(hasCalls: message.tool_calls != nil))
        },
        usage: OpenAIUsage(outcomes.map(\.result))))
  }
}

/// A streamed chat completion: one chunk an event, and `[DONE]`.
struct ChatStream: AnswerWriter {
  static let contentType = "text/event-stream; charset=utf-8"

  private let model: ServedModel
  private let count: Int
  private let hasLogprobs: Bool
  private let includesUsage: Bool
  private var parsers: [AnswerParser]
  private var callCounts: [Int]
  private let requestID: String
  private let id = Names.new("chatcmpl-")
  private let created = Names.now
  private var results: [GenerationResult] = []

  init(
    model: ServedModel, count: Int, hasLogprobs: Bool, includesUsage: Bool, parser: AnswerParser, requestID: String
  ) {
    self.model = model
    self.count = count
    self.hasLogprobs = hasLogprobs
    self.includesUsage = includesUsage
    parsers = Array(repeating: parser, count: count)
    callCounts = Array(repeating: 0, count: count)
    self.requestID = requestID
  }

  private func chunk(_ choices: [ChatChunk.Choice], usage: OpenAIUsage? = nil) -> ChatChunk {
    ChatChunk(
      id: id, created: created, model: model.name, choices: choices,
      usage: includesUsage ? .some(usage.map { .some($0) } ?? ChatChunk.Usage.none) : nil)
  }

  mutating func begin(_ frames: inout Frames) throws {
    for index in 0..<count {
      try frames.event(nil, chunk([.init(index: index, delta: .init(role: "assistant", content: ""))]))
    }
  }

  mutating func take(_ event: GenerationEvent, of index: Int, _ frames: inout Frames) throws {
    switch event {
    case .started(let start): parsers[index].begin(start)
    case .text(let piece):
      let logprobs = hasLogprobs ? ChatLogprobs(piece.choices, model.tokenizer) : nil
      var delta = delta(parsers[index].append(piece.text), of: index)
      // A chunk for every piece, so that watchers of `/v1/activity` can count them, and logprobs have a place.
      if delta.isEmpty { delta.content = "" }
      try frames.event(nil, chunk([.init(index: index, delta: delta, logprobs: OrNull(logprobs))]))
    case .finished(let result):
      results.append(result)
      let rest = delta(parsers[index].finish(), of: index)
      if !rest.isEmpty { try frames.event(nil, chunk([.init(index: index, delta: rest)])) }
      let reason = result.finishReason.openAI(hasCalls: callCounts[index] > 0)
      try frames.event(nil, chunk([.init(index: index, delta: .init(), finish_reason: OrNull(reason))]))
    case .progress: break
    }
  }

  /// What has become certain of an answer.
  private mutating func delta(_ parts: [AnswerParser.Part], of index: Int) -> ChatChunk.Delta {
    var delta = ChatChunk.Delta()
    for part in parts {
      switch part {
      case .reasoning(let text): delta.reasoning_content = (delta.reasoning_content ?? "") + text
      case .text(let text): delta.content = (delta.content ?? "") + text
      case .call(let name, let arguments):
        delta.tool_calls =
          (delta.tool_calls ?? []) + [ChatCall(name: name, arguments: arguments, index: callCounts[index])]
        callCounts[index] += 1
      }
    }
    return delta
  }

  mutating func end(_ frames: inout Frames) throws {
    if includesUsage { try frames.event(nil, chunk([], usage: OpenAIUsage(results))) }
    frames.event(text: "[DONE]")
  }

  mutating func fail(_ error: APIError, _ frames: inout Frames) throws {
    try frames.event(nil, ErrorForm.openAI.body(error, requestID: requestID))
    frames.event(text: "[DONE]")
  }
}
