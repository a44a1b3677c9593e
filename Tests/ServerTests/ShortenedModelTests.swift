import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferPlatform
import PowerInferServer
import PowerInferTestKit
import Testing

/// Models whose files are shortened or deleted while they are served, mapped. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct ShortenedModelTests {
  private static func shorten(_ path: String) throws {
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.truncate(atOffset: 4096)
    try handle.close()
  }

  private func server(_ folder: TemporaryFolder, _ names: [String]) async throws -> TestServer {
    ShortenedFiles.survive()
    for (index, name) in names.enumerated() {
      try TinyModel(seed: UInt64(100 + index)).write(to: folder.file(name + ".gguf"))
    }
    let path = folder.path
    return try await TestServer(
      library: ModelLibrary(main: nil, folder: path, byteLimit: nil) { path in
        try Engine(
          model: LanguageModel(opening: path), options: EngineOptions(contextSize: 1_000_000, threads: 1))
      })
  }

  private func ask(_ server: TestServer, _ model: String) async throws -> Reply {
    try await server.post("/v1/completions", "{\"model\": \"\(model)\", \"prompt\": \"hello\", \"max_tokens\": 2}")
  }

  @Test func othersAreNotAffected() async throws {
    let folder = try TemporaryFolder()
    let server = try await server(folder, ["one", "two"])
    for name in ["one", "two"] { #expect(try await ask(server, name).status == 200) }
    // In the middle of an answer.
    let port = server.port
    let wire = try await server.off {
      let wire = try Wire(port: port)
      let body = #"{"model": "one", "prompt": "hello", "ignore_eos": true, "max_tokens": 900000, "stream": true}"#
      try wire.send(TestServer.request("POST", "/v1/completions", [:], body: Array(body.utf8)))
      _ = try wire.receive()
      return wire
    }
    try Self.shorten(folder.file("one.gguf"))
    let text = try await server.off {
      var text = ""
      while !text.contains("[DONE]") {
        let bytes = try wire.receive()
        if bytes.isEmpty { break }
        text += String(decoding: bytes, as: UTF8.self)
      }
      return text
    }
    #expect(text.contains("became shorter") && text.contains("\"error\""))
    #expect(try await ask(server, "two").status == 200)
    // What there is of the file is no model.
    let broken = try await ask(server, "one")
    #expect(broken.status == 500)
    #expect(try broken.json()["error"]["message"].string?.hasPrefix("The model one cannot be loaded: ") == true)
    // Once the file is whole again, so is the model.
    try TinyModel(seed: 100).write(to: folder.file("one.gguf"))
    #expect(try await ask(server, "one").status == 200)
  }

  @Test func aDeletedFileIsNoModelAnyMore() async throws {
    let folder = try TemporaryFolder()
    let server = try await server(folder, ["one", "two"])
    #expect(try await ask(server, "one").status == 200)
    for name in ["one", "two"] { try FileManager.default.removeItem(at: URL(filePath: folder.file(name + ".gguf"))) }
    // Loaded and not.
    for name in ["one", "two"] {
      let reply = try await ask(server, name)
      #expect(reply.status == 404)
      #expect(try reply.json()["error"]["code"].string == "model_not_found")
    }
    #expect(try await server.get("/health").status == 200)
  }

  /// Between the first look into a file and the reading of its weights.
  @Test(arguments: [Residency.mapped, .copied]) func whileItIsLoaded(residency: Residency) throws {
    ShortenedFiles.survive()
    let folder = try TemporaryFolder()
    let path = try TinyModel().write(to: folder.file("one.gguf"))
    let file = try GGUFFile(opening: path)
    try Self.shorten(path)
    #expect(throws: (any Error).self) {
      let model = try LanguageModel(file: file, residency: residency)
      let sequence = try Engine(model: model, options: EngineOptions(contextSize: 64, threads: 1)).makeSequence()
      try sequence.append([1, 2, 3])
    }
  }
}
