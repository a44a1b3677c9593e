import Hummingbird
import NIOCore
import PowerInfer
import ServiceLifecycle

/// What the neurons do, as server-sent events for as long as a client listens: `/v1/activity`.
struct ActivityRoutes {
  let service: Service

  func add(to routes: Routes) { routes.get("/v1/activity", activity) }

  /// A model that was loaded when somebody began to watch.
  private struct Watched: Encodable {
    var model: String
    /// Whether its neurons are counted; on a GPU they are not.
    var counts: Bool
  }

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
        // Tells the client that it watches now, and which models have nothing to show.
        var frames = Frames()
        for model in await service.library.loaded {
          try frames.event("model", Watched(model: model.name, counts: model.engine.countsActivity))
        }
        try await output.write(ByteBuffer(string: ": watching\n\n"))
        if !frames.isEmpty { try await output.write(frames.take()) }
        for await event in events.cancelOnGracefulShutdown() { try await output.write(event) }
        try await output.finish(nil)
      })
  }
}
