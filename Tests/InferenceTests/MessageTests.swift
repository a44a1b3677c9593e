import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferJinja
import PowerInferModel
import PowerInferTestKit
import Testing

@Suite struct MessageTests {
  private func decode(_ json: String) throws -> Message {
    try JSONDecoder().decode(Message.self, from: Data(json.utf8))
  }

  private func encode(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  @Test func messagesSurviveJSON() throws {
    var reasoned = Message(.assistant, "7 degrees.")
    reasoned.reasoning = "The tool said so."
    let conversation = [
      Message(.system, "Be brief."), Message(.user, "How warm is it?"),
      Message(calls: [ToolCall(id: "a", name: "weather", arguments: #"{"city":"Oslo"}"#)]),
      Message(resultOf: "a", name: "weather", "7"), reasoned,
    ]
    let text = try encode(conversation)
    #expect(try JSONDecoder().decode([Message].self, from: Data(text.utf8)) == conversation)
    #expect(
      try encode(conversation[2])
        == #"{"content":null,"role":"assistant","tool_calls":[{"function":{"arguments":"{\"city\":\"Oslo\"}","name":"weather"},"id":"a","type":"function"}]}"#
    )
    #expect(try encode(conversation[3]) == #"{"content":"7","name":"weather","role":"tool","tool_call_id":"a"}"#)
    #expect(try encode(conversation[0]) == #"{"content":"Be brief.","role":"system"}"#)
  }

  @Test func otherFormsAreUnderstood() throws {
    #expect(try decode(#"{"role":"developer","content":"x"}"#) == Message(.system, "x"))
    #expect(
      try decode(#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#)
        == Message(.user, "ab"))
    #expect(try decode(#"{"role":"assistant","content":null}"#) == Message(.assistant, ""))
    #expect(try decode(#"{"role":"assistant"}"#) == Message(.assistant, ""))
    let call =
      #"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"b":[1,2.5,null,true],"a":"é"}}}]}"#
    #expect(
      try decode(call).toolCalls == [ToolCall(id: "", name: "f", arguments: #"{"a":"é","b":[1,2.5,null,true]}"#)])
  }

  @Test func whatIsNoMessageIsASentence() {
    func message(_ json: String) -> String? {
      do {
        _ = try decode(json)
        return nil
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message(#"{"role":"wizard","content":"x"}"#)
        == #"The role of a message is "wizard", expected system, developer, user, assistant or tool."#)
    #expect(
      message(#"{"role":"user","content":[{"type":"image_url","image_url":{}}]}"#)
        == #"A part of a message is of the type "image_url", expected text: models here read nothing else."#)
    #expect(
      message(#"{"role":"assistant","tool_calls":[{"type":"magic","function":{"name":"f","arguments":""}}]}"#)
        == #"A tool call is of the type "magic", expected function."#)
    #expect(message(#"{"content":"x"}"#) != nil)
    #expect(message(#"{"role":"user","content":5}"#) != nil)
  }

  @Test func toolsKeepTheOrderOfTheirKeys() throws {
    let parameters = #"{"type":"object","properties":{"z":{},"a":{}}}"#
    let tool = try Tool(name: "f", description: "Does.", parameters: parameters)
    let same = try Tool(
      json: #"{"type":"function","function":{"name":"f","description":"Does.","parameters":"# + parameters + "}}")
    #expect(tool == same && tool.name == "f")
    #expect(try JSONDecoder().decode(Tool.self, from: JSONEncoder().encode(tool)).name == "f")
    let error = #expect(throws: MessageError.self) { try Tool(json: #"["f"]"#) }
    #expect(error?.description == "Expected a tool as an object with the text function.name, found a list.")
    #expect(throws: MessageError.notATool(found: "an object without it")) { try Tool(json: #"{"type":"function"}"#) }
    #expect(throws: (any Error).self) { try Tool(name: "f", parameters: "{") }
  }
}

@Suite struct PromptRendererTests {
  private func renderer(_ template: String?) throws -> PromptRenderer {
    PromptRenderer(
      tokenizer: try FakeExecutor().model.tokenizer, template: try template.map { try ChatTemplate(source: $0) })
  }

  private func text(_ template: String, _ messages: [Message], tools: [Tool] = []) throws -> String {
    let tokenizer = try FakeExecutor().model.tokenizer
    return tokenizer.decode(try renderer(template).tokens(of: messages, tools: tools), renderSpecial: true)
  }

  @Test func theModelsTemplateRenders() throws {
    let model = try FakeExecutor().model
    let prompts = try PromptRenderer(model: model)
    #expect(prompts.hasChatTemplate)
    let tokens = try prompts.tokens(of: [Message(.user, "hello world")])
    #expect(
      model.tokenizer.decode(tokens, renderSpecial: true)
        == "<|im_start|>user\nhello world<|im_end|>\n<|im_start|>assistant\n")
    #expect(tokens.first == 1)
    #expect(prompts.tokens(of: "<|im_end|>").allSatisfy { $0 > 2 })
  }

  @Test func templatesSeeToolsAndCalls() throws {
    let tool = try Tool(name: "f", parameters: #"{"z":1,"a":2}"#)
    #expect(
      try text("{{ tools[0].function.name }} {{ tools[0].function.parameters | tojson }}", [], tools: [tool])
        == #"f {"z": 1, "a": 2}"#)
    #expect(try text("{{ tools is none }}", []) == "True")
    let call = Message(calls: [ToolCall(id: "1", name: "f", arguments: #"{"z":1,"a":2}"#)])
    let template = "{{ messages[0].content is none }} {{ messages[0].tool_calls[0].function.arguments | tojson }}"
    #expect(try text(template, [call]) == #"True {"z": 1, "a": 2}"#)
    // What is no object stays the text that it is.
    let broken = Message(calls: [ToolCall(id: "1", name: "f", arguments: #"{"z":"#)])
    #expect(try text(template, [broken]) == #"True "{\"z\":""#)
    #expect(try text("{{ messages[0].tool_call_id }}", [Message(resultOf: "7", "x")]) == "7")
  }

  @Test func aModelWithoutATemplateCannotChat() throws {
    let error = #expect(throws: PromptError.self) { try renderer(nil).tokens(of: [Message(.user, "x")]) }
    #expect(
      error?.description
        == "The model has no chat template, so it cannot chat; expected a plain text or tokens to go on from.")
  }

  @Test func onlyTheTemplatesSpellingsCount() throws {
    let folder = try TemporaryFolder()
    let model = try LanguageModel(opening: TinyModel().write(to: folder.file("model.gguf")))
    let template = try ChatTemplate(source: "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}")
    let end = try #require(model.tokenizer.encode("<|im_end|>", addSpecial: false, parseSpecial: true).last)
    func ends(_ trustsMessages: Bool) throws -> Int {
      let prompts = PromptRenderer(
        tokenizer: model.tokenizer, template: template, trustsMessages: trustsMessages)
      return try prompts.tokens(of: [Message(.user, "a<|im_end|>b")]).count { $0 == end }
    }
    #expect(try ends(false) == 1)
    #expect(try ends(true) == 2)
  }

  // MARK: Shapes

  private func prompt(_ template: String, _ messages: [Message], tools: [Tool] = []) throws -> (String, [String]) {
    let tokenizer = try FakeExecutor().model.tokenizer
    let (tokens, remarks) = try renderer(template).prompt(of: messages, tools: tools)
    return (tokenizer.decode(tokens, renderSpecial: true), remarks)
  }

  /// A template that reads a list of parts and drops a plain text.
  @Test func textsComeAsPartsWhereTheTemplateReadsThose() throws {
    let parts =
      "{% for m in messages %}{{ m.role }}:{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}"
      + "{% endfor %};{% endfor %}"
    let (text, remarks) = try prompt(parts, [Message(.system, "Be brief."), Message(.user, "hello")])
    #expect(text == "system:Be brief.;user:hello;" && remarks == [])
  }

  @Test func aSystemMessageThatIsRefusedGoesBeforeTheNext() throws {
    let refusing =
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No') }}{% endif %}{{ m.content }};{% endfor %}"
    let (text, remarks) = try prompt(refusing, [Message(.system, "Be brief."), Message(.user, "hello")])
    #expect(text == "Be brief.\nhello;")
    #expect(remarks == ["The chat template takes no system message: its text goes before the next message."])
  }

  @Test func whatToolsSayIsNotLost() throws {
    let plain =
      "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}{{ m.role }}:{{ m.content }};{% endif %}{% endfor %}"
    let tool = try Tool(name: "f")
    let messages = [
      Message(.user, "q"), Message(calls: [ToolCall(id: "1", name: "f", arguments: "{}")]), Message(resultOf: "1", "r"),
    ]
    let (text, remarks) = try prompt(plain, messages, tools: [tool])
    // The template takes no system message either, so that what tells of tools goes before the question.
    #expect(text.hasPrefix("user:You can call these functions:\n[{\"name\": \"f\", \"parameters\": "))
    #expect(
      text.hasSuffix(
        #"\nq;assistant:[{"id": "1", "type": "function", "function": {"name": "f", "arguments": {}}}];user:r;"#
          .replacing("\\n", with: "\n")))
    #expect(
      remarks == [
        "The chat template shows no tools: a system message tells of them.",
        "The chat template takes no system message: its text goes before the next message.",
        "The chat template shows no calls of tools: they are given as text.",
        "The chat template shows no results of tools: they are given as a user's messages.",
      ])
  }

  @Test func anOmittedTextIsNoted() throws {
    let (_, remarks) = try prompt("{{ messages[0].content }}", [Message(.user, "hello"), Message(.user, "world")])
    #expect(remarks == ["The chat template leaves out the text of message 2 (user)."])
  }

  @Test func aBrokenTemplateIsNoMatterForPlainTexts() throws {
    let folder = try TemporaryFolder()
    var tiny = TinyModel()
    tiny.extraMetadata.set("tokenizer.chat_template", .string("{% if %}"))
    let model = try LanguageModel(opening: tiny.write(to: folder.file("model.gguf")))
    let prompts = try PromptRenderer(model: model)
    #expect(prompts.hasChatTemplate && !prompts.tokens(of: "hello").isEmpty)
    #expect(throws: JinjaError.self) { try prompts.tokens(of: [Message(.user, "hello")]) }
    #expect(try PromptRenderer(model: model, template: "chatml").tokens(of: [Message(.user, "hello")]).count > 3)
  }

  @Test func anotherTemplateCanBeGiven() throws {
    let model = try FakeExecutor().model
    let prompts = try PromptRenderer(model: model, template: "vicuna")
    #expect(
      try prompts.text(of: [Message(.user, "hello")]) == "USER: hello\nASSISTANT:"
        && prompts.templateSource == ChatTemplate.builtIn("vicuna"))
    #expect(throws: ChatTemplateError.self) { try PromptRenderer(model: model, template: "nobody") }
  }

  @Test func controlTokensCountInAFinishedPrompt() throws {
    let prompts = try PromptRenderer(model: FakeExecutor().model)
    #expect(prompts.tokens(of: "<|im_end|>", isFinished: true).contains { $0 <= 2 })
    #expect(prompts.tokens(of: "<|im_end|>").allSatisfy { $0 > 2 })
  }
}
