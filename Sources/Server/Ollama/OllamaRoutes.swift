import Foundation
import Hummingbird
import PowerInfer

/// ollama's API, as far as its front ends need it.
struct OllamaRoutes {
  let service: Service
  /// What clients take the server for; the form of ollama's own numbers.
  static let version = "0.1.0"

  func add(to routes: Routes) {
    routes.get("/api/version") { _, _ in JSONReply.response(Version()) }
    routes.get("/api/tags") { _, _ in JSONReply.response(await tags()) }
    routes.get("/api/ps") { _, _ in JSONReply.response(await running()) }
    routes.post("/api/show", show)
    routes.post("/api/generate", generate)
    routes.post("/api/chat", chat)
    routes.post("/api/embed", embed)
    routes.post("/api/embeddings", embedOne)
  }

  struct Version: Encodable { var version = OllamaRoutes.version }

  // MARK: Models

  struct Details: Encodable {
    var parent_model = ""
    var format = "gguf"
    var family = ""
    var families: [String] = []
    var parameter_size = ""
    var quantization_level = ""

    init(_ model: ServedModel?) {
      guard let model else { return }
      (family, families) = (model.family, [model.family])
      (parameter_size, quantization_level) = (model.parameterSize, model.quantization)
    }
  }

  struct Tag: Encodable {
    var name: String
    var model: String
    var modified_at: String
    var size: Int
    /// Of the file's name, size and date: reading a whole file for its digest would take long.
    var digest: String
    var details: Details

    init(_ file: ModelFile, _ loaded: ServedModel?) {
      name = file.name + ":latest"
      model = name
      modified_at = Timestamp.text(file.modified)
      size = file.byteCount
      digest = KeyRing.digest("\(file.name) \(file.byteCount) \(file.modified.timeIntervalSince1970)")
      details = Details(loaded)
    }
  }

  struct Tags: Encodable { var models: [Tag] }

  private func tags() async -> Tags {
    let loaded = await service.library.loaded
    return Tags(
      models: await service.library.files().map { file in Tag(file, loaded.first { $0.name == file.name }) })
  }

  struct Running: Encodable {
    struct Entry: Encodable {
      var name: String
      var model: String
      var size: Int
      var digest: String
      var details: Details
      var expires_at: String
      var size_vram: Int
      var context_length: Int
    }
    var models: [Entry]
  }

  private func running() async -> Running {
    let files = await service.library.files()
    return Running(
      models: await service.library.loaded.map { model in
        let tag = Tag(files.first { $0.name == model.name } ?? ModelFile(path: model.path), model)
        return Running.Entry(
          name: tag.name, model: tag.model, size: tag.size, digest: tag.digest, details: tag.details,
          expires_at: Timestamp.text(.distantFuture), size_vram: model.engine.gpuName == nil ? 0 : tag.size,
          context_length: model.contextSize)
      })
  }

  private struct ShowRequest: Decodable, Sendable {
    var model: String?
    var name: String?
  }

  private struct Shown: Encodable {
    var modelfile: String
    var parameters: String
    var template: String
    var details: Details
    var model_info: [String: AnyValue]
    var capabilities: [String]
    var modified_at: String
  }

  /// `/api/show`
  @Sendable private func show(_ request: Request, _ context: ServerContext) async throws -> Response {
    let body = try await service.body.decode(ShowRequest.self, from: request)
    let model = try await service.library.model(try Self.name(body.model ?? body.name))
    let sampling = service.options.sampling
    let capabilities =
      ["completion", "embedding"] + (model.infill == nil ? [] : ["insert"]) + (model.canChat ? ["tools"] : [])
      + (model.reasoningFormat == nil ? [] : ["thinking"])
    return JSONReply.response(
      Shown(
        modelfile: "FROM \(model.name)\n",
        parameters: "temperature \(sampling.temperature)\ntop_k \(sampling.topK)\ntop_p \(sampling.topP)",
        template: model.chatTemplate, details: Details(model), model_info: model.information,
        capabilities: capabilities, modified_at: Timestamp.text(model.modified)))
  }

  /// - Throws: ``APIError`` where there is no name.
  static func name(_ name: String?) throws -> String {
    guard let name, !name.isEmpty else {
      throw APIError(.invalidRequest, "The field model is missing; expected the name of a model.", parameter: "model")
    }
    return name
  }
}
