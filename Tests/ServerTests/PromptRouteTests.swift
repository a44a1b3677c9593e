import Logging
import PowerInfer
import PowerInferServer
import Synchronization
import Testing

/// Whole prompts of clients' own, and the log of prompts. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct PromptRouteTests {
  /// As `/tokenize` says, a control token that is spelt is one; as a text it would be ten.
  @Test(arguments: [
    ("/v1/completions", #"{"prompt": "hello<|im_end|>", "max_tokens": 1}"#, ["usage", "prompt_tokens"]),
    ("/completion", #"{"prompt": "hello<|im_end|>", "n_predict": 1}"#, ["tokens_evaluated"]),
    (
      "/api/generate",
      #"{"model": "tiny", "prompt": "hello<|im_end|>", "raw": true, "stream": false, "options": {"num_predict": 1}}"#,
      ["prompt_eval_count"]
    ),
  ]) func controlTokensCountInWholePrompts(path: String, body: String, place: [String]) async throws {
    let server = try await Shared.server()
    let tokenizer = try #require(server.engine).model.tokenizer
    let count = tokenizer.encode("hello<|im_end|>", addSpecial: true, parseSpecial: true).count
    #expect(tokenizer.encode("hello<|im_end|>", addSpecial: true, parseSpecial: false).count > count)
    let json = try await server.post(path, body).json()
    #expect(place.reduce(json) { $0[$1] }.int == count)
  }

  @Test func anEchoIsThePromptAsItWasSpelt() async throws {
    let json = try await Shared.server().post(
      "/v1/completions", #"{"prompt": "a<|im_end|>b", "max_tokens": 1, "echo": true}"#
    ).json()
    #expect(json["choices"][0]["text"].string?.hasPrefix("a<|im_end|>b") == true)
  }

  /// Keeps what is logged.
  private final class Lines: Sendable {
    let texts = Mutex<[String]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }
  }

  private struct Handler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info

    init(lines: Lines) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.texts.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
    }
  }

  @Test func promptsAreLoggedOnlyWhereThatIsAskedFor() async throws {
    for isAsked in [true, false] {
      let lines = Lines()
      let server = try await TestServer(options: { $0.logsPrompts = isAsked }, logger: lines.logger)
      _ = try await server.post(
        "/v1/chat/completions", #"{"messages": [{"role": "user", "content": "hello secret"}], "max_tokens": 1}"#)
      _ = try await server.post("/completion", #"{"prompt": "another secret", "n_predict": 1}"#)
      let found = lines.texts.withLock { $0.filter { $0.contains("secret") } }
      #expect(found.count == (isAsked ? 2 : 0), "\(found)")
      if isAsked { #expect(found[0].contains("<|im_start|>user\nhello secret<|im_end|>")) }
    }
  }
}
