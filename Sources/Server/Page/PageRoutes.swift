import Foundation
import HTTPTypes
import Hummingbird

/// The chat page: at `/` for browsers, with its files beside it. Other clients read there what is where.
struct PageRoutes {
  let service: Service

  /// Where the page's files are; they need no key, for they are the same in every server.
  static let folder = "/page/"

  func add(to routes: Routes) {
    routes.get("/") { request, _ in await home(request) }
    routes.get("/page/{file}") { request, context in try file(request, context) }
  }

  // MARK: For browsers

  private func home(_ request: Request) async -> Response {
    guard let page = PageFile.index, Self.wantsPage(request.headers) else {
      return Response(
        status: .ok, headers: [.contentType: "text/plain; charset=utf-8", .vary: "Accept"],
        body: ResponseBody(byteBuffer: ByteBuffer(string: await overview())))
    }
    var response = Self.response(page, to: request)
    response.headers[.vary] = "Accept"
    return response
  }

  private static func wantsPage(_ headers: HTTPFields) -> Bool {
    headers[values: .accept].contains { $0.lowercased().contains("text/html") }
  }

  private func file(_ request: Request, _ context: ServerContext) throws -> Response {
    guard let name = context.parameters.get("file"), let file = PageFile.named[name] else {
      throw APIError(.notFound, "There is no such file of the page.")
    }
    return Self.response(file, to: request)
  }

  /// A file, or that the client's copy of it is still good.
  private static func response(_ file: PageFile, to request: Request) -> Response {
    // Asked for every time, so that page and server are of one version, and sent once.
    var headers: HTTPFields = [
      .contentType: file.contentType, .eTag: file.tag, .cacheControl: "no-cache",
      .contentSecurityPolicy: securityPolicy, .xContentTypeOptions: "nosniff",
    ]
    headers[.referrerPolicy] = "no-referrer"
    headers[.crossOriginOpenerPolicy] = "same-origin"
    headers[.crossOriginResourcePolicy] = "same-origin"
    let known = request.headers[values: .ifNoneMatch].joined(separator: ",").split(separator: ",").map { tag in
      let tag = tag.drop { $0 == " " }
      return String(tag.hasPrefix("W/") ? tag.dropFirst(2) : tag).trimmingCharacters(in: .whitespaces)
    }
    if known.contains(file.tag) || known == ["*"] {
      headers[.contentType] = nil
      return Response(status: .notModified, headers: headers)
    }
    return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: file.body))
  }

  /// Scripts and styles from here alone, nothing inside the page's text, no frames, no other host.
  static let securityPolicy = [
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self' data:",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
  ].joined(separator: "; ")

  // MARK: For other clients

  private func overview() async -> String {
    let names = await service.library.files().map { "  \($0.name)\n" }.joined()
    return """
      powerinfer is running. In a browser, this is a page to chat on.

      Models:
      \(names)
      OpenAI's API:     /v1/chat/completions /v1/completions /v1/responses /v1/embeddings /v1/models
      Anthropic's:      /v1/messages /v1/messages/count_tokens
      ollama's:         /api/chat /api/generate /api/embed /api/tags
      llama.cpp's:      /completion /infill /tokenize /props /slots
      The server's own: /health /metrics /openapi.json

      """
  }
}

extension HTTPField.Name {
  // Constants that are names.
  fileprivate static let referrerPolicy = HTTPField.Name("Referrer-Policy")!
  fileprivate static let crossOriginOpenerPolicy = HTTPField.Name("Cross-Origin-Opener-Policy")!
  fileprivate static let crossOriginResourcePolicy = HTTPField.Name("Cross-Origin-Resource-Policy")!
}
