import Hummingbird
import PowerInfer

/// Anthropic's Messages API.
struct AnthropicRoutes {
  let service: Service

  func add(to routes: Routes) {
    routes.post("/v1/messages", messages)
    routes.post("/v1/messages/count_tokens", count)
  }

  /// `/v1/messages`
  @Sendable func messages(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let body = try BodyReader.decode(WithSampling<MessagesRequest>.self, from: bytes)
    let fields = body.fields
    try fields.validate()
    if let temperature = body.sampling.temperature, temperature > 1 {
      throw APIError(
        .invalidRequest, "The value of temperature must be from 0 to 1, but it is \(temperature).",
        parameter: "temperature")
    }
    let model = try await service.library.model(fields.model)
    let tools = AnswerTools(try fields.tools(in: bytes), fields.tool_choice?.choice, of: model)
    let (prompt, _) = try prompt(fields, tools.tools, model)
    var generation = try service.request(
      prompt, body.sampling, maxTokens: fields.max_tokens, stop: fields.stop_sequences, model: model)
    generation.grammar = try tools.grammar()
    let parser = service.parser(nil, tools.format, of: model)
    let answers = try Answers([generation], model, service, for: context)
    if fields.stream == true {
      return answers.stream(MessageStream(model: model.name, parser: parser, requestID: context.requestID))
    }
    guard let outcome = try await answers.outcomes().first else { throw CancellationError() }
    return JSONReply.response(
      MessageReply(
        outcome.result, ParsedAnswer(outcome.result.text, outcome.start, parser), model: model.name))
  }

  private struct TokenCount: Encodable { var input_tokens: Int }

  /// `/v1/messages/count_tokens`
  @Sendable func count(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let fields = try BodyReader.decode(MessagesRequest.self, from: bytes)
    let model = try await service.library.model(fields.model)
    guard !fields.messages.isEmpty else { throw MessagesRequest.noMessages }
    let tools = AnswerTools(try fields.tools(in: bytes), fields.tool_choice?.choice, of: model)
    return JSONReply.response(TokenCount(input_tokens: try prompt(fields, tools.tools, model).tokens.count))
  }

  /// What the model goes on from: where the last turn is the model's own, it goes on in that one.
  private func prompt(
    _ fields: MessagesRequest, _ tools: [Tool], _ model: ServedModel
  ) throws -> (prompt: GenerationRequest.Prompt, tokens: [Int32]) {
    var messages = try fields.conversation()
    var beginning = ""
    if let last = messages.last, last.role == .assistant, last.toolCalls.isEmpty {
      beginning = last.content
      messages.removeLast()
    }
    let prompts = try model.prompts.get()
    let variables = TemplateVariables(thinking: fields.thinking?.isWanted)
    let tokens = try prompts.tokens(of: messages, tools: tools, beginning: beginning, variables: variables)
    return (
      beginning.isEmpty ? .messages(messages, tools: tools, variables: variables) : .tokens(tokens), tokens
    )
  }
}
