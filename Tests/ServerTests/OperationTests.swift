import Foundation
import PowerInfer
import PowerInferServer
import PowerInferTestKit
import Synchronization
import Testing

@testable import PowerInferServer

/// Load, going clients, stopping, models on demand. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct OperationTests {
  /// A request whose answer goes on until the context is full.
  private static func endless(stream: Bool = true, tokens: Int = 900_000) -> String {
    #"{"prompt": "hello", "ignore_eos": true, "temperature": 0, "max_tokens": \#(tokens), "stream": \#(stream)}"#
  }

  @Test(arguments: [true, false]) func aClientThatGoesFreesItsSlot(isStreamed: Bool) async throws {
    let server = try await TestServer(contextSize: 1_000_000)
    let (port, engine) = (server.port, try #require(server.engine))
    let wire = try await server.off { try Wire(port: port) }
    let body = Self.endless(stream: isStreamed)
    try await server.off {
      try wire.send(TestServer.request("POST", "/v1/completions", [:], body: Array(body.utf8)))
      if isStreamed { _ = try wire.receive() }
    }
    #expect(try await eventually { engine.load.running == 1 })
    #expect(try await server.get("/slots").json()[0]["is_processing"].bool == true)
    wire.abort()
    #expect(try await eventually { engine.load == EngineLoad() })
    #expect(try await server.get("/slots").json()[0]["is_processing"].bool == false)
    #expect(try await server.get("/metrics").text.contains("powerinfer_answers_total{reason=\"cancelled\"} 1"))
    #expect(engine.cacheUse.sequences == 0)
  }

  @Test func tooManyAreToldToComeBack() async throws {
    let server = try await TestServer(scheduling: { ($0.parallel, $0.queueLimit) = (1, 1) }, contextSize: 1_000_000)
    let (port, engine) = (server.port, try #require(server.engine))
    var wires: [Wire] = []
    for _ in 0..<2 {
      wires.append(
        try await server.off {
          let wire = try Wire(port: port)
          try wire.send(TestServer.request("POST", "/v1/completions", [:], body: Array(Self.endless().utf8)))
          return wire
        })
    }
    #expect(try await eventually { engine.load == EngineLoad(running: 1, waiting: 1) })
    let chat = #"{"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}"#
    for (path, type) in [
      ("/v1/chat/completions", "rate_limit_error"), ("/v1/messages", "rate_limit_error"),
      ("/api/chat", "engine is busy"),
    ] {
      let reply = try await server.post(path, chat)
      #expect(reply.status == 429 && reply.headers["retry-after"] == "1", "\(path)")
      #expect(reply.text.contains(type))
    }
    // All of several answers, or none.
    #expect(try await server.post("/v1/completions", #"{"prompt": ["a", "b"], "stream": true}"#).status == 429)
    for wire in wires { wire.abort() }
    #expect(try await eventually { engine.load == EngineLoad() })
    #expect(try await server.post("/v1/chat/completions", chat).status == 200)
  }

  @Test func anAnswerIsCutOffWhenItsTimeIsUp() async throws {
    let server = try await TestServer(options: { $0.requestTimeout = 1 }, contextSize: 1_000_000)
    let json = try await server.post("/v1/completions", Self.endless(stream: false)).json()
    #expect(json["choices"][0]["finish_reason"].string == "length")
    #expect(try #require(json["usage"]["completion_tokens"].int) < 900_000)
  }

  @Test func aTokenLimitHoldsForAll() async throws {
    let server = try await TestServer(options: { $0.tokenLimit = 3 })
    let json = try await server.post("/v1/completions", Self.endless(stream: false)).json()
    #expect(json["usage"]["completion_tokens"].int == 3)
  }

  @Test func silentStreamsAreKeptOpen() async throws {
    // One request computes, one waits in silence.
    let server = try await TestServer(
      options: { $0.keepAliveInterval = 1 }, scheduling: { $0.parallel = 1 }, contextSize: 1_000_000)
    let (port, engine) = (server.port, try #require(server.engine))
    let first = try await server.off {
      let wire = try Wire(port: port)
      try wire.send(TestServer.request("POST", "/v1/completions", [:], body: Array(Self.endless().utf8)))
      return wire
    }
    #expect(try await eventually { engine.load.running == 1 })
    let text = try await server.off {
      let wire = try Wire(port: port)
      try wire.send(TestServer.request("POST", "/v1/completions", [:], body: Array(Self.endless().utf8)))
      var text = ""
      while !text.contains(": keep-alive\n\n") {
        let bytes = try wire.receive()
        if bytes.isEmpty { throw Wire.Failure.ended }
        text += String(decoding: bytes, as: UTF8.self)
      }
      return text
    }
    #expect(text.contains("200 OK") && !text.contains("data:"))
    first.abort()
  }

  @Test func answersDoNotDependOnCompany() async throws {
    let server = try await TestServer()
    func answer(_ index: Int) async throws -> String? {
      let body =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hello \(index)\"}], \"max_tokens\": 20, \"seed\": \(index), \"temperature\": 1}"
      return try await server.post("/v1/chat/completions", body).json()["choices"][0]["message"]["content"].string
    }
    var alone: [String?] = []
    for index in 0..<8 { alone.append(try await answer(index)) }
    let together = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
      for index in 0..<8 { group.addTask { (index, try await answer(index)) } }
      return try await group.reduce(into: [Int: String?]()) { $0[$1.0] = $1.1 }
    }
    for index in 0..<8 { #expect(alone[index] != nil && together[index] == alone[index]) }
  }

  @Test func prefixesAreUsedAgain() async throws {
    let server = try await TestServer(contextSize: 2048)
    let long = String(repeating: "the tower in the world ", count: 30)
    func usage(_ question: String, _ more: String = "") async throws -> JSON {
      let body = """
        {"messages": [{"role": "system", "content": "\(long)"}, {"role": "user", "content": "\(question)"}], "max_tokens": 2\(more)}
        """
      return try await server.post("/v1/chat/completions", body).json()["usage"]
    }
    #expect(try await usage("first")["prompt_tokens_details"]["cached_tokens"].int == 0)
    let second = try await usage("second")
    #expect(try #require(second["prompt_tokens_details"]["cached_tokens"].int) > 100)
    #expect(try await usage("third", #", "cache_prompt": false"#)["prompt_tokens_details"]["cached_tokens"].int == 0)
  }

  @Test func stoppingLetsAnswersFinish() async throws {
    let server = try await TestServer(contextSize: 4096)
    let (port, engine) = (server.port, try #require(server.engine))
    let isDone = Mutex(false)
    let answer = Task {
      try await server.off {
        let wire = try Wire(port: port)
        try wire.send(
          TestServer.request(
            "POST", "/v1/completions", [:], body: Array(Self.endless(stream: false, tokens: 2000).utf8)))
        defer { isDone.withLock { $0 = true } }
        return try wire.reply()
      }
    }
    // Where nobody looked in time, the answer is there already, and nothing is shown.
    #expect(try await eventually { engine.load.running == 1 || isDone.withLock { $0 } })
    await server.stopGracefully()
    let reply = try await answer.value
    #expect(reply.status == 200)
    #expect(try reply.json()["usage"]["completion_tokens"].int == 2000)
    await #expect(throws: Wire.Failure.self) { try await server.get("/health") }
  }

  @Test func whileLoadingTheServerSaysSo() async throws {
    let folder = try TemporaryFolder()
    let path = try TinyModel().write(to: folder.file("tiny.gguf"))
    let gate = DispatchSemaphore(value: 0)
    let library = ModelLibrary(main: path, folder: nil, byteLimit: nil) { path in
      gate.wait()
      return try Engine(model: LanguageModel(opening: path), options: EngineOptions(contextSize: 64, threads: 1))
    }
    let server = try await TestServer(library: library)
    let health = try await server.get("/health")
    #expect(health.status == 503 && health.headers["retry-after"] == "1")
    #expect(try health.json()["error"]["code"].int == 503)
    let chat = #"{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}"#
    #expect(try await server.post("/v1/chat/completions", chat).status == 503)
    #expect(try await server.get("/v1/models").json()["data"][0]["id"].string == "tiny")
    gate.signal()
    #expect(try await eventually { try await server.get("/health").status == 200 })
    #expect(try await server.post("/v1/chat/completions", chat).status == 200)
  }

  @Test func aModelThatCannotBeLoadedEndsTheServer() async throws {
    let library = ModelLibrary(main: "/nowhere.gguf", folder: nil, byteLimit: nil) { path in
      try Engine(model: LanguageModel(opening: path))
    }
    var options = ServerOptions()
    options.port = 0
    await #expect(throws: (any Error).self) {
      try await InferenceServer(options: options, library: library).run(handlesSignals: false)
    }
  }

  @Test func aPortInUseIsASentence() async throws {
    let server = try await Shared.server()
    var options = ServerOptions()
    options.port = server.port
    let library = ModelLibrary(main: nil, folder: nil, byteLimit: nil) { _ in
      throw ServerError.cannotListen(host: "", port: 0, reason: "")
    }
    let error = await #expect(throws: ServerError.self) {
      try await InferenceServer(options: options, library: library).run(handlesSignals: false)
    }
    #expect(error?.description.hasPrefix("The server cannot listen on 127.0.0.1, port \(server.port): ") == true)
  }

  @Test func modelsAreLoadedOnDemandAndGivenUp() async throws {
    let size = try Self.tinySize()
    let server = try await TestServer(
      options: { $0.modelByteLimit = size * 5 / 2 }, models: ["one", "two", "three"], hasMain: false)
    func loaded() async throws -> [String] {
      try await server.get("/api/ps").json()["models"].list.compactMap { $0["name"].string }
    }
    func ask(_ model: String) async throws -> Reply {
      try await server.post("/v1/completions", "{\"model\": \"\(model)\", \"prompt\": \"hello\", \"max_tokens\": 2}")
    }
    #expect(
      try await server.get("/v1/models").json()["data"].list.compactMap { $0["id"].string } == [
        "one", "three", "tiny", "two",
      ])
    #expect(try await server.get("/health").status == 200)
    #expect(try await loaded() == [])
    #expect(try await ask("one").json()["model"].string == "one")
    #expect(try await ask("two").status == 200)
    #expect(try await loaded() == ["one:latest", "two:latest"])
    // There is room for two.
    #expect(try await ask("three.gguf").status == 200)
    #expect(try await loaded() == ["three:latest", "two:latest"])
    let missing = try await ask("../one")
    #expect(missing.status == 404)
    #expect(try missing.json()["error"]["code"].string == "model_not_found")
    #expect(try await server.post("/v1/completions", #"{"prompt": "x"}"#).status == 400)
    let unloaded = try await server.post("/api/generate", #"{"model": "two", "keep_alive": 0}"#)
    #expect(try unloaded.json()["done_reason"].string == "unload")
    #expect(try await loaded() == ["three:latest"])
  }

  @Test func unusedModelsAreGivenUp() async throws {
    let server = try await TestServer(options: { $0.idleUnload = 1 }, models: ["one"], hasMain: false)
    _ = try await server.post("/v1/completions", #"{"model": "one", "prompt": "hello", "max_tokens": 2}"#)
    #expect(try await eventually { try await server.get("/api/ps").json()["models"].list.isEmpty })
  }

  private static func tinySize() throws -> Int {
    let folder = try TemporaryFolder()
    return try folder.read(URL(filePath: TinyModel().write(to: folder.file("t.gguf"))).lastPathComponent).count
  }
}
