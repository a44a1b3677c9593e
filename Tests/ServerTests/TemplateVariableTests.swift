import PowerInfer
import Testing

/// What requests tell the chat template, in all APIs. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct TemplateVariableTests {
  /// Has both names of the switch for thinking, and a variable of its own.
  private static let template =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    + "{% if add_generation_prompt %}<|im_start|>assistant\n{{ mood }}"
    + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    + "{% if thinking is defined and thinking %}<think>\n{% endif %}{% endif %}"
  private static let ask = #""messages": [{"role": "user", "content": "hello"}]"#
  private static let server = Task { try await TestServer(template: template) }

  private func prompt(_ fields: String) async throws -> String {
    let reply = try await Self.server.value.post("/apply-template", "{\(Self.ask)\(fields)}")
    let text = try #require(try reply.json()["prompt"].string)
    return text.replacing("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n", with: "…")
  }

  @Test func llamasVariablesReachTheTemplate() async throws {
    #expect(try await prompt("") == "…")
    let (off, on) = ("…<think>\n\n</think>\n\n", "…<think>\n")
    #expect(try await prompt(#", "enable_thinking": false"#) == off)
    #expect(try await prompt(#", "enable_thinking": true"#) == on)
    #expect(try await prompt(#", "chat_template_kwargs": {"enable_thinking": false}"#) == off)
    // The more particular wins.
    #expect(
      try await prompt(#", "enable_thinking": true, "chat_template_kwargs": {"enable_thinking": false}"#) == off)
    #expect(
      try await prompt(#", "chat_template_kwargs": {"enable_thinking": false, "thinking": true}"#)
        == off + "<think>\n")
    #expect(try await prompt(#", "chat_template_kwargs": {"mood": {"b": [1, "ü"], "a": null}}"#).contains("'ü'"))
    #expect(try await prompt(#", "enable_thinking": null, "chat_template_kwargs": null"#) == "…")
  }

  /// The number of a prompt's tokens shows what the template was told.
  @Test func allApisHaveTheSwitch() async throws {
    let server = try await Self.server.value
    let tokenizer = try #require(server.engine).model.tokenizer
    func count(_ fields: String) async throws -> Int {
      // Control tokens count here as they do in prompts.
      let reply = try await server.post("/apply-template", "{\(Self.ask)\(fields)}").json()["prompt"].string
      return tokenizer.encode(try #require(reply), addSpecial: false, parseSpecial: true).count
    }
    let plain = try await count("")
    for flag in [false, true] {
      let length = try await count(", \"enable_thinking\": \(flag)")
      #expect(length != plain)
      let chat = try await server.post(
        "/v1/chat/completions",
        "{\(Self.ask), \"max_tokens\": 1, \"chat_template_kwargs\": {\"enable_thinking\": \(flag)}}")
      #expect(try chat.json()["usage"]["prompt_tokens"].int == length)
      let response = try await server.post(
        "/v1/responses", "{\"input\": \"hello\", \"max_output_tokens\": 1, \"enable_thinking\": \(flag)}")
      #expect(try response.json()["usage"]["input_tokens"].int == length)
      let thinking = "\"thinking\": {\"type\": \"\(flag ? "enabled" : "disabled")\", \"budget_tokens\": 1024}"
      let counted = try await server.post("/v1/messages/count_tokens", "{\(Self.ask), \(thinking)}")
      #expect(try counted.json()["input_tokens"].int == length)
      let usage = try await server.post("/v1/messages", "{\(Self.ask), \"max_tokens\": 1, \(thinking)}").json()["usage"]
      #expect((usage["input_tokens"].int ?? 0) + (usage["cache_read_input_tokens"].int ?? 0) == length)
      let options = #""model": "tiny", "stream": false, "options": {"num_predict": 1}"#
      let ollama = try await server.post("/api/chat", "{\(Self.ask), \(options), \"think\": \(flag)}")
      #expect(try ollama.json()["prompt_eval_count"].int == length)
      let generated = try await server.post("/api/generate", "{\"prompt\": \"hello\", \(options), \"think\": \(flag)}")
      #expect(try generated.json()["prompt_eval_count"].int == length)
    }
    let word = #""model": "tiny", "stream": false, "think": "high", "options": {"num_predict": 1}"#
    #expect(
      try await server.post("/api/chat", "{\(Self.ask), \(word)}").json()["prompt_eval_count"].int
        == count(#", "enable_thinking": true"#))
  }

  /// A variable's text is text: it cannot open a turn of its own.
  @Test func variablesSpellNoControlTokens() async throws {
    let server = try await Self.server.value
    func count(_ mood: String) async throws -> Int {
      let body = "{\(Self.ask), \"max_tokens\": 1, \"chat_template_kwargs\": {\"mood\": \"\(mood)\"}}"
      return try #require(
        try await server.post("/v1/chat/completions", body).json()["usage"]["prompt_tokens"].int)
    }
    let tokenizer = try #require(server.engine).model.tokenizer
    let spelt = tokenizer.encode("<|im_end|>", addSpecial: false, parseSpecial: false).count
    #expect(try await count("<|im_end|>") == count("") + spelt)
    #expect(spelt > 1)
  }

  @Test(arguments: [
    ("/v1/chat/completions", #""enable_thinking": "no""#, "enable_thinking"),
    ("/v1/chat/completions", #""chat_template_kwargs": 5"#, "as an object"),
    ("/v1/chat/completions", #""chat_template_kwargs": ["a"]"#, "as an object"),
    ("/v1/chat/completions", #""chat_template_kwargs": {"enable_thinking": "false"}"#, "enable_thinking"),
    ("/v1/chat/completions", #""chat_template_kwargs": {"messages": []}"#, "messages"),
    ("/v1/responses", #""input": "x", "chat_template_kwargs": {"tools": []}"#, "tools"),
    ("/apply-template", #""chat_template_kwargs": "x""#, "as an object"),
    ("/v1/messages", #""max_tokens": 1, "thinking": {"type": "off"}"#, "thinking.type"),
    ("/v1/messages", #""max_tokens": 1, "thinking": true"#, "thinking"),
    ("/v1/messages", #""max_tokens": 1, "thinking": {"type": "enabled", "budget_tokens": "x"}"#, "budget_tokens"),
    ("/api/chat", #""model": "tiny", "think": 5"#, "think"),
    ("/api/chat", #""model": "tiny", "think": "much""#, "think"),
  ]) func aWrongTypeIsASentence(path: String, fields: String, word: String) async throws {
    let reply = try await Self.server.value.post(path, "{\(Self.ask), \(fields)}")
    let error = try reply.json()["error"]
    let message = error["message"].string ?? error.string
    #expect(reply.status == 400 && message?.contains(word) == true, "\(message ?? "")")
    if path == "/v1/messages" { #expect(error["type"].string == "invalid_request_error") }
  }
}
