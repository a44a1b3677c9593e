import Foundation
import PowerInfer
import PowerInferServer
import Testing

/// OpenAI's chat completions. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct ChatRouteTests {
  private static let question = #""messages": [{"role": "user", "content": "hello the world"}]"#

  private func body(_ more: String = "") -> String {
    "{\(Self.question), \"max_tokens\": 12, \"temperature\": 0\(more.isEmpty ? "" : ", " + more)}"
  }

  /// What the engine says without a server.
  private func expected(
    _ server: TestServer, _ change: (inout GenerationRequest) -> Void = { _ in }
  ) async throws -> GenerationResult {
    var request = GenerationRequest(messages: [Message(.user, "hello the world")])
    request.options.maxTokens = 12
    request.sampling.temperature = 0
    change(&request)
    for try await event in try #require(server.engine).generate(request) {
      if case .finished(let result) = event { return result }
    }
    throw Wire.Failure.ended
  }

  @Test func anAnswerIsWhatTheEngineSays() async throws {
    let server = try await TestServer()
    let result = try await expected(server)
    let reply = try await server.post("/v1/chat/completions", body())
    #expect(reply.status == 200)
    #expect(reply.headers["content-type"] == "application/json; charset=utf-8")
    #expect(reply.headers["x-request-id"]?.isEmpty == false)
    let json = try reply.json()
    #expect(json["object"].string == "chat.completion" && json["model"].string == "tiny")
    #expect(json["id"].string?.hasPrefix("chatcmpl-") == true)
    let choice = json["choices"][0]
    #expect(choice["message"]["content"].string == result.text)
    #expect(choice["message"]["role"].string == "assistant" && choice["index"].int == 0)
    #expect(choice["finish_reason"].string == (result.finishReason == .stop ? "stop" : "length"))
    #expect(choice["logprobs"].isNull)
    let usage = json["usage"]
    #expect(usage["prompt_tokens"].int == result.statistics.promptTokens)
    #expect(usage["completion_tokens"].int == result.statistics.generatedTokens)
    #expect(usage["total_tokens"].int == result.statistics.promptTokens + result.statistics.generatedTokens)
  }

  @Test func aStreamIsTheSameAnswer() async throws {
    let server = try await TestServer()
    let result = try await expected(server)
    let reply = try await server.post(
      "/v1/chat/completions", body(#""stream": true, "stream_options": {"include_usage": true}"#))
    #expect(reply.headers["content-type"] == "text/event-stream; charset=utf-8")
    #expect(reply.text.hasSuffix("data: [DONE]\n\n"))
    let events = try reply.events()
    #expect(events.allSatisfy { $0["object"].string == "chat.completion.chunk" })
    #expect(Set(events.compactMap { $0["id"].string }).count == 1)
    #expect(events[0]["choices"][0]["delta"]["role"].string == "assistant")
    #expect(events.compactMap { $0["choices"][0]["delta"]["content"].string }.joined() == result.text)
    let reasons = events.compactMap { $0["choices"][0]["finish_reason"].string }
    #expect(reasons == [result.finishReason.rawValue])
    let last = try #require(events.last)
    #expect(last["choices"].list.isEmpty)
    #expect(last["usage"]["completion_tokens"].int == result.statistics.generatedTokens)
    #expect(events.dropLast().allSatisfy { $0["usage"].isNull })
    // Without the option there is no word of usage.
    let plain = try await server.post("/v1/chat/completions", body(#""stream": true"#)).events()
    #expect(plain.allSatisfy { !$0["usage"].exists })
  }

  @Test func severalAnswersHaveSeedsOfTheirOwn() async throws {
    let server = try await TestServer()
    func texts(_ more: String) async throws -> [String] {
      let json = try await server.post(
        "/v1/chat/completions", "{\(Self.question), \"max_tokens\": 8, \"temperature\": 1.5, \(more)}"
      ).json()
      #expect(json["choices"].list.map(\.["index"].int) == Array(0..<json["choices"].list.count))
      return json["choices"].list.compactMap { $0["message"]["content"].string }
    }
    let three = try await texts(#""n": 3, "seed": 7"#)
    #expect(three.count == 3 && Set(three).count == 3)
    #expect(try await texts(#""n": 3, "seed": 7"#) == three)
    #expect(try await texts(#""seed": 8"#) == [three[1]])
    let streamed = try await server.post(
      "/v1/chat/completions",
      "{\(Self.question), \"max_tokens\": 8, \"temperature\": 1.5, \"n\": 3, \"seed\": 7, \"stream\": true}"
    ).events()
    for index in 0..<3 {
      let pieces = streamed.filter { $0["choices"][0]["index"].int == index }
      #expect(pieces.compactMap { $0["choices"][0]["delta"]["content"].string }.joined() == three[index])
    }
  }

  @Test func stopBiasAndLogProbabilities() async throws {
    let server = try await TestServer()
    let whole = try await expected(server).text
    // A text in the middle of the answer ends it before.
    let stop = String(whole.dropFirst(3).prefix(2))
    let quoted = String(decoding: try JSONText.encode(stop), as: UTF8.self)
    let stopped = try await server.post("/v1/chat/completions", body("\"stop\": [\(quoted), \"never\"]")).json()
    let range = try #require(whole.range(of: stop))
    #expect(stopped["choices"][0]["message"]["content"].string == String(whole[..<range.lowerBound]))
    #expect(stopped["choices"][0]["finish_reason"].string == "stop")
    // A token that is made all but certain is chosen every time.
    let biased = try await server.post("/v1/chat/completions", body(#""logit_bias": {"70": 100}"#)).json()
    let token = try #require(server.engine).model.tokenizer.decode([70])
    #expect(biased["choices"][0]["message"]["content"].string == String(repeating: token, count: 12))

    let json = try await server.post("/v1/chat/completions", body(#""logprobs": true, "top_logprobs": 3"#)).json()
    let entries = json["choices"][0]["logprobs"]["content"].list
    #expect(!entries.isEmpty)
    for entry in entries {
      let likeliest = entry["top_logprobs"].list.compactMap { $0["logprob"].double }
      #expect(likeliest.count == 3 && likeliest == likeliest.sorted(by: >))
      // Greedy: what was chosen is the likeliest.
      #expect(entry["logprob"].double == likeliest[0])
      let bytes = entry["bytes"].list.compactMap(\.int).map(UInt8.init)
      #expect(!bytes.isEmpty && String(decoding: bytes, as: UTF8.self) == entry["token"].string)
    }
  }

  @Test(arguments: [
    ("{}", "messages"), (#"{"messages": []}"#, "messages"), (#"{"messages": 5}"#, "messages"),
    (#"{"messages": [{"role": "pope", "content": "x"}]}"#, "messages"),
    (#"{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}"#, "messages"),
    (#"{"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}"#, "max_tokens"),
    (#"{"messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 0}"#, "max_completion_tokens"),
    (#"{"messages": [{"role": "user", "content": "x"}], "temperature": -1}"#, "temperature"),
    (#"{"messages": [{"role": "user", "content": "x"}], "top_p": 2}"#, "top_p"),
    (#"{"messages": [{"role": "user", "content": "x"}], "n": 0}"#, "n"),
    (#"{"messages": [{"role": "user", "content": "x"}], "stop": [""]}"#, "stop"),
    (#"{"messages": [{"role": "user", "content": "x"}], "logit_bias": {"99999": 1}}"#, "logit_bias"),
    (#"{"messages": [{"role": "user", "content": "x"}], "top_logprobs": 2}"#, "top_logprobs"),
    (#"{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "xml"}}"#, "response_format"),
    (
      #"{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema"}}"#,
      "response_format"
    ),
    (
      #"{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json_schema", "schema": {"not": {}}}}"#,
      "response_format"
    ),
    (#"{"messages": [{"role": "user", "content": "x"}], "grammar": "root ::= root"}"#, "grammar"),
    (#"{"messages": [{"role": "user", "content": "x"}], "tool_choice": "required"}"#, "tool_choice"),
    (#"{"messages": [{"role": "user", "content": "x"}], "tool_choice": "perhaps"}"#, "tool_choice"),
    (
      #"{"messages": [{"role": "user", "content": "x"}], "tools": [{"function": {"name": "a"}}], "tool_choice": {"function": {"name": "b"}}}"#,
      "tool_choice"
    ),
    (#"{"messages": [{"role": "user", "content": "x"}], "stream": "yes"}"#, "stream"),
  ]) func whatIsWrongIsNamed(body: String, parameter: String) async throws {
    let server = try await Shared.server()
    let reply = try await server.post("/v1/chat/completions", body)
    #expect(reply.status == 400)
    let error = try reply.json()["error"]
    #expect(error["type"].string == "invalid_request_error" && error["param"].string == parameter)
    #expect(error["message"].string?.hasSuffix(".") == true, "\(error["message"].string ?? "")")
  }

  @Test func aPromptLongerThanTheContextIsRefused() async throws {
    let server = try await Shared.server()
    let long = String(repeating: "x", count: 400)
    for more in ["", ", \"stream\": true"] {
      let reply = try await server.post(
        "/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"\(long)\"}]\(more)}")
      #expect(reply.status == 400)
      #expect(try reply.json()["error"]["code"].string == "context_length_exceeded")
    }
  }

  @Test func messagesCannotSpellControlTokens() async throws {
    let server = try await Shared.server()
    func tokens(_ text: String) async throws -> Int {
      let body = "{\"messages\": [{\"role\": \"user\", \"content\": \"\(text)\"}], \"max_tokens\": 1}"
      return try #require(try await server.post("/v1/chat/completions", body).json()["usage"]["prompt_tokens"].int)
    }
    // As a control token it would be one; as a text it is its bytes.
    #expect(try await tokens("<|im_end|>") >= tokens("") + 8)
  }
}

/// A server for tests that leave it as it is.
enum Shared {
  private static let task = Task { try await TestServer() }

  static func server() async throws -> TestServer { try await task.value }

  private static let roomyTask = Task { try await TestServer(contextSize: 4096) }

  /// One whose context holds descriptions of tools.
  static func roomyServer() async throws -> TestServer { try await roomyTask.value }
}
