import Foundation
import PowerInfer
import Testing

/// `/v1/activity`. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct ActivityRouteTests {
  private static let chat =
    #"{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 24, "temperature": 0, "ignore_eos": true}"#

  /// Begins to watch.
  private func watch(_ server: TestServer) async throws -> Wire {
    let port = server.port
    let wire = try await server.off {
      let wire = try Wire(port: port)
      try wire.send(TestServer.request("GET", "/v1/activity", [:], body: nil))
      return wire
    }
    #expect(try await eventually { server.engine?.recordsActivity == true })
    return wire
  }

  /// The next events of a stream.
  private func events(_ count: Int, _ server: TestServer, _ wire: Wire) async throws -> [JSON] {
    try await server.off {
      var text = ""
      // Pieces of the transfer are whole events.
      while text.components(separatedBy: "event: token\n").count <= count || !text.hasSuffix("\n\n\r\n") {
        let bytes = try wire.receive()
        if bytes.isEmpty { throw Wire.Failure.ended }
        text += String(decoding: bytes, as: UTF8.self)
      }
      #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n") && text.lowercased().contains("content-type: text/event-stream"))
      let all = try text.split(separator: "\n").filter { $0.hasPrefix("data: ") }.map {
        try JSON(Array($0.dropFirst(6).utf8))
      }
      // First comes what there is to watch.
      #expect(all.first?["model"].string == "tiny" && all.first?["counts"].bool == true)
      return Array(all.dropFirst())
    }
  }

  @Test func everyTokenIsTold() async throws {
    let server = try await TestServer()
    let wire = try await watch(server)
    let reply = try await server.post("/v1/chat/completions", Self.chat)
    // The first token comes out of the prompt's pass.
    let tokens = try reply.json()["usage"]["completion_tokens"].int ?? 0
    #expect(tokens == 24)
    let events = try await events(tokens - 1, server, wire)
    for event in events {
      #expect(event["id"].string == reply.headers["x-request-id"] && event["choice"].int == 0)
      let (layers, groups) = (event["layers"].int ?? 0, event["groups"].int ?? 0)
      #expect(layers == 2 && groups == 64 && event["neurons"].int == 96 && event["hot_groups"].int == 13)
      #expect(Data(base64Encoded: event["cells"].string ?? "")?.count == layers * groups)
      #expect((event["pass_ms"].double ?? -1) >= (event["feed_forward_ms"].double ?? 0))
      let active = event["active"].double ?? -1
      #expect(active >= 0 && active <= 1)
    }
    let pieces = events.compactMap { $0["piece"].int }
    #expect(pieces == pieces.sorted())
  }

  @Test func aWatcherThatGoesIsNotCountedFor() async throws {
    let server = try await TestServer()
    let wire = try await watch(server)
    wire.abort()
    #expect(try await eventually { server.engine?.recordsActivity == false })
  }

  @Test func watchersDoNotHoldUpTheEnd() async throws {
    let server = try await TestServer()
    let wire = try await watch(server)
    await server.stopGracefully()
    // Complete, not cut off when the time for the end was up.
    #expect(try await server.off { try wire.reply() }.status == 200)
  }
}
