import Hummingbird

/// What is no API's own: health, metrics, the description, and a page that says what is here.
struct GeneralRoutes {
  let service: Service

  func add(to routes: Routes) {
    routes.get("/") { _, _ in await page() }
    routes.get("/health") { _, _ in try await health() }
    routes.get("/v1/health") { _, _ in try await health() }
    routes.get("/metrics") { _, _ in await metrics() }
    routes.get("/openapi.json") { _, _ in JSONReply.response(bytes: OpenAPI.description.utf8) }
  }

  private struct Health: Encodable { var status = "ok" }

  private func health() async throws -> Response {
    guard await service.library.isReady else {
      throw APIError(.loading, "The model is being loaded.", retryAfter: 1)
    }
    return JSONReply.response(Health())
  }

  private func metrics() async -> Response {
    let text = service.metrics.text(models: await service.library.loaded, connections: service.connections.count)
    return Response(
      status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }

  private func page() async -> Response {
    let names = await service.library.files().map { "<li><code>\(Self.escaped($0.name))</code></li>" }.joined()
    return Response(
      status: .ok,
      headers: [
        .contentType: "text/html; charset=utf-8",
        .contentSecurityPolicy: "default-src 'none'; style-src 'unsafe-inline'",
      ],
      body: ResponseBody(byteBuffer: ByteBuffer(string: Self.page(models: names))))
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }

  private static func page(models: String) -> String {
    """
    <!doctype html>
    <html lang="en"><meta charset="utf-8"><title>powerinfer</title>
    <style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em }</style>
    <h1>powerinfer is running</h1>
    <p>Models:</p><ul>\(models)</ul>
    <p>Programs ask it through</p><ul>
    <li>OpenAI's API: <code>/v1/chat/completions</code>, <code>/v1/completions</code>, <code>/v1/responses</code>, \
    <code>/v1/embeddings</code>, <code>/v1/models</code></li>
    <li>Anthropic's: <code>/v1/messages</code></li>
    <li>ollama's: <code>/api/chat</code>, <code>/api/generate</code>, <code>/api/embed</code>, <code>/api/tags</code></li>
    <li>llama.cpp's: <code>/completion</code>, <code>/infill</code>, <code>/tokenize</code>, <code>/props</code>, \
    <code>/slots</code></li>
    </ul>
    <p><a href="/health">Health</a>, <a href="/metrics">metrics</a>, <a href="/openapi.json">description of all routes</a>.</p>
    </html>

    """
  }
}
