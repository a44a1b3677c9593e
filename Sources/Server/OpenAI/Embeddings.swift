import Foundation
import Hummingbird
import NIOCore
import PowerInfer

/// The body of `/v1/embeddings`. Fields that are not named here are ignored.
struct EmbeddingRequest: Decodable, Sendable {
  enum Encoding: String, Decodable, Sendable { case float, base64 }

  var model: String?
  var input: PromptField
  var encoding_format: Encoding?
  var dimensions: Int?
  /// `mean`, `last` or `cls`: ours, not OpenAI's.
  var pooling: EmbeddingPooling?
}

/// The reply of `/v1/embeddings`.
struct EmbeddingReply: Encodable {
  enum Vector: Encodable {
    case floats([Float])
    case base64(String)

    init(_ vector: [Float], _ encoding: EmbeddingRequest.Encoding) {
      switch encoding {
      case .float: self = .floats(vector)
      case .base64:
        // Little-endian, as on every machine that this runs on.
        self = .base64(vector.withUnsafeBytes { Data($0).base64EncodedString() })
      }
    }

    func encode(to encoder: any Encoder) throws {
      var single = encoder.singleValueContainer()
      switch self {
      case .floats(let values): try single.encode(values)
      case .base64(let text): try single.encode(text)
      }
    }
  }

  struct Entry: Encodable {
    var object = "embedding"
    var index: Int
    var embedding: Vector
  }

  struct Usage: Encodable {
    var prompt_tokens: Int
    var total_tokens: Int
  }

  var object = "list"
  var data: [Entry]
  var model: String
  var usage: Usage
}

extension OpenAIRoutes {
  /// `/v1/embeddings`
  @Sendable func embed(_ request: Request, _ context: ServerContext) async throws -> Response {
    let body = try await service.body.decode(EmbeddingRequest.self, from: request)
    let model = try await service.library.model(body.model)
    let size = model.engine.model.configuration.hiddenSize
    try ChatRequest.check(body.dimensions, in: size...size, "dimensions")
    let (vectors, tokens) = try await service.embeddings(
      of: body.input.prompts, body.pooling, model, on: context.channel)
    return JSONReply.response(
      EmbeddingReply(
        data: vectors.enumerated().map { index, vector in
          .init(index: index, embedding: .init(vector, body.encoding_format ?? .float))
        },
        model: model.name, usage: .init(prompt_tokens: tokens, total_tokens: tokens)))
  }
}

extension Service {
  /// A vector for each text, and the tokens of all.
  ///
  /// - Throws: ``APIError`` for a text without tokens or longer than the context.
  func embeddings(
    of inputs: [GenerationRequest.Prompt], _ pooling: EmbeddingPooling?, _ model: ServedModel, on channel: any Channel
  ) async throws -> (vectors: [[Float]], tokens: Int) {
    let lists = try inputs.map { input -> [Int32] in
      let tokens: [Int32]
      switch input {
      case .tokens(let given): tokens = given
      case .text(let text): tokens = try model.prompts.get().tokens(of: text)
      case .messages: tokens = []
      }
      guard !tokens.isEmpty else {
        throw APIError(.invalidRequest, "A text to embed has no tokens, expected at least one.", parameter: "input")
      }
      guard tokens.count <= model.contextSize else {
        throw APIError(
          .contextExceeded,
          "A text to embed has \(tokens.count) tokens, expected at most the context's \(model.contextSize).",
          parameter: "input")
      }
      if let bad = tokens.first(where: { $0 < 0 || Int($0) >= model.vocabularySize }) {
        throw APIError(EngineError.unknownToken(bad, vocabularySize: model.vocabularySize))
      }
      return tokens
    }
    let vectors = try await embeddings.embeddings(
      of: lists, pooling: pooling ?? options.pooling, by: model.engine, connections, on: channel)
    model.touch()
    return (vectors, lists.reduce(0) { $0 + $1.count })
  }
}
