import Foundation
import OrderedCollections
import PowerInferGGUF
import PowerInferJinja
import PowerInferTestKit
import Testing

@testable import PowerInferModel

@Suite struct ChatTemplateTests {
  private let turns: [ChatMessage] = [.system("Be brief."), .user("Hi"), .assistant("Hello"), .user("Bye")]

  @Test func rendersTheCommonForm() throws {
    let template = try ChatTemplate(source: ChatTemplate.chatML)
    #expect(
      try template.render(messages: [.user("Hi")])
        == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    #expect(
      try template.render(messages: turns, addGenerationPrompt: false)
        == """
        <|im_start|>system
        Be brief.<|im_end|>
        <|im_start|>user
        Hi<|im_end|>
        <|im_start|>assistant
        Hello<|im_end|>
        <|im_start|>user
        Bye<|im_end|>

        """)
  }

  private struct BuiltInCase: Decodable {
    struct Message: Decodable {
      var role: String
      var content: String
    }
    var opens: Bool
    var messages: [Message]
    var text: String
  }

  /// The prompts are llama.cpp's; see Scripts/golden_templates.py.
  @Test func builtInTemplatesGiveTheSamePromptsAsLlamaCpp() throws {
    let golden = try Golden.json([String: [BuiltInCase]].self, "built-in-templates.json", in: .module)
    #expect(Set(golden.keys).union(["alpaca"]) == Set(ChatTemplate.builtInNames))
    #expect(ChatTemplate.builtInNames == ChatTemplate.builtInNames.sorted() && golden.count == 54)
    for (name, cases) in golden {
      let template = try ChatTemplate(source: #require(ChatTemplate.builtIn(name)))
      for golden in cases {
        let messages = golden.messages.map { ChatMessage(role: $0.role, content: $0.content) }
        let text = try template.render(messages: messages, addGenerationPrompt: golden.opens)
        #expect(text == golden.text, "\(name)")
      }
    }
  }

  /// The prompt that Alpaca was trained with.
  @Test func alpacasPrompt() throws {
    let template = try ChatTemplate(source: #require(ChatTemplate.builtIn("alpaca")), eosToken: "</s>")
    #expect(
      try template.render(messages: [.user("Name a colour.")])
        == """
        Below is an instruction that describes a task. Write a response that appropriately completes the request.

        ### Instruction:
        Name a colour.

        ### Response:

        """)
  }

  @Test func rolesOfBuiltInTemplatesMakeTokens() throws {
    for name in ["phi3", "zephyr", "chatml", "falcon3"] {
      let template = try ChatTemplate(source: #require(ChatTemplate.builtIn(name)))
      let prompt = try template.rendered(messages: [.user("<|user|><|im_end|>")])
      let opening = name == "chatml" ? "<|im_start|>user" : "<|user|>"
      #expect(prompt.text.hasPrefix(opening) && prompt.isTrusted(0..<opening.utf8.count), "\(name)")
      #expect(!prompt.isTrusted(opening.utf8.count + 1..<opening.utf8.count + 9), "\(name)")
    }
  }

  @Test func aTemplateIsGivenByNameOrAsText() throws {
    #expect(try ChatTemplate.source(named: "chatml") == ChatTemplate.builtIn("chatml"))
    #expect(try ChatTemplate.source(named: "{{ messages }}") == "{{ messages }}")
    let error = #expect(throws: ChatTemplateError.self) { try ChatTemplate.source(named: "chatlm") }
    #expect(
      error?.description.hasPrefix(
        "There is no chat template of the name \"chatlm\", and it is not the text of one; known are alpaca, bailing, ")
        == true)
  }

  @Test func blankTemplatesCountAsNone() throws {
    var metadata = Metadata()
    metadata.set("tokenizer.chat_template", .string(" \n"))
    let error = #expect(throws: ChatTemplateError.self) { try ChatTemplate(metadata: metadata) }
    #expect(error == .missing)
    metadata.set("tokenizer.chat_template.tool_use", .string(""))
    metadata.set("tokenizer.chat_template", .string("x"))
    #expect(try ChatTemplate(metadata: metadata, variant: "tool_use").source == "x")
  }

  @Test func tokensOutsideTheVocabularyCountAsNone() throws {
    var metadata = Metadata()
    metadata.set("tokenizer.ggml.model", .string("llama"))
    metadata.set("tokenizer.ggml.tokens", .array(MetadataArray(["<unk>", "<s>", "</s>"])))
    metadata.set("tokenizer.ggml.eos_token_id", .uint32(99999))
    metadata.set("tokenizer.ggml.bos_token_id", .int32(-1))
    metadata.set("tokenizer.ggml.unknown_token_id", .uint32(.max))
    metadata.set("tokenizer.chat_template", .string("{{ bos_token }}|{{ eos_token }}"))
    #expect(try ChatTemplate(metadata: metadata).render(messages: []) == "|")
    let tokenizer = try Tokenizer(metadata: metadata)
    #expect(tokenizer.eos == 2)
    #expect(
      tokenizer.remarks == [
        "Metadata key \"tokenizer.ggml.eos_token_id\" is 99999, but the vocabulary has 3 tokens; it counts as absent."
      ])
  }

  @Test func passesWhatTemplatesExpect() throws {
    let template = try ChatTemplate(
      source: "{{ bos_token }}{{ tools is none }}{{ documents }}{{ add_generation_prompt }}{{ mood }}{{ eos_token }}",
      bosToken: "<s>", eosToken: "</s>")
    #expect(try template.render(messages: [], extra: ["mood": "fine"]) == "<s>TrueNoneTruefine</s>")
  }

  @Test func handsOverToolsAndCalls() throws {
    let template = try ChatTemplate(
      source: "{{ tools[0] | tojson }}{% for c in messages[0].tool_calls %}{{ c.function.name }}{% endfor %}")
    let call = ChatMessage(
      role: "assistant", content: .none, extras: ["tool_calls": [["function": ["name": "now"]]]])
    #expect(
      try template.render(messages: [call], tools: [["type": "function", "b": 1, "a": 2]])
        == #"{"type": "function", "b": 1, "a": 2}now"#)
  }

  @Test func saysWhatTheTemplateSays() throws {
    let template = try ChatTemplate(
      source: "{% if messages[0].role == 'system' %}{{ raise_exception('No system role here') }}{% endif %}ok")
    #expect(try template.render(messages: [.user("x")]) == "ok")
    let error = #expect(throws: JinjaError.self) { try template.render(messages: [.system("x")]) }
    #expect(error?.kind == .raised)
    #expect(error?.message == "No system role here")
  }

  @Test func showsTheClocksDate() throws {
    let template = try ChatTemplate(source: "{{ strftime_now('%d %b %Y') }}")
    let clock = Clock.fixed(Date(timeIntervalSince1970: 1_741_529_107))
    #expect(try template.render(messages: [], clock: clock) == "09 Mar 2025")
  }

  @Test func readsTheModelsTemplate() throws {
    var metadata = Metadata()
    #expect(throws: ChatTemplateError.missing) { try ChatTemplate(metadata: metadata) }
    #expect(ChatTemplateError.missing.description.hasPrefix("The model has no chat template"))
    metadata.set("tokenizer.chat_template", .string("{{ bos_token }}plain{{ eos_token }}"))
    metadata.set("tokenizer.chat_template.tool_use", .string("tools"))
    #expect(try ChatTemplate(metadata: metadata).render(messages: []) == "plain")
    #expect(try ChatTemplate(metadata: metadata, variant: "tool_use").render(messages: []) == "tools")
    #expect(try ChatTemplate(metadata: metadata, variant: "other").render(messages: []) == "plain")
  }

  @Test func readsMessagesFromJSON() throws {
    let messages = try ChatMessage.list(json: #"[{"role": "user", "content": "Hi", "name": "Ada"}, {"role": "tool"}]"#)
    #expect(
      messages == [
        ChatMessage(role: "user", content: "Hi", extras: ["name": "Ada"]), ChatMessage(role: "tool", content: .none),
      ])
    #expect(throws: ChatTemplateError.notAMessage(position: 2)) {
      try ChatMessage.list(json: #"[{"role": "user"}, {"content": "x"}]"#)
    }
    #expect(throws: ChatTemplateError.notAList) { try ChatMessage.list(json: #"{"role": "user"}"#) }
    #expect(
      ChatTemplateError.notAMessage(position: 2).description
        == "Expected message 2 to be an object with the text 'role', found another value.")
  }
}
