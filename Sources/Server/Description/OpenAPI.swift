import Foundation

/// The description of all routes (OpenAPI 3.1), for clients' tools and tests.
enum OpenAPI {
  /// The whole description, as JSON.
  static let description: String = {
    let parts = [
      (GeneralDescription.paths, GeneralDescription.schemas), (OpenAIDescription.paths, OpenAIDescription.schemas),
      (AnthropicDescription.paths, AnthropicDescription.schemas), (OllamaDescription.paths, OllamaDescription.schemas),
      (OriginalDescription.paths, OriginalDescription.schemas),
    ]
    var (paths, schemas): ([String: AnyValue], [String: AnyValue]) = ([:], [:])
    for (somePaths, someSchemas) in parts {
      paths.merge(object(somePaths)) { $1 }
      schemas.merge(object(someSchemas)) { $1 }
    }
    let whole = AnyValue.object([
      "openapi": .text("3.1.0"),
      "info": .object([
        "title": .text("powerinfer"), "version": .text(OllamaRoutes.version),
        "description": .text("Large language models over the APIs of OpenAI, Anthropic, ollama and llama.cpp."),
      ]),
      "paths": .object(Dictionary(uniqueKeysWithValues: paths.map { ($0.key, withErrors($0.value, path: $0.key)) })),
      "components": .object([
        "schemas": .object(schemas),
        "securitySchemes": .object(["key": .object(["type": .text("http"), "scheme": .text("bearer")])]),
      ]),
      "security": .list([.object([:]), .object(["key": .list([])])]),
    ])
    return (try? whole.json()) ?? "{}"
  }()

  private static func object(_ json: String) -> [String: AnyValue] {
    guard case .object(let entries)? = try? JSONDecoder().decode(AnyValue.self, from: Data(json.utf8)) else {
      return [:]
    }
    return entries
  }

  /// A path with the replies that every request may get.
  private static func withErrors(_ path: AnyValue, path name: String) -> AnyValue {
    guard case .object(var methods) = path else { return path }
    for (method, operation) in methods {
      guard case .object(var fields) = operation, case .object(var responses)? = fields["responses"] else { continue }
      for (status, reason) in errors where method == "post" || !bodyErrors.contains(status) {
        // A head that is not read names no path.
        let form = status == 431 ? "Error" : schema(name)
        responses[String(status)] = .object([
          "description": .text(reason),
          "content": .object([
            "application/json": .object(["schema": .object(["$ref": .text("#/components/schemas/\(form)")])])
          ]),
        ])
      }
      fields["responses"] = .object(responses)
      methods[method] = .object(fields)
    }
    return .object(methods)
  }

  private static func schema(_ path: String) -> String {
    switch ErrorForm(path: path) {
    case .openAI: "OpenAIError"
    case .anthropic: "AnthropicError"
    case .ollama: "OllamaError"
    case .original: "Error"
    }
  }

  private static let errors: [(status: Int, reason: String)] = [
    (400, "The request cannot be answered."), (401, "There is no valid API key."),
    (403, "The server was called by a foreign name, or by a foreign page."), (404, "There is no such model."),
    (405, "The path does not take the method."), (408, "The body did not arrive in time."),
    (413, "The body is too large."), (431, "The head is too large."),
    (429, "Too many requests wait."), (500, "The server failed."),
    (503, "The model is being loaded, or memory is in use."),
  ]

  /// Of requests with a body alone.
  private static let bodyErrors: Set<Int> = [408, 413, 429]
}
