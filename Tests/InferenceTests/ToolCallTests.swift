import PowerInfer
import Testing

/// Calls as the models' own templates and cards show them.
@Suite struct ToolCallTests {
  private static let call = ToolCallParser.Part.call(name: "weather", arguments: #"{"city": "Oslo", "days": [1, 2]}"#)

  struct Case: Sendable, CustomTestStringConvertible {
    let format: ToolCallFormat
    let text: String
    let parts: [ToolCallParser.Part]
    var testDescription: String { text }
  }

  static let cases = [
    Case(
      format: .tagged,
      text:
        "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": [1, 2]}}\n</tool_call>",
      parts: [.text("Let me see.\n"), call]),
    Case(
      format: .tagged,
      text:
        "<tool_call>{\"name\": \"a\", \"arguments\": {}}</tool_call>\n<tool_call>{\"name\": \"b\", \"arguments\": \"{}\"}</tool_call>",
      parts: [.call(name: "a", arguments: "{}"), .call(name: "b", arguments: "{}")]),
    Case(format: .tagged, text: "1 < 2 <tool", parts: [.text("1 < 2 <tool")]),
    Case(format: .tagged, text: "<tool_call>nonsense</tool_call>", parts: [.text("<tool_call>nonsense</tool_call>")]),
    Case(format: .tagged, text: "<tool_call>{\"name\": \"a\"}", parts: [.call(name: "a", arguments: "{}")]),
    Case(
      format: .bare, text: "\n{\"name\": \"weather\", \"parameters\": {\"city\": \"Oslo\", \"days\": [1, 2]}}",
      parts: [call]),
    Case(format: .bare, text: "{\"city\": 1}", parts: [.text("{\"city\": 1}")]),
    Case(format: .bare, text: "Hello {", parts: [.text("Hello {")]),
    Case(
      format: .listed,
      text: "[TOOL_CALLS] [{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": [1, 2]}}]",
      parts: [call]),
    Case(format: .listed, text: "[TOOL_CALLS] [5]", parts: [.text("[TOOL_CALLS] [5]")]),
    Case(format: .listed, text: "[TO", parts: [.text("[TO")]),
    Case(
      format: .generic,
      text: "{\"tool_call\": {\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\", \"days\": [1, 2]}}}",
      parts: [call]),
    Case(format: .generic, text: "{\"response\": \"It is \\\"warm\\\".\"}", parts: [.text("It is \"warm\".")]),
    Case(format: .generic, text: "{\"response\": \"cut", parts: [.text("{\"response\": \"cut")]),
    // Arguments that are a text have to be the text of an object.
    Case(
      format: .bare, text: "{\"name\": \"a\", \"parameters\": \"b\"}",
      parts: [.text("{\"name\": \"a\", \"parameters\": \"b\"}")]),
  ]

  @Test(arguments: cases) func callsAreToldFromText(one: Case) {
    let scalars = Array(one.text)
    // Whole, and in pieces of every size.
    for size in 1...scalars.count {
      var parser = ToolCallParser(format: one.format)
      var parts: [ToolCallParser.Part] = []
      for begin in stride(from: 0, to: scalars.count, by: size) {
        parts += parser.append(String(scalars[begin..<min(begin + size, scalars.count)]))
      }
      parts += parser.finish()
      #expect(joined(parts) == one.parts, "in pieces of \(size)")
    }
  }

  /// Neighbouring texts as one.
  private func joined(_ parts: [ToolCallParser.Part]) -> [ToolCallParser.Part] {
    parts.reduce(into: []) { all, part in
      if case .text(let text) = part, case .text(let before)? = all.last {
        all[all.count - 1] = .text(before + text)
      } else {
        all.append(part)
      }
    }
  }

  @Test func templatesTellTheFormat() {
    #expect(ToolCallFormat(template: "…<tool_call>…") == .tagged)
    #expect(ToolCallFormat(template: "[TOOL_CALLS] …") == .listed)
    #expect(ToolCallFormat(template: "{{ messages }}") == .bare)
  }
}
