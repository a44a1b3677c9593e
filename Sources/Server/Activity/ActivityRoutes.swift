import Hummingbird
import NIOCore
import PowerInfer
import ServiceLifecycle

/// What the neurons do, as server-sent events for as long as a client listens: `/v1/activity`.
struct ActivityRoutes {
  let service: Service

  func add(to routes: Routes) { routes.get("/v1/activity", activity) }

  @Sendable private func activity(_ request: Request, _ context: ServerContext) async throws -> Response {
    let service = service
    return Response(
      status: .ok, headers: [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store"],
      body: ResponseBody { output in
        let (events, end) = service.activity.watch {
          // Requests to come look for themselves; those that run need not count any longer.
          guard !service.activity.isWatched else { return }
          Task { for model in await service.library.loaded { model.engine.recordsActivity = false } }
        }
        let watch = service.connections.watch(context.channel, end)
        defer {
          end()
          service.connections.end(watch)
        }
        for model in await service.library.loaded { model.engine.recordsActivity = true }
        // Tells the client that it watches now.
        try await output.write(ByteBuffer(string: ": watching\n\n"))
        for await event in events.cancelOnGracefulShutdown() { try await output.write(event) }
        try await output.finish(nil)
      })
  }
}
