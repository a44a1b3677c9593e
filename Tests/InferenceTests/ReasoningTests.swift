import PowerInfer
import PowerInferModel
import PowerInferTestKit
import Testing

@testable import PowerInfer

/// What models think, told from what they say. The marks are those of the models' own templates and cards.
@Suite struct ReasoningTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var text: String
    var isInside = false
    var thought = ""
    var said = ""
    var testDescription: String { "\(isInside ? "…" : "")\(text.debugDescription)" }
  }

  static let cases = [
    Case(text: "<think>\nLet me see.\n</think>\n\nParis.", thought: "Let me see.", said: "Paris."),
    Case(text: "\n<think>a < b</thin</think>c", thought: "a < b</thin", said: "c"),
    Case(text: "Let me see.\n</think>\n\nParis.", isInside: true, thought: "Let me see.", said: "Paris."),
    // Models may repeat the mark that the template has written.
    Case(text: "<think>\nHm.</think>Paris.", isInside: true, thought: "Hm.", said: "Paris."),
    Case(text: "<think>\n\n</think>\n\nParis.", said: "Paris."),
    Case(text: "Paris <think>is text here</think>.", said: "Paris <think>is text here</think>."),
    Case(text: "  Paris. ", said: "  Paris. "),
    Case(text: "<thin", said: "<thin"),
    Case(text: "<think>cut\n off ", thought: "cut\n off"),
    Case(text: "cut </th", isInside: true, thought: "cut </th"),
    Case(text: "<think>a</think>\n</think>b", thought: "a", said: "</think>b"),
    Case(text: "<think>über 🧠\r\n\r\n</think>\r\né", thought: "über 🧠", said: "é"),
    Case(text: "", isInside: true), Case(text: " \n", isInside: true), Case(text: " \n", said: " \n"),
  ]

  @Test(arguments: cases) func thoughtsAreToldFromText(one: Case) {
    let scalars = Array(one.text)
    for size in 1...max(1, scalars.count) {
      var parser = ReasoningParser(isInside: one.isInside)
      var parts: [ReasoningParser.Part] = []
      for begin in stride(from: 0, to: scalars.count, by: size) {
        parts += parser.append(String(scalars[begin..<min(begin + size, scalars.count)]))
      }
      parts += parser.finish()
      let thought = parts.map { if case .reasoning(let text) = $0 { text } else { "" } }.joined()
      let said = parts.map { if case .text(let text) = $0 { text } else { "" } }.joined()
      #expect(thought == one.thought && said == one.said, "in pieces of \(size): \(parts)")
    }
  }

  @Test func promptsThatLeaveItOpen() {
    for end in ["<think>", "assistant\n<think>\n", "x<think>\n\n "] {
      #expect(ReasoningFormat.leftOpen(by: end) == .think, "\(end.debugDescription)")
    }
    #expect(ReasoningFormat.leftOpen(by: "<|START_THINKING|>")?.closing == "<|END_THINKING|>")
    for end in ["", "<think>\n\n</think>\n\n", "assistant\n", "<think>x"] {
      #expect(ReasoningFormat.leftOpen(by: end) == nil, "\(end.debugDescription)")
    }
    #expect(ReasoningFormat.shown(by: "{{ '<think>' }}") == .think && ReasoningFormat.shown(by: "{{ x }}") == nil)
    #expect(ReasoningFormat(template: "…[/THINK]…").opening == "[THINK]")
  }

  @Test func callsComeAfterThoughts() {
    var parser = AnswerParser(reasoning: .think, calls: .tagged)
    parser.begin(GenerationStart(promptTokens: 1, reusedTokens: 0, seed: 0, openReasoning: .think))
    var parts: [AnswerParser.Part] = []
    for character in "I <tool_call> it.</think>\n\nWait.<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>" {
      parts += parser.append(String(character))
    }
    let answer = ParsedAnswer(parts + parser.finish())
    #expect(answer.reasoning == "I <tool_call> it." && answer.text == "Wait.")
    #expect(answer.calls.map(\.name) == ["f"] && answer.calls.map(\.arguments) == ["{}"])
    // Left in the text where nobody wants it apart.
    let whole = ParsedAnswer("<think>a</think>b", nil, AnswerParser(reasoning: nil, calls: nil))
    #expect(whole.text == "<think>a</think>b" && whole.reasoning.isEmpty)
  }

  @Test func whatWasThoughtReachesTheTemplate() throws {
    let template = try ChatTemplate(
      source: "{% for m in messages %}{{ m.reasoning_content }}|{{ m.content }};{% endfor %}")
    let prompts = PromptRenderer(tokenizer: try GrammarTests.tokenizer.get(), template: template)
    var answer = Message(.assistant, "Paris.")
    answer.reasoning = "Hm."
    #expect(try prompts.text(of: [Message(.user, "q"), answer]) == "|q;Hm.|Paris.;")
  }
}
