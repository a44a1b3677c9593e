import Foundation
import PowerInfer
import Testing

/// Tools in Anthropic's and ollama's APIs; OpenAI's are in ``AnswerFormTests``. The model is random, and its template shows no tools: answers are
/// held to the generic form. The limits on time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct ToolRouteTests {
  private static let schema =
    #"{"type": "object", "properties": {"z": {"enum": ["p", "q"]}, "n": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["z", "n"]}"#
  private static let ask = #""messages": [{"role": "user", "content": "hello"}], "max_tokens": 1000, "logit_bias": {}"#

  private func expectFits(_ input: JSON) {
    #expect(["p", "q"].contains(input["z"].string ?? "") && (1...9).contains(input["n"].int ?? 0))
  }

  @Test func anthropicsToolUse() async throws {
    let server = try await Shared.roomyServer()
    let tools = "\"tools\": [{\"name\": \"pick\", \"input_schema\": \(Self.schema)}, {\"name\": \"other\"}]"
    let choice = #""tool_choice": {"type": "tool", "name": "pick"}, "seed": 3"#
    let json = try await server.post("/v1/messages", "{\(Self.ask), \(tools), \(choice)}").json()
    #expect(json["stop_reason"].string == "tool_use" && json["content"].list.count == 1)
    let block = json["content"][0]
    #expect(block["type"].string == "tool_use" && block["name"].string == "pick")
    #expect(block["id"].string?.hasPrefix("toolu_") == true)
    expectFits(block["input"])
    let events = try await server.post("/v1/messages", "{\(Self.ask), \(tools), \(choice), \"stream\": true}").events()
    let start = try #require(events.first { $0["type"].string == "content_block_start" })["content_block"]
    #expect(start["type"].string == "tool_use" && start["input"].keys.isEmpty)
    let text = events.compactMap { $0["delta"]["partial_json"].string }.joined()
    expectFits(try JSON(Array(text.utf8)))
    #expect(events.contains { $0["delta"]["stop_reason"].string == "tool_use" })
    // Any of them, and none of them.
    let any = try await server.post(
      "/v1/messages", "{\(Self.ask), \(tools), \"seed\": 3, \"tool_choice\": {\"type\": \"any\"}}"
    ).json()
    #expect(["pick", "other"].contains(any["content"][0]["name"].string ?? ""))
    let none = try await server.post(
      "/v1/messages", "{\(Self.ask), \(tools), \"seed\": 3, \"tool_choice\": {\"type\": \"none\"}}"
    ).json()
    #expect(none["content"][0]["type"].string == "text")
    // The conversation goes on.
    let id = try #require(block["id"].string)
    let again = try await server.post(
      "/v1/messages",
      "{\"max_tokens\": 5, \(tools), \"messages\": [{\"role\": \"user\", \"content\": \"hello\"}, {\"role\": \"assistant\", \"content\": [{\"type\": \"tool_use\", \"id\": \"\(id)\", \"name\": \"pick\", \"input\": {\"z\": \"p\", \"n\": 1}}]}, {\"role\": \"user\", \"content\": [{\"type\": \"tool_result\", \"tool_use_id\": \"\(id)\", \"content\": \"7\"}]}]}"
    )
    #expect(again.status == 200)
  }

  @Test(arguments: [
    (#""tool_choice": {"type": "any"}"#, "tool_choice"), (#""tool_choice": {"type": "some"}"#, "tool_choice.type"),
    (#""tools": [{"name": "a"}], "tool_choice": {"type": "tool", "name": "b"}"#, "There is no tool"),
    (#""tools": [5]"#, "The tools cannot be used"), (#""tools": [{"input_schema": {}}]"#, "The tools cannot be used"),
    (
      #""tools": [{"name": "a", "input_schema": {"not": {}}}], "tool_choice": {"type": "any"}"#,
      "which answers cannot be held to"
    ),
  ]) func wrongToolsAreSentences(fields: String, word: String) async throws {
    let reply = try await Shared.roomyServer().post("/v1/messages", "{\(Self.ask), \(fields)}")
    let message = try reply.json()["error"]["message"].string
    #expect(reply.status == 400 && message?.contains(word) == true, "\(message ?? "")")
  }

  @Test func ollamasToolCalls() async throws {
    let server = try await Shared.roomyServer()
    let tools =
      "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"pick\", \"parameters\": \(Self.schema)}}]"
    let messages = #""model": "tiny", "messages": [{"role": "user", "content": "hello"}]"#
    var calls = 0
    // A call or an answer, as the random model has it; a long one is cut off.
    for seed in 0..<6 {
      let body = "\(messages), \(tools), \"options\": {\"seed\": \(seed), \"num_predict\": 250, \"temperature\": 2}"
      let whole = try await server.post("/api/chat", "{\(body), \"stream\": false}").json()
      let lines = try await server.post("/api/chat", "{\(body)}").lines()
      let streamed = lines.flatMap { $0["message"]["tool_calls"].list }
      #expect(streamed == whole["message"]["tool_calls"].list)
      #expect(lines.compactMap { $0["message"]["content"].string }.joined() == whole["message"]["content"].string)
      for call in streamed {
        #expect(call["function"]["name"].string == "pick" && whole["message"]["content"].string == "")
        expectFits(call["function"]["arguments"])
        calls += 1
      }
    }
    #expect(calls > 0)
    // Parameters that no grammar holds stop nobody from answering.
    let loose = #""tools": [{"type": "function", "function": {"name": "f", "parameters": {"not": {}}}}]"#
    let reply = try await server.post("/api/chat", "{\(messages), \(loose), \"options\": {\"num_predict\": 3}}")
    #expect(reply.status == 200)
    let shown = try await server.post("/api/show", #"{"model": "tiny"}"#).json()["capabilities"].list
    #expect(shown.compactMap(\.string).contains("tools"))
  }
}
