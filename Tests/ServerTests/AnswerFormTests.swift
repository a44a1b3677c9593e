import Foundation
import Testing

/// Answers that keep to a form, through all APIs. The model is random: left alone, it writes nothing that fits. The limits on time
/// are for hangs.
@Suite(.timeLimit(.minutes(5))) struct AnswerFormTests {
  private static let messages = #""messages": [{"role": "user", "content": "hello"}], "seed": 3, "max_tokens": 150"#
  private static let schema =
    #"{"type": "object", "properties": {"z": {"enum": ["p", "q"]}, "a": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["z", "a"]}"#

  private func expectFits(_ text: String?) throws {
    let text = try #require(text)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    #expect(["p", "q"].contains(object["z"] as? String) && (1...9).contains(object["a"] as? Int ?? 0), "\(text)")
    // Members come as the schema has them.
    let first = try #require(text.range(of: "\"z\"")).lowerBound
    let second = try #require(text.range(of: "\"a\"")).lowerBound
    #expect(first < second)
  }

  @Test func chatKeepsToASchema() async throws {
    let server = try await Shared.server()
    let format =
      "\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"x\", \"schema\": \(Self.schema)}}"
    let json = try await server.post("/v1/chat/completions", "{\(Self.messages), \(format)}").json()
    try expectFits(json["choices"][0]["message"]["content"].string)
    #expect(json["choices"][0]["finish_reason"].string == "stop")
    let events = try await server.post("/v1/chat/completions", "{\(Self.messages), \(format), \"stream\": true}")
      .events()
    try expectFits(events.compactMap { $0["choices"][0]["delta"]["content"].string }.joined())
  }

  @Test func otherApisKeepToFormsToo() async throws {
    let server = try await Shared.server()
    let response = try await server.post(
      "/v1/responses",
      "{\"input\": \"hello\", \"seed\": 3, \"max_output_tokens\": 150, \"text\": {\"format\": {\"type\": \"json_schema\", \"name\": \"x\", \"schema\": \(Self.schema)}}}"
    ).json()
    try expectFits(response["output"][0]["content"][0]["text"].string)
    #expect(response["text"]["format"]["type"].string == "json_schema")
    let options = #""model": "tiny", "stream": false, "options": {"seed": 3, "num_predict": 150}"#
    let chat = try await server.post(
      "/api/chat",
      "{\(options), \"messages\": [{\"role\": \"user\", \"content\": \"hello\"}], \"format\": \(Self.schema)}"
    ).json()
    try expectFits(chat["message"]["content"].string)
    let generated = try await server.post(
      "/api/generate", "{\(options), \"prompt\": \"hello\", \"format\": \(Self.schema)}"
    ).json()
    try expectFits(generated["response"].string)
    let completed = try await server.post(
      "/completion", "{\"prompt\": \"hello\", \"seed\": 3, \"n_predict\": 150, \"json_schema\": \(Self.schema)}"
    ).json()
    try expectFits(completed["content"].string)
    let word = try await server.post(
      "/completion", #"{"prompt": "hello", "n_predict": 50, "grammar": "root ::= \"left\" | \"right\""}"#
    ).json()
    #expect(["left", "right"].contains(word["content"].string))
    // Clients that fill in all fields.
    for (schema, status) in [("null", 200), ("{}", 200), (Self.schema, 400)] {
      let body =
        "{\"prompt\": \"hello\", \"n_predict\": 2, \"grammar\": \"root ::= [a-z]*\", \"json_schema\": \(schema)}"
      #expect(try await server.post("/completion", body).status == status, "\(schema)")
    }
  }

  @Test func anAnswerThatEndsInTheMiddleSaysSo() async throws {
    let server = try await Shared.server()
    let json = try await server.post(
      "/v1/chat/completions",
      #"{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 2, "grammar": "root ::= \"x\"{40}"}"#
    ).json()
    #expect(json["choices"][0]["finish_reason"].string == "length")
  }

  @Test func forcedCallsAreParsed() async throws {
    let server = try await Shared.roomyServer()
    let messages = Self.messages.replacing("150", with: "1000")
    let tools =
      "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"pick\", \"parameters\": \(Self.schema)}}, {\"type\": \"function\", \"function\": {\"name\": \"other\"}}]"
    let choice = #""tool_choice": {"type": "function", "function": {"name": "pick"}}"#
    let json = try await server.post("/v1/chat/completions", "{\(messages), \(tools), \(choice)}").json()
    let message = json["choices"][0]["message"]
    #expect(json["choices"][0]["finish_reason"].string == "tool_calls" && message["content"].string == nil)
    #expect(message["tool_calls"][0]["function"]["name"].string == "pick")
    try expectFits(message["tool_calls"][0]["function"]["arguments"].string)
    let events = try await server.post(
      "/v1/chat/completions", "{\(messages), \(tools), \"tool_choice\": \"required\", \"stream\": true}"
    ).events()
    let calls = events.compactMap { $0["choices"][0]["delta"]["tool_calls"][0]["function"]["name"].string }
    #expect(calls.count == 1 && ["pick", "other"].contains(calls[0]))
    #expect(events.contains { $0["choices"][0]["finish_reason"].string == "tool_calls" })
  }
}
