import Foundation
import PowerInfer
import Testing

/// The other APIs, beside what the engine says. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct OtherRouteTests {
  private static let greedy = #""temperature": 0, "max_tokens": 10"#

  private func text(_ request: GenerationRequest, max: Int = 10) async throws -> GenerationResult {
    var request = request
    request.options.maxTokens = max
    request.sampling.temperature = 0
    for try await event in try #require(try await Shared.server().engine).generate(request) {
      if case .finished(let result) = event { return result }
    }
    throw Wire.Failure.ended
  }

  @Test func completions() async throws {
    let server = try await Shared.server()
    let first = try await text(.init(text: "the tower"))
    let second = try await text(.init(text: "hello"))
    let json = try await server.post(
      "/v1/completions", "{\"prompt\": [\"the tower\", \"hello\"], \(Self.greedy), \"logprobs\": 2}"
    ).json()
    #expect(json["object"].string == "text_completion")
    #expect(json["choices"].list.compactMap { $0["text"].string } == [first.text, second.text])
    #expect(json["usage"]["completion_tokens"].int == first.tokens.count + second.tokens.count)
    let logprobs = json["choices"][0]["logprobs"]
    #expect(logprobs["tokens"].list.compactMap(\.string).joined() == first.text)
    #expect(logprobs["text_offset"][0].int == 0)
    let echoed = try await server.post(
      "/v1/completions", "{\"prompt\": \"hello\", \(Self.greedy), \"echo\": true, \"stream\": true}"
    ).events()
    #expect(echoed.compactMap { $0["choices"][0]["text"].string }.joined() == "hello" + second.text)
    // Tokens instead of texts, and the default length.
    let tokens = try #require(server.engine).model.tokenizer.encode("hello")
    let plain = try await server.post("/v1/completions", "{\"prompt\": \(tokens), \"temperature\": 0}").json()
    #expect(plain["choices"][0]["text"].string?.hasPrefix(second.text) == true)
    #expect(plain["usage"]["completion_tokens"].int == 16)
    for body in [#"{"prompt": []}"#, #"{"prompt": {}}"#, #"{"prompt": [99999]}"#, #"{"prompt": "x", "best_of": 3}"#] {
      #expect(try await server.post("/v1/completions", body).status == 400, "\(body)")
    }
  }

  @Test func anthropicMessages() async throws {
    let server = try await Shared.server()
    let conversation = [Message(.system, "be brief"), Message(.user, "hello")]
    let result = try await text(.init(messages: conversation))
    let body =
      #""max_tokens": 10, "temperature": 0, "system": "be brief", "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]"#
    let json = try await server.post("/v1/messages", "{\(body)}").json()
    #expect(json["type"].string == "message" && json["role"].string == "assistant")
    #expect(json["content"][0]["text"].string == result.text && json["content"][0]["type"].string == "text")
    #expect(json["stop_reason"].string == (result.finishReason == .stop ? "end_turn" : "max_tokens"))
    let usage = json["usage"]
    #expect(
      (usage["input_tokens"].int ?? 0) + (usage["cache_read_input_tokens"].int ?? 0)
        == result.statistics.promptTokens)
    #expect(usage["output_tokens"].int == result.tokens.count)

    let events = try await server.post("/v1/messages", "{\(body), \"stream\": true}").events()
    let kinds = events.compactMap { $0["type"].string }
    #expect(
      kinds.first == "message_start" && kinds.suffix(3) == ["content_block_stop", "message_delta", "message_stop"])
    #expect(events.compactMap { $0["delta"]["text"].string }.joined() == result.text)
    let count = try await server.post("/v1/messages/count_tokens", "{\(body)}").json()
    #expect(count["input_tokens"].int == result.statistics.promptTokens)

    // The model goes on where its own last turn ended.
    let renderer = try PromptRenderer(model: try #require(server.engine).model)
    let prompt = try renderer.tokens(of: [Message(.user, "hello")], beginning: "in the")
    let expected = try await text(.init(.tokens(prompt)))
    let begun = try await server.post(
      "/v1/messages",
      #"{"max_tokens": 10, "temperature": 0, "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "in the"}]}"#
    ).json()
    #expect(begun["content"][0]["text"].string == expected.text)

    for (body, type) in [
      (#"{"messages": [{"role": "user", "content": "x"}]}"#, "invalid_request_error"),
      (#"{"max_tokens": 5, "messages": []}"#, "invalid_request_error"),
      (
        #"{"max_tokens": 5, "messages": [{"role": "system", "content": "x"}], "temperature": 2}"#,
        "invalid_request_error"
      ),
    ] {
      let reply = try await server.post("/v1/messages", body)
      #expect(reply.status == 400)
      let json = try reply.json()
      #expect(json["type"].string == "error" && json["error"]["type"].string == type)
      #expect(json["request_id"].string == reply.headers["x-request-id"])
    }
  }

  @Test func ollamasChatAndGenerate() async throws {
    let server = try await Shared.server()
    let result = try await text(.init(messages: [Message(.user, "hello")]))
    let options = #""model": "tiny:latest", "options": {"num_predict": 10, "temperature": 0}"#
    let messages = #""messages": [{"role": "user", "content": "hello"}]"#
    let lines = try await server.post("/api/chat", "{\(options), \(messages)}").lines()
    #expect(lines.compactMap { $0["message"]["content"].string }.joined() == result.text)
    #expect(lines.dropLast().allSatisfy { $0["done"].bool == false } && lines.last?["done"].bool == true)
    #expect(lines.last?["eval_count"].int == result.tokens.count)
    #expect(lines.last?["prompt_eval_count"].int == result.statistics.promptTokens)
    #expect(lines.last?["done_reason"].string == (result.finishReason == .stop ? "stop" : "length"))
    let whole = try await server.post("/api/chat", "{\(options), \(messages), \"stream\": false}").json()
    #expect(whole["message"]["content"].string == result.text && whole["done"].bool == true)
    // The prompt of /api/generate goes through the template, unless it is raw.
    let generated = try await server.post("/api/generate", "{\(options), \"prompt\": \"hello\", \"stream\": false}")
      .json()
    #expect(generated["response"].string == result.text)
    let raw = try await text(.init(text: "hello"))
    let unformed = try await server.post(
      "/api/generate", "{\(options), \"prompt\": \"hello\", \"raw\": true, \"stream\": false}"
    ).json()
    #expect(unformed["response"].string == raw.text)
    #expect(try await server.post("/api/generate", #"{"model": "tiny"}"#).json()["done_reason"].string == "load")
    let missing = try await server.post("/api/chat", "{\(messages)}")
    let sentence = try missing.json()["error"].string
    #expect(missing.status == 400 && sentence?.hasPrefix("The field model is missing") == true)
  }

  @Test func ollamasModels() async throws {
    let server = try await Shared.server()
    let tag = try await server.get("/api/tags").json()["models"][0]
    #expect(tag["name"].string == "tiny:latest" && tag["details"]["format"].string == "gguf")
    #expect(tag["details"]["family"].string == "llama" && tag["details"]["quantization_level"].string == "F32")
    let shown = try await server.post("/api/show", #"{"model": "tiny"}"#).json()
    #expect(shown["model_info"]["llama.embedding_length"].int == 64)
    #expect(shown["template"].string?.contains("im_start") == true)
    #expect(try await server.get("/api/version").json()["version"].string?.isEmpty == false)
    #expect(try await server.get("/api/ps").json()["models"][0]["name"].string == "tiny:latest")
  }

  @Test func responses() async throws {
    let server = try await Shared.server()
    let result = try await text(.init(messages: [Message(.system, "be brief"), Message(.user, "hello")]))
    let body =
      #""instructions": "be brief", "input": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}], "max_output_tokens": 10, "temperature": 0"#
    let json = try await server.post("/v1/responses", "{\(body)}").json()
    #expect(json["object"].string == "response")
    #expect(json["output"][0]["content"][0]["text"].string == result.text)
    #expect(json["status"].string == (result.finishReason == .stop ? "completed" : "incomplete"))
    #expect(json["usage"]["output_tokens"].int == result.tokens.count)
    let events = try await server.post("/v1/responses", "{\(body), \"stream\": true}").events()
    #expect(events.compactMap { $0["sequence_number"].int } == Array(0..<events.count))
    #expect(events.compactMap { $0["delta"].string }.joined() == result.text)
    #expect(events.last?["response"]["output"][0]["content"][0]["text"].string == result.text)
    #expect(events.last?["type"].string == "response.\(json["status"].string ?? "")")
    let kept = try await server.post("/v1/responses", #"{"input": "x", "previous_response_id": "resp_1"}"#)
    #expect(kept.status == 400)
    #expect(try kept.json()["error"]["param"].string == "previous_response_id")
  }

  @Test func theOriginalsCompletion() async throws {
    let server = try await Shared.server()
    let result = try await text(.init(text: "the tower"))
    let body = #""prompt": "the tower", "n_predict": 10, "temperature": 0"#
    let json = try await server.post("/completion", "{\(body), \"n_probs\": 2}").json()
    #expect(json["content"].string == result.text && json["stop"].bool == true)
    #expect(json["tokens_predicted"].int == result.tokens.count)
    #expect(json["tokens_evaluated"].int == result.statistics.promptTokens)
    #expect(json["stopped_limit"].bool == (result.finishReason == .length))
    #expect(json["generation_settings"]["n_predict"].int == 10 && json["prompt"].string == "the tower")
    #expect(json["completion_probabilities"].list.compactMap { $0["content"].string }.joined() == result.text)
    let first = json["completion_probabilities"][0]["probs"].list.compactMap { $0["prob"].double }
    #expect(first.count == 2 && first[0] >= first[1] && first[0] <= 1 && first[1] >= 0)
    let events = try await server.post("/completion", "{\(body), \"stream\": true}").events()
    #expect(events.compactMap { $0["content"].string }.joined() == result.text)
    #expect(events.last?["stop"].bool == true && events.last?["timings"]["predicted_n"].int == result.tokens.count)
    // llama.cpp's other way to write a bias.
    let never = try await server.post("/completion", "{\(body), \"logit_bias\": [[\(result.tokens[0]), false]]}").json()
    #expect(never["content"].string?.isEmpty == false && never["content"].string != result.text)
    let infill = try await server.post("/infill", #"{"input_prefix": "a", "input_suffix": "b"}"#)
    #expect(infill.status == 400)
  }

  @Test func tokensAndTemplates() async throws {
    let server = try await Shared.server()
    let tokenizer = try #require(server.engine).model.tokenizer
    let reply = try await server.post("/tokenize", #"{"content": "hello the <|im_end|>"}"#).json()
    let tokens = reply["tokens"].list.compactMap { $0.int.map(Int32.init) }
    #expect(tokens == tokenizer.encode("hello the <|im_end|>", addSpecial: false, parseSpecial: true))
    #expect(
      try await server.post("/detokenize", "{\"tokens\": \(tokens)}").json()["content"].string == "hello the <|im_end|>"
    )
    let pieces = try await server.post("/tokenize", #"{"content": "ü", "with_pieces": true}"#).json()["tokens"]
    #expect(pieces[0]["piece"][0].int == 0xC3 && pieces[1]["piece"][0].int == 0xBC)
    #expect(try await server.post("/detokenize", #"{"tokens": [-1]}"#).status == 400)
    let prompt = try await server.post("/apply-template", #"{"messages": [{"role": "user", "content": "hi"}]}"#).json()
    #expect(prompt["prompt"].string == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
  }

  @Test func embeddings() async throws {
    let server = try await Shared.server()
    func vectors(_ more: String) async throws -> [[Double]] {
      let json = try await server.post("/v1/embeddings", "{\"input\": [\"hello\", \"the tower\"]\(more)}").json()
      return json["data"].list.map { $0["embedding"].list.compactMap(\.double) }
    }
    let mean = try await vectors("")
    #expect(mean.count == 2 && mean.allSatisfy { $0.count == 64 })
    for vector in mean { #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5) }
    let last = try await vectors(#", "pooling": "last""#)
    #expect(last != mean)
    #expect(try await vectors(#", "pooling": "cls""#) != last)
    // The other encoding holds the same numbers.
    let coded = try await server.post(
      "/v1/embeddings", #"{"input": "hello", "encoding_format": "base64"}"#
    ).json()["data"][0]["embedding"].string
    let data = try #require(Data(base64Encoded: coded ?? ""))
    let floats = data.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    #expect(floats.map(Double.init).elementsEqual(mean[0]) { abs($0 - $1) < 1e-6 })
    let ollama = try await server.post("/api/embed", #"{"model": "tiny", "input": "hello"}"#).json()
    #expect(ollama["embeddings"][0].list.compactMap(\.double).elementsEqual(mean[0]) { abs($0 - $1) < 1e-6 })
    #expect(try await server.post("/v1/embeddings", #"{"input": ""}"#).status == 400)
    #expect(try await server.post("/v1/embeddings", #"{"input": "x", "dimensions": 3}"#).status == 400)
  }

  @Test func whatTheServerIsDoing() async throws {
    let server = try await Shared.server()
    let properties = try await server.get("/props").json()
    #expect(properties["total_slots"].int == 16 && properties["default_generation_settings"]["n_ctx"].int == 256)
    let slots = try await server.get("/slots").json()
    #expect(slots.list.count >= 16 && slots[0]["id"].int == 0)
    #expect(try await server.get("/v1/models").json()["data"][0]["id"].string == "tiny")
    #expect(try await server.get("/v1/models/tiny").json()["object"].string == "model")
    let missing = try await server.get("/v1/models/other")
    #expect(missing.status == 404)
    #expect(try missing.json()["error"]["code"].string == "model_not_found")
    _ = try await server.post("/v1/completions", #"{"prompt": "hello", "max_tokens": 3}"#)
    let metrics = try await server.get("/metrics")
    #expect(metrics.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
    for name in [
      "powerinfer_generated_tokens_total", "powerinfer_time_to_first_token_seconds_bucket{le=\"+Inf\"}",
      "powerinfer_requests_running{model=\"tiny\"}", "process_resident_memory_bytes",
    ] { #expect(metrics.text.contains("\n\(name)"), "\(name)") }
    let page = try await server.get("/")
    #expect(page.status == 200 && page.text.contains("/v1/chat/completions"))
    let head = try await server.get("/", method: "HEAD")
    #expect(head.status == 200 && head.headers["content-length"] == String(page.body.count))
  }
}
