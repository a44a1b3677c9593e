import Hummingbird
import PowerInfer

extension OllamaRoutes {
  /// `/api/chat`
  @Sendable func chat(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let fields = try BodyReader.decode(OllamaChatRequest.self, from: bytes)
    let name = try Self.name(fields.model)
    let grammar = fields.format == nil ? nil : try AnswerForm(bytes).ollama()
    let messages = try (fields.messages ?? []).map { try $0.message() }
    if messages.isEmpty { return try await loadOrUnload(name, fields.keep_alive, isChat: true) }
    let model = try await service.library.model(name)
    let tools = AnswerTools(fields.tools?.isEmpty == false ? try AnswerTools.read(bytes) : [], nil, of: model)
    return try await answer(
      .messages(messages, tools: tools.tools, variables: TemplateVariables(thinking: fields.think?.isWanted)),
      fields.options, try grammar ?? tools.grammar(),
      Form(isStreamed: fields.stream ?? true, isChat: true, thinks: fields.think, calls: tools.format), model, name,
      context)
  }

  /// `/api/generate`
  @Sendable func generate(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let fields = try BodyReader.decode(OllamaGenerateRequest.self, from: bytes)
    let name = try Self.name(fields.model)
    try fields.validate()
    let grammar = fields.format == nil ? nil : try AnswerForm(bytes).ollama()
    let text = fields.prompt ?? ""
    if text.isEmpty, fields.suffix?.isEmpty ?? true {
      return try await loadOrUnload(name, fields.keep_alive, isChat: false)
    }
    let model = try await service.library.model(name)
    let prompt: GenerationRequest.Prompt
    if let suffix = fields.suffix, !suffix.isEmpty {
      guard let infill = model.infill else {
        throw APIError(.invalidRequest, "The model \(name) does not support insert.", parameter: "suffix")
      }
      prompt = .tokens(infill.prompt(before: text, after: suffix, model.tokenizer))
    } else if fields.raw == true || !model.canChat {
      prompt = try model.finished(.text(text))
    } else {
      let system = fields.system.map { [Message(.system, $0)] } ?? []
      prompt = .messages(
        system + [Message(.user, text)], tools: [], variables: TemplateVariables(thinking: fields.think?.isWanted))
    }
    return try await answer(
      prompt, fields.options, grammar,
      Form(isStreamed: fields.stream ?? true, isChat: false, thinks: fields.think, isRaw: fields.raw == true), model,
      name, context)
  }

  /// In which form an answer is wanted.
  private struct Form {
    var isStreamed: Bool
    var isChat: Bool
    var thinks: ThinkField?
    var calls: ToolCallFormat?
    /// Whether the prompt is the client's own, whose answer is left as it is.
    var isRaw = false
  }

  private func answer(
    _ prompt: GenerationRequest.Prompt, _ options: WithSampling<OllamaOptions>?, _ grammar: Grammar?, _ form: Form,
    _ model: ServedModel, _ name: String, _ context: ServerContext
  ) async throws -> Response {
    // -1 and -2 are ollama's words for no limit and for what fits the context, which is the same here.
    let limit = options?.fields.num_predict.flatMap { $0 == -1 || $0 == -2 ? nil : $0 }
    var generation = try service.request(
      prompt, options?.sampling ?? SamplingFields(), maxTokens: limit, stop: options?.fields.stop, model: model)
    generation.grammar = grammar
    let parser = service.parser(form.isRaw ? .inline : nil, form.calls, of: model)
    let showsThinking = form.thinks?.isWanted ?? true
    let answers = try Answers([generation], model, service, for: context)
    if form.isStreamed {
      return answers.stream(
        OllamaStream(model: name, isChat: form.isChat, showsThinking: showsThinking, parser: parser))
    }
    guard let outcome = try await answers.outcomes().first else { throw CancellationError() }
    let answer = ParsedAnswer(outcome.result.text, outcome.start, parser)
    return JSONReply.response(
      OllamaReply(
        outcome.result, showsThinking ? answer : answer.withoutReasoning, isChat: form.isChat, model: name))
  }

  private func loadOrUnload(_ name: String, _ keepAlive: KeepAlive?, isChat: Bool) async throws -> Response {
    if keepAlive?.isZero == true {
      await service.library.unload(name.hasSuffix(":latest") ? String(name.dropLast(7)) : name)
      return JSONReply.response(OllamaReply(reason: "unload", isChat: isChat, model: name))
    }
    _ = try await service.library.model(name)
    return JSONReply.response(OllamaReply(reason: "load", isChat: isChat, model: name))
  }

  // MARK: Embeddings

  private struct EmbedRequest: Decodable, Sendable {
    var model: String?
    var input: Texts?
    var prompt: String?
    var truncate: Bool?
  }

  private struct Texts: Decodable, Sendable {
    var list: [String]

    init(from decoder: any Decoder) throws {
      let single = try decoder.singleValueContainer()
      if let text = try? single.decode(String.self) { list = [text] } else { list = try single.decode([String].self) }
    }
  }

  private struct Embeddings: Encodable {
    var model: String
    var embeddings: [[Float]]
    var total_duration: Int
    var load_duration = 0
    var prompt_eval_count: Int
  }

  private struct OneEmbedding: Encodable { var embedding: [Float] }

  /// `/api/embed`
  @Sendable func embed(_ request: Request, _ context: ServerContext) async throws -> Response {
    let fields = try await service.body.decode(EmbedRequest.self, from: request)
    let name = try Self.name(fields.model)
    let model = try await service.library.model(name)
    let start = ContinuousClock.now
    let inputs = (fields.input?.list ?? []).filter { !$0.isEmpty }
    let (vectors, tokens) = try await service.embeddings(
      of: try inputs.map { try model.cut($0, fits: fields.truncate ?? true) }, nil, model,
      on: context.channel)
    let time = OllamaReply.nanoseconds((ContinuousClock.now - start) / .seconds(1))
    return JSONReply.response(
      Embeddings(model: name, embeddings: vectors, total_duration: time, prompt_eval_count: tokens))
  }

  /// `/api/embeddings`, the older form.
  @Sendable func embedOne(_ request: Request, _ context: ServerContext) async throws -> Response {
    let fields = try await service.body.decode(EmbedRequest.self, from: request)
    let model = try await service.library.model(try Self.name(fields.model))
    guard let text = fields.prompt, !text.isEmpty else { return JSONReply.response(OneEmbedding(embedding: [])) }
    let (vectors, _) = try await service.embeddings(
      of: [try model.cut(text, fits: true)], nil, model, on: context.channel)
    return JSONReply.response(OneEmbedding(embedding: vectors.first ?? []))
  }
}

extension ServedModel {
  /// Whether it has a chat template.
  var canChat: Bool { (try? prompts.get())?.hasChatTemplate ?? false }

  /// A text's tokens, the last ones left out where they do not fit the context and `fits` asks for it.
  func cut(_ text: String, fits: Bool) throws -> GenerationRequest.Prompt {
    let tokens = try prompts.get().tokens(of: text)
    return .tokens(fits ? Array(tokens.prefix(contextSize)) : tokens)
  }
}
