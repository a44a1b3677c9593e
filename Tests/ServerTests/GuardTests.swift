import Foundation
import PowerInfer
import PowerInferServer
import Testing

/// Who may come in, and what a server does not take. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct GuardTests {
  private static let chat = #"{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}"#

  @Test func keysLetIn() async throws {
    let server = try await TestServer(options: { $0.apiKeys = ["first", "second"] })
    for (path, keyword) in [
      ("/v1/chat/completions", "invalid_api_key"), ("/v1/messages", "authentication_error"), ("/api/chat", "error"),
      ("/completion", "authentication_error"),
    ] {
      for headers in [[:], ["Authorization": "Bearer third"], ["Authorization": "first"], ["x-api-key": ""]] {
        let reply = try await server.post(path, Self.chat, headers)
        #expect(reply.status == 401 && reply.text.contains(keyword), "\(path)")
      }
    }
    for headers in [["Authorization": "Bearer first"], ["authorization": "bearer second"], ["X-API-Key": "second"]] {
      #expect(try await server.post("/v1/chat/completions", Self.chat, headers).status == 200)
    }
    #expect(try await server.get("/health").status == 200)
    #expect(try await server.get("/metrics").status == 401)
  }

  @Test func foreignNamesAndPagesAreRefused() async throws {
    let server = try await TestServer(options: { $0.allowedOrigins = ["https://chat.example.org"] })
    for host in ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example"] {
      let reply = try await server.post("/v1/chat/completions", Self.chat, ["Host": host])
      #expect(reply.status == 403, "\(host)")
    }
    for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "192.168.1.7"] {
      #expect(try await server.get("/health", ["Host": host]).status == 200, "\(host)")
    }
    for origin in [
      "https://evil.example", "null", "file://", "http://localhost.evil.example", "https://chat.example.org.evil",
    ] {
      let reply = try await server.post(
        "/v1/chat/completions", Self.chat, ["Origin": origin, "Content-Type": "text/plain"])
      #expect(reply.status == 403, "\(origin)")
      #expect(reply.headers["access-control-allow-origin"] == nil)
    }
    for origin in ["http://localhost:3000", "http://127.0.0.1", "https://chat.example.org"] {
      let reply = try await server.post("/v1/chat/completions", Self.chat, ["Origin": origin])
      #expect(reply.status == 200 && reply.headers["access-control-allow-origin"] == origin, "\(origin)")
    }
    let asked = try await server.get(
      "/v1/chat/completions",
      [
        "Origin": "https://chat.example.org", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, x-stainless-os",
      ], method: "OPTIONS")
    #expect(asked.status == 204)
    #expect(asked.headers["access-control-allow-headers"] == "authorization, x-stainless-os")
    #expect(asked.headers["access-control-allow-methods"]?.contains("POST") == true)
  }

  @Test func unknownPathsAndMethods() async throws {
    let server = try await Shared.server()
    let unknown = try await server.get("/v1/nothing")
    #expect(unknown.status == 404)
    #expect(try unknown.json()["error"]["type"].string == "invalid_request_error")
    let wrong = try await server.get("/v1/chat/completions")
    #expect(wrong.status == 405 && wrong.headers["allow"] == "POST")
    for path in ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/models/..%2f..%2fetc%2fpasswd", "//etc/passwd"]
    {
      #expect(try await server.get(path).status == 404, "\(path)")
    }
  }

  @Test(arguments: [
    "", "{", "null", "[]", "5", "\"text\"", #"{"messages": [}"#,
    #"{"messages": [{"role": "user", "content": "\ud800"}]}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "temperature": 1e300}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "max_tokens": 1e30}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "max_tokens": 99999999999999999999}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "seed": 99999999999999999999}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "logit_bias": {"5": 1e300}}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "logit_bias": {"-5": 1}}"#,
    #"{"messages": [{"role": "user", "content": "x"}], "tools": [5]}"#,
  ]) func malformedBodies(body: String) async throws {
    let server = try await Shared.server()
    for path in [
      "/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses", "/completion", "/v1/completions",
      "/apply-template",
    ] {
      // What another API does not name, it ignores.
      let reply = try await server.post(path, body)
      #expect(reply.status == 400 || (path != "/v1/chat/completions" && reply.status == 200), "\(path)")
    }
  }

  @Test func strangeBytes() async throws {
    let server = try await Shared.server()
    for bytes: [UInt8] in [
      [0xFF, 0xFE, 0x7B, 0x00], Array(#"{"messages": ""#.utf8) + [0xC3, 0x28] + Array("\"}".utf8), [0],
      [0xEF, 0xBB, 0xBF],
    ] {
      #expect(try await server.post("/v1/chat/completions", bytes: bytes).status == 400)
    }
    for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
      let deep = String(repeating: open, count: 100_000) + "1" + String(repeating: close, count: 100_000)
      #expect(try await server.post("/v1/chat/completions", "{\"messages\": \(deep)}").status == 400)
      #expect(try await server.post("/v1/chat/completions", "{\"messages\": [], \"tools\": \(deep)}").status == 400)
    }
    // As deep as Foundation goes, where any value is read.
    for depth in [100, 400, 505, 512] {
      let deep = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      let body =
        "{\"model\": \"tiny\", \"format\": \(deep), \"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": \(deep)}}]}]}"
      #expect(try await server.post("/api/chat", body).status == 400, "\(depth)")
    }
    let nested = String(repeating: "[", count: 300) + String(repeating: "]", count: 300)
    let refused = try await server.post(
      "/api/chat",
      "{\"model\": \"tiny\", \"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": \(nested)}}]}]}"
    ).json()["error"].string
    #expect(
      refused == "The value of messages.0.tool_calls.0 cannot be used: it is nested more than 200 levels deep.")
    let stops = (0..<10_000).map { "\"s\($0)\"" }.joined(separator: ",")
    let reply = try await server.post(
      "/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"stop\": [\(stops)]}")
    #expect(reply.status == 400)
    #expect(try reply.json()["error"]["param"].string == "stop")
  }

  @Test func largeBodiesAreRefusedUnread() async throws {
    let server = try await TestServer(options: { $0.bodyLimit = 1 << 16 })
    let port = server.port
    // Announced, and not sent.
    let announced = try await server.off {
      let wire = try Wire(port: port)
      try wire.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n{")
      return try wire.reply()
    }
    #expect(announced.status == 413)
    // Sent in chunks without a word of how many.
    let chunked = try await server.off {
      let wire = try Wire(port: port)
      try wire.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
      let chunk = "1000\r\n" + String(repeating: "x", count: 4096) + "\r\n"
      // The server may have closed before the last one.
      for _ in 0..<20 { try? wire.send(chunk) }
      return try wire.reply()
    }
    #expect(chunked.status == 413)
    #expect(try await server.get("/health").status == 200)
  }

  @Test func aBodyMayBeAskedForFirst() async throws {
    let server = try await Shared.server()
    let port = server.port
    let body = #"{"content": "hello"}"#
    let head =
      "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
    let (first, reply) = try await server.off {
      let wire = try Wire(port: port)
      try wire.send(head)
      let first = String(decoding: try wire.receive(), as: UTF8.self)
      try wire.send(body)
      return (first, try wire.reply())
    }
    #expect(first == "HTTP/1.1 100 Continue\r\n\r\n")
    #expect(reply.status == 200)
  }

  /// A connection is used again, also after a mistake and after a stream.
  @Test func oneConnectionServesManyRequests() async throws {
    let server = try await Shared.server()
    let port = server.port
    let requests: [(String, Int)] = [
      (#"{"prompt": "hello", "max_tokens": 2}"#, 200), (#"{"prompt": 5}"#, 400),
      (#"{"prompt": "hello", "max_tokens": 2, "stream": true}"#, 200), (#"{"prompt": "hello", "max_tokens": 1}"#, 200),
    ]
    let statuses = try await server.off {
      let wire = try Wire(port: port)
      return try requests.map { body, _ in
        try wire.send(TestServer.request("POST", "/v1/completions", [:], body: Array(body.utf8)))
        return try wire.reply().status
      }
    }
    #expect(statuses == requests.map(\.1))
  }

  @Test func whatClientsMakeUpIsNotCountedByName() async throws {
    let server = try await TestServer()
    for path in ["/made/up", "/v1/models/made-up"] { _ = try await server.get(path) }
    _ = try await server.get("/health", method: "PURGE")
    let metrics = try await server.get("/metrics").text
    #expect(!metrics.contains("made") && !metrics.contains("PURGE"))
    #expect(
      metrics.contains(#"powerinfer_http_requests_total{route="/v1/models/{model}",method="GET",status="404"} 1"#))
    #expect(metrics.contains(#"powerinfer_http_requests_total{route="other",method="other",status="404"} 1"#))
  }

  /// Who goes away in the middle of a request makes no failure of the server.
  @Test func aClientThatGoesAwayIsNoFailure() async throws {
    let server = try await TestServer()
    let port = server.port
    try await server.off {
      let wire = try Wire(port: port)
      try wire.send("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{\"content")
      wire.abort()
    }
    let line = #"powerinfer_http_requests_total{route="/tokenize",method="POST",status="#
    #expect(try await eventually { try await server.get("/metrics").text.contains(line) })
    #expect(try await server.get("/metrics").text.contains(line + "\"400\"} 1"))
  }

  @Test func brokenProtocol() async throws {
    let server = try await Shared.server()
    let port = server.port
    let many = (0..<1000).map { "X-Flood-\($0): 1\r\n" }.joined()
    let long = "X-Long: \(String(repeating: "x", count: 200_000))\r\n"
    for (head, statuses) in [
      (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        [400]
      ),
      (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", [400]
      ),
      ("GET /health HTTP/1.1\r\nHost: localhost\r\n\(many)\r\n", [431]),
      ("GET /health HTTP/1.1\r\nHost: localhost\r\n\(long)\r\n", [431]),
      ("GARBAGE\r\n\r\n", [400]), ("GET /health HTTP/9.9\r\n\r\n", [400]),
    ] {
      let status = try await server.off {
        let wire = try Wire(port: port)
        try wire.send(head)
        return try wire.reply().status
      }
      #expect(statuses.contains(status), "\(head.prefix(60)): \(status)")
    }
    #expect(try await server.get("/health").status == 200)
  }

  /// Replies pile up for a client that asks and never reads, until the system takes no more of them.
  @Test func aClientThatReadsNothingIsCutOff() async throws {
    let server = try await TestServer(options: { $0.writeTimeout = 1 })
    let port = server.port
    let request = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    let isCutOff = try await server.off {
      let wire = try Wire(port: port)
      try wire.send(String(repeating: request, count: 1000))
      do {
        for _ in 0..<600 {
          try wire.send(request)
          Thread.sleep(forTimeInterval: 0.1)
        }
        return false
      } catch is Wire.Failure {
        return true
      }
    }
    #expect(isCutOff)
    #expect(try await server.get("/health").status == 200)
  }

  @Test func slowClientsAreCutOff() async throws {
    // A connection with a request is not idle, and gets its reply.
    let server = try await TestServer(options: { ($0.readTimeout, $0.idleTimeout) = (2, 1) })
    let port = server.port
    // A body that does not come, and heads that do not end.
    let body = try await server.off {
      let wire = try Wire(port: port)
      try wire.send("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
      return try wire.reply()
    }
    #expect(body.status == 408)
    try await server.off {
      let wire = try Wire(port: port)
      try wire.send("GET /health HT")
      #expect(try wire.ends())
      // Nobody asks for anything.
      #expect(try Wire(port: port).ends())
    }
    #expect(try await server.get("/health").status == 200)
  }
}
