import Foundation
import Hummingbird
import PowerInfer

/// OpenAI's API, as far as it is about text: models, chat completions, completions, responses, embeddings.
struct OpenAIRoutes {
  let service: Service

  func add(to routes: Routes) {
    routes.get("/v1/models") { _, _ in JSONReply.response(await models()) }
    routes.get("/v1/models/{model}") { request, context in try await model(context) }
    routes.post("/v1/chat/completions", chat)
    routes.post("/v1/completions", complete)
    routes.post("/v1/responses", respond)
    routes.post("/v1/embeddings", embed)
  }

  // MARK: Models

  struct ModelList: Encodable {
    var object = "list"
    var data: [ModelEntry]
  }

  struct ModelEntry: Encodable {
    var id: String
    var object = "model"
    var created: Int
    var owned_by = "powerinfer"

    init(_ file: ModelFile) {
      id = file.name
      created = Int(file.modified.timeIntervalSince1970)
    }
  }

  private func models() async -> ModelList {
    ModelList(data: await service.library.files().map(ModelEntry.init))
  }

  private func model(_ context: ServerContext) async throws -> Response {
    let name = context.parameters.get("model") ?? ""
    guard let file = await service.library.files().first(where: { $0.name == name }) else {
      throw APIError(.modelNotFound, "The model \(name.debugDescription) does not exist.", parameter: "model")
    }
    return JSONReply.response(ModelEntry(file))
  }
}

/// What an answer cost, as OpenAI counts.
struct OpenAIUsage: Encodable {
  struct PromptDetails: Encodable { var cached_tokens: Int }

  var prompt_tokens = 0
  var completion_tokens = 0
  var total_tokens = 0
  var prompt_tokens_details = PromptDetails(cached_tokens: 0)

  init() {}

  /// Of several answers to one prompt, the prompt counts once.
  init(_ results: [GenerationResult]) {
    prompt_tokens = results.first?.statistics.promptTokens ?? 0
    prompt_tokens_details.cached_tokens = results.map(\.statistics.reusedTokens).min() ?? 0
    completion_tokens = results.reduce(0) { $0 + $1.statistics.generatedTokens }
    total_tokens = prompt_tokens + completion_tokens
  }

  static func + (a: OpenAIUsage, b: OpenAIUsage) -> OpenAIUsage {
    var sum = OpenAIUsage()
    sum.prompt_tokens = a.prompt_tokens + b.prompt_tokens
    sum.completion_tokens = a.completion_tokens + b.completion_tokens
    sum.total_tokens = a.total_tokens + b.total_tokens
    sum.prompt_tokens_details.cached_tokens =
      a.prompt_tokens_details.cached_tokens + b.prompt_tokens_details.cached_tokens
    return sum
  }
}

/// Names that nobody else has.
enum Names {
  static func new(_ prefix: String) -> String { prefix + UUID().uuidString.lowercased().replacing("-", with: "") }
  static var now: Int { Int(Date().timeIntervalSince1970) }
}

/// A value that only has to be there or not.
struct Anything: Decodable, Sendable {
  init(from decoder: any Decoder) throws {}
}
