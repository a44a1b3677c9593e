import Foundation
import NIOCore
import PowerInfer
import Testing

@testable import PowerInferServer

/// What models think, in all APIs. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct ReasoningRouteTests {
  /// Opens the reasoning, as DeepSeek-R1's and QwQ's templates do, and shows what was thought before.
  private static let template =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}"
    + "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
  private static let grammar = #""grammar": "root ::= \"<think>\\nso be\" \" it\\n</think>\\n\\nyes, sir\"""#
  private static let ask = #""messages": [{"role": "user", "content": "hello"}], "max_tokens": 80, "temperature": 0"#

  @Test func chatTellsThemApart() async throws {
    let server = try await Shared.server()
    let body = "\(Self.ask), \(Self.grammar)"
    let choice = try await server.post("/v1/chat/completions", "{\(body)}").json()["choices"][0]
    #expect(choice["message"]["reasoning_content"].string == "so be it")
    #expect(choice["message"]["content"].string == "yes, sir" && choice["finish_reason"].string == "stop")
    let deltas = try await server.post("/v1/chat/completions", "{\(body), \"stream\": true}").events()
      .map { $0["choices"][0]["delta"] }
    #expect(deltas.compactMap { $0["reasoning_content"].string }.joined() == "so be it")
    #expect(deltas.compactMap { $0["content"].string }.joined() == "yes, sir")
    // As the model wrote it, where that is asked for.
    let raw = try await server.post("/v1/chat/completions", "{\(body), \"reasoning_format\": \"none\"}").json()
    #expect(raw["choices"][0]["message"]["content"].string == "<think>\nso be it\n</think>\n\nyes, sir")
    #expect(!raw["choices"][0]["message"]["reasoning_content"].exists)
    #expect(
      try await server.post("/v1/chat/completions", "{\(body), \"reasoning_format\": \"other\"}").status == 400)
    let plain = try await TestServer(options: { $0.reasoning = .inline })
    let message = try await plain.post("/v1/chat/completions", "{\(body)}").json()["choices"][0]["message"]
    #expect(message["content"].string?.hasPrefix("<think>") == true)
  }

  /// With a template that opens the reasoning, an answer that never ends it is nothing else.
  @Test func allApisKnowThatThePromptHasOpenedIt() async throws {
    let server = try await TestServer(template: Self.template)
    let token = try #require(server.engine).model.tokenizer.decode([70])
    let bias = #""logit_bias": {"70": 100}"#
    let thought = String(repeating: token, count: 8).trimmingCharacters(in: .whitespacesAndNewlines)
    try #require(!thought.isEmpty)
    let messages = #""messages": [{"role": "user", "content": "hello"}], "max_tokens": 8"#
    let chat = try await server.post("/v1/chat/completions", "{\(messages), \(bias)}").json()["choices"][0]["message"]
    #expect(chat["reasoning_content"].string == thought && chat["content"].string == "")
    let claude = try await server.post("/v1/messages", "{\(messages), \(bias)}").json()["content"]
    #expect(claude[0]["type"].string == "thinking" && claude[0]["thinking"].string == thought)
    let events = try await server.post("/v1/messages", "{\(messages), \(bias), \"stream\": true}").events()
    #expect(events.compactMap { $0["delta"]["thinking"].string }.joined() == thought)
    let options = "\"model\": \"tiny\", \"options\": {\"num_predict\": 8, \(bias)}, \(messages)"
    let lines = try await server.post("/api/chat", "{\(options)}").lines()
    #expect(lines.compactMap { $0["message"]["thinking"].string }.joined() == thought)
    #expect(lines.compactMap { $0["message"]["content"].string }.joined() == "")
    let unseen = try await server.post("/api/chat", "{\(options), \"think\": false, \"stream\": false}").json()
    #expect(!unseen["message"]["thinking"].exists && unseen["message"]["content"].string == "")
    let generated = try await server.post(
      "/api/generate",
      "{\"model\": \"tiny\", \"prompt\": \"hello\", \"stream\": false, \"options\": {\"num_predict\": 8, \(bias)}}"
    ).json()
    #expect(generated["thinking"].string == thought && generated["response"].string == "")
    let response = try await server.post(
      "/v1/responses", "{\"input\": \"hello\", \"max_output_tokens\": 8, \(bias)}"
    ).json()["output"]
    #expect(response[0]["type"].string == "reasoning" && response[0]["content"][0]["text"].string == thought)
    #expect(response[1]["type"].string == "message" && response[1]["content"][0]["text"].string == "")
    let streamed = try await server.post(
      "/v1/responses", "{\"input\": \"hello\", \"max_output_tokens\": 8, \(bias), \"stream\": true}"
    ).events()
    #expect(streamed.compactMap { $0["sequence_number"].int } == Array(0..<streamed.count))
    #expect(
      streamed.filter { $0["type"].string == "response.reasoning_text.delta" }.compactMap { $0["delta"].string }
        .joined() == thought)
    #expect(streamed.last?["response"]["output"][0]["content"][0]["text"].string == thought)
  }

  @Test func whatWasThoughtGoesBackToTheTemplate() async throws {
    let server = try await TestServer(template: Self.template)
    let told = #"{"role": "assistant", "reasoning_content": "hm", "content": "hi"}"#
    let prompt = try await server.post(
      "/apply-template", "{\"messages\": [{\"role\": \"user\", \"content\": \"hello\"}, \(told)]}"
    ).json()["prompt"].string
    #expect(prompt?.contains("assistant\n(hm)hi<|im_end|>") == true && prompt?.hasSuffix("<think>\n") == true)
    // The same conversation in the other APIs has as many tokens.
    let length = try await server.post(
      "/v1/chat/completions",
      "{\"max_tokens\": 1, \"messages\": [{\"role\": \"user\", \"content\": \"q\"}, \(told), {\"role\": \"user\", \"content\": \"q\"}]}"
    ).json()["usage"]["prompt_tokens"].int
    let claude = try await server.post(
      "/v1/messages/count_tokens",
      #"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "hi"}]}, {"role": "user", "content": "q"}]}"#
    ).json()["input_tokens"].int
    let ollama = try await server.post(
      "/api/chat",
      #"{"model": "tiny", "stream": false, "options": {"num_predict": 1}, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "thinking": "hm", "content": "hi"}, {"role": "user", "content": "q"}]}"#
    ).json()["prompt_eval_count"].int
    let response = try await server.post(
      "/v1/responses",
      #"{"max_output_tokens": 1, "input": [{"role": "user", "content": "q"}, {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "q"}]}"#
    ).json()["usage"]["input_tokens"].int
    #expect(length != nil && claude == length && ollama == length && response == length)
  }

  /// A schema is for the answer, not for what comes before it.
  @Test func aFormHoldsOnceTheReasoningHasEnded() async throws {
    let server = try await TestServer(template: Self.template)
    let message = try await server.post(
      "/v1/chat/completions",
      "{\(Self.ask), \"logit_bias\": {\"70\": 100}, \"response_format\": {\"type\": \"json_object\"}}"
    ).json()["choices"][0]["message"]
    #expect(message["content"].string == "" && message["reasoning_content"].string?.isEmpty == false)
  }

  /// The events of a stream, made of an answer's pieces.
  @Test func blocksOfAStreamedMessage() throws {
    let text = "Hm.</think>\n\nI look.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n"
    var stream = MessageStream(
      model: "m", parser: AnswerParser(reasoning: .think, calls: .tagged), requestID: "r")
    var frames = Frames()
    try stream.take(
      .started(GenerationStart(promptTokens: 3, reusedTokens: 0, seed: 0, openReasoning: .think)), of: 0, &frames)
    for character in text { try stream.take(.text(TextPiece(text: String(character), tokens: [])), of: 0, &frames) }
    try stream.take(
      .finished(GenerationResult(text: text, tokens: [], finishReason: .stop, statistics: GenerationStatistics())),
      of: 0, &frames)
    try stream.end(&frames)
    let events = try Reply(status: 200, headers: [:], body: Array(buffer: frames.take())).events()
    let starts = events.filter { $0["type"].string == "content_block_start" }
    #expect(starts.map { $0["content_block"]["type"].string } == ["thinking", "text", "tool_use"])
    #expect(starts.map { $0["index"].int } == [0, 1, 2])
    let stops = events.filter { $0["type"].string == "content_block_stop" }
    #expect(stops.map { $0["index"].int } == [0, 1, 2])
    func all(_ name: String) -> String { events.compactMap { $0["delta"][name].string }.joined() }
    #expect(all("thinking") == "Hm." && all("text") == "I look.")
    #expect(try JSON(Array(all("partial_json").utf8))["a"].int == 1)
    #expect(events.suffix(2).first?["delta"]["stop_reason"].string == "tool_use")
  }
}
