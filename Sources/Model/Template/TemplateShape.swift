import OrderedCollections
import PowerInferJinja

/// What a template makes of the parts of a conversation, found out by rendering small ones. Templates do not say it, and leave out in
/// silence what they do not read.
public struct TemplateShape: Sendable, Equatable {
  /// Whether a message's text must come as a list with a part of the type `text`; otherwise as it is.
  public var wantsParts = false
  /// Whether a system message at the start is shown.
  public var showsSystem = true
  /// Whether descriptions of tools are shown.
  public var showsTools = true
  /// Whether calls of tools, and then their results, are shown.
  public var showsToolCalls = true
  public var showsToolResults = true

  /// One that shows everything, and takes texts as they are.
  public init() {}

  init(probing template: ChatTemplate) {
    func shows(_ text: String, _ messages: [ChatMessage], tools: [Value]? = nil) -> Bool {
      let shaped = messages.map { wantsParts ? $0.withParts : $0 }
      guard let prompt = try? template.render(messages: shaped, tools: tools) else { return false }
      return prompt.contains(text)
    }
    let user = ChatMessage.user("probe0user")
    if !shows("probe0user", [user]) {
      wantsParts = true
      guard shows("probe0user", [user]) else {
        // It does not even show what a user says; what it is for is its author's business.
        wantsParts = false
        return
      }
    }
    showsSystem = shows("probe0system", [.system("probe0system"), user])
    let tool: Value = [
      "type": "function",
      "function": [
        "name": "probe0tool", "description": "A tool.", "parameters": ["type": "object", "properties": [:]],
      ],
    ]
    showsTools = shows("probe0tool", [user], tools: [tool])
    // Some templates want nine letters and digits for a call's name.
    let call = ChatMessage(
      role: "assistant", content: .none,
      extras: [
        "tool_calls": [
          ["id": "probe0001", "type": "function", "function": ["name": "probe0call", "arguments": [:]]]
        ]
      ])
    let result = ChatMessage(
      role: "tool", content: "probe0result", extras: ["tool_call_id": "probe0001", "name": "probe0call"])
    showsToolCalls = shows("probe0call", [user, call, result], tools: [tool])
    showsToolResults = shows("probe0result", [user, call, result], tools: [tool])
  }
}

extension ChatTemplate {
  /// A conversation in the shape that this template takes, and sentences about what had to be changed or will not be shown.
  ///
  /// A system message that would be left out goes before the message after it, as llama.cpp does it; results of tools become
  /// a user's messages, and calls text.
  public func adapted(
    _ messages: [ChatMessage], hasTools: Bool = false, to shape: TemplateShape
  ) -> (messages: [ChatMessage], remarks: [String]) {
    var (messages, remarks) = (messages, [String]())
    if !shape.showsSystem, let system = messages.first, system.role == "system", let text = system.text {
      if messages.count > 1, let next = messages[1].text {
        messages[1].content = .string(text + "\n" + next)
        remarks.append("The chat template takes no system message: its text goes before the next message.")
      } else {
        remarks.append("The chat template takes no system message: it is left out.")
      }
      messages.removeFirst()
    }
    if hasTools, !shape.showsTools {
      remarks.append("The chat template shows no tools: this prompt has no word of them.")
    }
    for index in messages.indices {
      if !shape.showsToolCalls, let calls = messages[index].extras.removeValue(forKey: "tool_calls") {
        let json = try? ChatTemplate(source: "{{ calls | tojson }}").render(messages: [], extra: ["calls": calls])
        let text = [messages[index].text ?? "", json ?? ""].filter { !$0.isEmpty }.joined(separator: "\n")
        messages[index].content = .string(text)
        remarks.append("The chat template shows no calls of tools: they are given as text.")
      }
      if !shape.showsToolResults, messages[index].role == "tool" {
        messages[index].role = "user"
        remarks.append("The chat template shows no results of tools: they are given as a user's messages.")
      }
      messages[index] = shape.wantsParts ? messages[index].withParts : messages[index].withText
    }
    var seen = Set<String>()
    return (messages, remarks.filter { seen.insert($0).inserted })
  }

  /// Sentences about messages of the user and the system whose text is not in the prompt that was made of them.
  public func omissions(of messages: [ChatMessage], from prompt: String) -> [String] {
    let prompt = Array(prompt.utf8)
    return messages.enumerated().compactMap { index, message in
      guard ["user", "system"].contains(message.role), let text = message.withText.text else { return nil }
      // Templates trim texts, and may escape what is in them; a beginning of letters tells.
      let start = text.drop(while: \.isWhitespace).prefix { $0.isLetter || $0.isNumber || $0 == " " }
      guard !start.isEmpty, !contains(prompt, Array(start.utf8.prefix(256))) else { return nil }
      return "The chat template leaves out the text of message \(index + 1) (\(message.role))."
    }
  }

  private func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
    guard let first = part.first, part.count <= text.count else { return part.isEmpty }
    var start = 0
    while let found = text[start...(text.count - part.count)].firstIndex(of: first) {
      if text[found..<found + part.count].elementsEqual(part) { return true }
      start = found + 1
      if start > text.count - part.count { return false }
    }
    return false
  }
}

extension ChatMessage {
  /// The content where it is a text.
  var text: String? { content.text }

  /// The same with the text as a list of one part.
  var withParts: ChatMessage {
    guard let text else { return self }
    var message = self
    message.content = [["type": "text", "text": .string(text)]]
    return message
  }

  /// The same with a list of nothing but texts as one, each on its line.
  var withText: ChatMessage {
    guard let parts = content.elements else { return self }
    var texts: [String] = []
    for part in parts {
      guard part.entries?["type"]?.text == "text", let text = part.entries?["text"]?.text else { return self }
      texts.append(text)
    }
    var message = self
    message.content = .string(texts.joined(separator: "\n"))
    return message
  }
}
