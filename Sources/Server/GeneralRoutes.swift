import Hummingbird

/// What is no API's own: health, metrics and the description.
struct GeneralRoutes {
  let service: Service

  func add(to routes: Routes) {
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
}
