import NIOCore
import PowerInfer
import Testing

@testable import PowerInferServer

/// Tools in `/v1/responses`. The model is random, and its template shows no tools: answers are held to the generic form. The limits on
/// time are for hangs.
@Suite(.timeLimit(.minutes(5))) struct ResponseToolTests {
  private static let schema =
    #"{"type": "object", "properties": {"z": {"enum": ["p", "q"]}, "n": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["z", "n"]}"#
  private static let tools =
    "\"tools\": [{\"type\": \"function\", \"name\": \"pick\", \"parameters\": \(schema), \"strict\": true}, {\"type\": \"function\", \"name\": \"other\"}]"
  private static let ask = #""input": "hello", "max_output_tokens": 1000, "seed": 3"#

  private func expectFits(_ arguments: String?) throws {
    let input = try JSON(Array(try #require(arguments).utf8))
    #expect(["p", "q"].contains(input["z"].string ?? "") && (1...9).contains(input["n"].int ?? 0))
  }

  @Test func aForcedCall() async throws {
    let server = try await Shared.roomyServer()
    let body = "\(Self.ask), \(Self.tools), \"tool_choice\": {\"type\": \"function\", \"name\": \"pick\"}"
    let json = try await server.post("/v1/responses", "{\(body)}").json()
    #expect(json["status"].string == "completed" && json["output"].list.count == 1)
    let item = json["output"][0]
    #expect(item["type"].string == "function_call" && item["name"].string == "pick")
    #expect(item["status"].string == "completed" && !item["content"].exists && !item["role"].exists)
    let (id, callID) = (item["id"].string, try #require(item["call_id"].string))
    #expect(id?.hasPrefix("fc_") == true && callID.hasPrefix("call_"))
    try expectFits(item["arguments"].string)
    // What was asked is said again.
    #expect(json["tools"][0]["name"].string == "pick" && json["tools"][0]["strict"].bool == true)
    #expect(json["tool_choice"]["name"].string == "pick")
    // The conversation goes on.
    let call =
      "{\"type\": \"function_call\", \"id\": \"fc_1\", \"call_id\": \"\(callID)\", \"name\": \"pick\", \"arguments\": \"{\\\"z\\\": \\\"p\\\", \\\"n\\\": 1}\", \"status\": \"completed\"}"
    for output in [#""7""#, #"[{"type": "input_text", "text": "7"}]"#] {
      let result = "{\"type\": \"function_call_output\", \"call_id\": \"\(callID)\", \"output\": \(output)}"
      let again = try await server.post(
        "/v1/responses",
        "{\(Self.tools), \"tool_choice\": \"none\", \"max_output_tokens\": 5, \"input\": [{\"role\": \"user\", \"content\": \"hello\"}, \(call), \(result)]}"
      )
      #expect(try again.json()["output"][0]["type"].string == "message")
    }
  }

  @Test func aStreamedCall() async throws {
    let server = try await Shared.roomyServer()
    let body = "\(Self.ask), \(Self.tools), \"tool_choice\": \"required\", \"stream\": true"
    let events = try await server.post("/v1/responses", "{\(body)}").events()
    #expect(
      events.map { $0["type"].string } == [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "response.output_item.done", "response.completed",
      ])
    #expect(events.compactMap { $0["sequence_number"].int } == Array(0..<events.count))
    let (added, done) = (events[2]["item"], events[5]["item"])
    #expect(added["status"].string == "in_progress" && added["arguments"].string == "")
    #expect(done["arguments"].string == events[3]["delta"].string)
    #expect(done["arguments"].string == events[4]["arguments"].string)
    for index in 3...4 {
      #expect(events[index]["item_id"].string == added["id"].string && events[index]["output_index"].int == 0)
    }
    #expect(added["call_id"].string == done["call_id"].string && added["name"].string == done["name"].string)
    #expect(events[6]["response"]["output"].list == [done])
  }

  /// The events of a stream, made of an answer's pieces.
  @Test func itemsOfAStreamedResponse() throws {
    let text = "Hm.</think>\n\nI look.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n"
    let fields = try BodyReader.decode(ResponsesRequest.self, from: Array(#"{"input": "x"}"#.utf8))
    var stream = ResponseStream(
      ResponseObject(fields, SamplingOptions(), model: "m"), AnswerParser(reasoning: .think, calls: .tagged))
    var frames = Frames()
    try stream.begin(&frames)
    try stream.take(
      .started(GenerationStart(promptTokens: 3, reusedTokens: 0, seed: 0, openReasoning: .think)), of: 0, &frames)
    for character in text { try stream.take(.text(TextPiece(text: String(character), tokens: [])), of: 0, &frames) }
    try stream.take(
      .finished(GenerationResult(text: text, tokens: [], finishReason: .stop, statistics: GenerationStatistics())),
      of: 0, &frames)
    let events = try Reply(status: 200, headers: [:], body: Array(buffer: frames.take())).events()
    let done = events.filter { $0["type"].string == "response.output_item.done" }
    #expect(done.map { $0["item"]["type"].string } == ["reasoning", "message", "function_call"])
    #expect(done.map { $0["output_index"].int } == [0, 1, 2])
    let items = events.last?["response"]["output"].list ?? []
    #expect(items == done.map { $0["item"] })
    #expect(items[0]["content"][0]["text"].string == "Hm." && items[1]["content"][0]["text"].string == "I look.")
    #expect(try JSON(Array((items[2]["arguments"].string ?? "").utf8))["a"].int == 1)
  }

  /// Words and calls that follow each other are one turn of the model's.
  @Test func itemsBecomeMessages() throws {
    let fields = try BodyReader.decode(
      ResponsesRequest.self,
      from: Array(
        #"""
        {"instructions": "be brief", "input": [
          {"role": "user", "content": "q"}, {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
          {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
          {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
          {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{\"a\":1}"},
          {"type": "function_call_output", "call_id": "1", "output": "one"},
          {"type": "function_call_output", "call_id": "2", "output": "two"},
          {"type": "function_call", "call_id": "3", "name": "f", "arguments": "{}"}]}
        """#.utf8))
    var turn = Message(
      calls: [
        ToolCall(id: "1", name: "f", arguments: "{}"), ToolCall(id: "2", name: "g", arguments: #"{"a":1}"#),
      ], "I look.")
    turn.reasoning = "hm"
    #expect(
      try fields.messages() == [
        Message(.system, "be brief"), Message(.user, "q"), turn, Message(resultOf: "1", "one"),
        Message(resultOf: "2", "two"), Message(calls: [ToolCall(id: "3", name: "f", arguments: "{}")]),
      ])
  }

  @Test(arguments: [
    (#""tool_choice": "required""#, "tool_choice"), (#""tool_choice": "some""#, "tool_choice"),
    (#""tools": [{"type": "web_search"}]"#, "expected function"),
    (#""tools": [{"type": "function", "name": "a"}], "tool_choice": {"type": "function", "name": "b"}"#, "no tool"),
    (
      #""tools": [{"type": "function", "name": "a"}], "tool_choice": {"type": "mcp", "name": "a"}"#, "expected function"
    ),
    (#""tools": [5]"#, "The tools cannot be used"), (#""tools": [{"type": "function"}]"#, "The tools cannot be used"),
    (#""input": [{"type": "function_call", "name": "a", "arguments": "{}"}]"#, "call_id is missing"),
    (#""input": [{"type": "function_call_output", "call_id": "a", "output": 5}]"#, "output"),
    (#""input": [{"type": "item_reference", "id": "a"}]"#, "item_reference"),
  ]) func wrongToolsAreSentences(fields: String, word: String) async throws {
    let body = fields.contains("input") ? "{\(fields)}" : "{\"input\": \"hello\", \(fields)}"
    let reply = try await Shared.roomyServer().post("/v1/responses", body)
    let message = try reply.json()["error"]["message"].string
    #expect(reply.status == 400 && message?.contains(word) == true, "\(message ?? "")")
  }
}
