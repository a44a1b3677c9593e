import Hummingbird
import PowerInfer

extension OpenAIRoutes {
  /// `/v1/responses`
  @Sendable func respond(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let body = try BodyReader.decode(WithSampling<ResponsesRequest>.self, from: bytes)
    let fields = body.fields
    try fields.validate()
    let model = try await service.library.model(fields.model)
    let tools = AnswerTools(try fields.tools(in: bytes), fields.tool_choice?.choice, of: model)
    let variables = try TemplateVariables.read(
      bytes, thinking: fields.enable_thinking, fields.chat_template_kwargs)
    var generation = try service.request(
      .messages(try fields.messages(), tools: tools.tools, variables: variables), body.sampling,
      maxTokens: fields.max_output_tokens, stop: fields.stop, model: model)
    generation.grammar = try tools.grammar()
    if fields.text?.format != nil, fields.tool_choice?.choice.isForced != true,
      let grammar = try AnswerForm(bytes).openAI("text", "format")
    {
      generation.grammar = grammar
    }
    let object = ResponseObject(fields, generation.sampling, model: model.name)
    let parser = service.parser(nil, tools.format, of: model)
    let answers = try Answers([generation], model, service, for: context)
    if fields.stream == true { return answers.stream(ResponseStream(object, parser)) }
    guard let outcome = try await answers.outcomes().first else { throw CancellationError() }
    return JSONReply.response(
      object.completed(outcome.result, ParsedAnswer(outcome.result.text, outcome.start, parser)))
  }
}
