import Foundation
import OrderedCollections
import PowerInferGGUF
import PowerInferJinja
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
