import Hummingbird
import PowerInfer

/// The API of llama.cpp's server, which the original's server is a version of.
struct OriginalRoutes {
  let service: Service

  func add(to routes: Routes) {
    routes.post("/completion", complete)
    routes.post("/infill", infill)
    routes.post("/tokenize", tokenize)
    routes.post("/detokenize", detokenize)
    routes.post("/apply-template", applyTemplate)
    routes.get("/props", properties)
    routes.get("/slots", slots)
  }

  // MARK: Tokens and prompts

  private struct TokenizeRequest: Decodable, Sendable {
    var content: String
    var add_special: Bool?
    var parse_special: Bool?
    var with_pieces: Bool?
    var model: String?
  }

  private struct Piece: Encodable {
    var id: Int32
    var piece: AnyValue
  }

  private enum Tokens: Encodable {
    case ids([Int32])
    case pieces([Piece])

    private enum CodingKeys: String, CodingKey { case tokens }

    func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      switch self {
      case .ids(let ids): try values.encode(ids, forKey: .tokens)
      case .pieces(let pieces): try values.encode(pieces, forKey: .tokens)
      }
    }
  }

  /// `/tokenize`
  @Sendable private func tokenize(_ request: Request, _ context: ServerContext) async throws -> Response {
    let body = try await service.body.decode(TokenizeRequest.self, from: request)
    let tokenizer = try await service.library.model(body.model).tokenizer
    // llama.cpp reads control tokens here by default, too: nothing is made of these tokens but a reply.
    let ids = tokenizer.encode(
      body.content, addSpecial: body.add_special ?? false, parseSpecial: body.parse_special ?? true)
    guard body.with_pieces == true else { return JSONReply.response(Tokens.ids(ids)) }
    return JSONReply.response(
      Tokens.pieces(
        ids.map { id in
          let bytes = tokenizer.bytes(of: id, renderSpecial: true)
          let text = String(validating: bytes, as: UTF8.self)
          return Piece(id: id, piece: text.map { .text($0) } ?? .list(bytes.map { .integer(Int($0)) }))
        }))
  }

  private struct DetokenizeRequest: Decodable, Sendable {
    var tokens: [Int32]
    var model: String?
  }

  private struct Content: Encodable { var content: String }

  /// `/detokenize`
  @Sendable private func detokenize(_ request: Request, _ context: ServerContext) async throws -> Response {
    let body = try await service.body.decode(DetokenizeRequest.self, from: request)
    let tokenizer = try await service.library.model(body.model).tokenizer
    if let bad = body.tokens.first(where: { $0 < 0 || Int($0) >= tokenizer.count }) {
      throw APIError(EngineError.unknownToken(bad, vocabularySize: tokenizer.count))
    }
    return JSONReply.response(Content(content: tokenizer.decode(body.tokens, renderSpecial: true)))
  }

  private struct TemplateRequest: Decodable, Sendable {
    var messages: [Message]
    var tools: [Anything]?
    var model: String?
    var enable_thinking: Bool?
    var chat_template_kwargs: Anything?
  }

  private struct Prompt: Encodable { var prompt: String }

  /// `/apply-template`
  @Sendable private func applyTemplate(_ request: Request, _ context: ServerContext) async throws -> Response {
    let bytes = try await service.body.bytes(of: request)
    let body = try BodyReader.decode(TemplateRequest.self, from: bytes)
    let model = try await service.library.model(body.model)
    let tools = body.tools?.isEmpty == false ? try AnswerTools.read(bytes) : []
    let variables = try TemplateVariables.read(bytes, thinking: body.enable_thinking, body.chat_template_kwargs)
    return JSONReply.response(
      Prompt(prompt: try model.prompts.get().text(of: body.messages, tools: tools, variables: variables)))
  }

  // MARK: What there is

  private struct Properties: Encodable {
    struct Defaults: Encodable {
      var n_ctx: Int
      var params: GenerationSettings
    }

    var default_generation_settings: Defaults
    var total_slots: Int
    var model_alias: String
    var model_path: String
    var chat_template: String
    var bos_token: String
    var eos_token: String
    var build_info: String
  }

  /// `/props`
  @Sendable private func properties(_ request: Request, _ context: ServerContext) async throws -> Response {
    let model = try await service.library.model(nil)
    func text(_ token: Int32?) -> String { token.flatMap(model.tokenizer.text(of:)) ?? "" }
    let defaults = GenerationRequest(.tokens([]), service.options)
    return JSONReply.response(
      Properties(
        default_generation_settings: .init(n_ctx: model.contextSize, params: GenerationSettings(defaults, model)),
        total_slots: model.engine.scheduling.parallel, model_alias: model.name, model_path: model.path,
        chat_template: model.chatTemplate, bos_token: text(model.tokenizer.bos), eos_token: text(model.tokenizer.eos),
        build_info: "powerinfer-\(OllamaRoutes.version)"))
  }

  private struct Slot: Encodable {
    struct NextToken: Encodable {
      var n_decoded: Int
      var has_next_token: Bool
    }

    var id: Int
    var id_task: Int
    var n_ctx: Int
    var is_processing: Bool
    var n_prompt_tokens: Int
    var n_prompt_tokens_cache: Int
    var next_token: [NextToken]
  }

  /// `/slots`
  @Sendable private func slots(_ request: Request, _ context: ServerContext) async throws -> Response {
    let model = try await service.library.model(nil)
    let busy = Dictionary(
      service.work.slots(of: model.name).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    let count = max(model.engine.scheduling.parallel, (busy.keys.max() ?? -1) + 1)
    return JSONReply.response(
      (0..<count).map { id in
        let slot = busy[id]
        return Slot(
          id: id, id_task: slot?.task ?? -1, n_ctx: model.contextSize, is_processing: slot != nil,
          n_prompt_tokens: slot?.promptTokens ?? 0, n_prompt_tokens_cache: slot?.reusedTokens ?? 0,
          next_token: [.init(n_decoded: slot?.generatedTokens ?? 0, has_next_token: slot != nil)])
      })
  }
}

extension GenerationRequest {
  /// A request with the server's defaults.
  init(_ prompt: Prompt, _ options: ServerOptions) {
    self.init(prompt)
    sampling = options.sampling
    self.options.maxTokens = options.tokenLimit
  }
}
