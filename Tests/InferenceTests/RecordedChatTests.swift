import PowerInfer
import PowerInferModel
import Testing

@Suite struct RecordedChatTests {
  private let hi = #"{"role": "user", "content": "hi"}"#
  private let hello = #"{"role": "assistant", "content": "hello"}"#
  private let expected = RecordedChat(messages: [.user("hi"), .assistant("hello")])

  @Test func everyCommonFormIsRead() throws {
    let list = "[\(hi), \(hello)]"
    let object = #"{"messages": \#(list), "source": "x"}"#
    let shared = #"{"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}"#
    for one in [list, object, shared] {
      #expect(try RecordedChat.list(one) == [expected], "\(one)")
      #expect(try RecordedChat.list(one + "\n\n" + one + "\r\n") == [expected, expected], "\(one)")
      #expect(try RecordedChat.list("[\(one),\n \(one)]") == [expected, expected], "\(one)")
    }
    let tools = #"{"messages": \#(list), "tools": [{"type": "function"}]}"#
    #expect(try RecordedChat.list(tools).first?.tools?.count == 1)
    #expect(try RecordedChat.list(#"{"messages": \#(list), "tools": []}"#) == [expected])
  }

  @Test func whatHoldsNoConversationIsASentence() {
    func message(_ text: String) -> String? {
      #expect(throws: RecordedChatError.self) { try RecordedChat.list(text) }?.description
    }
    let empty = "It holds no conversation; expected a JSON list of messages, or a line of JSON for each conversation."
    #expect(message("") == empty && message("[]") == empty && message(" \n ") == empty)
    #expect(
      message("[\(hi)]\n{nothing") == "Line 2 is no JSON; expected a conversation on each line, or one JSON list.")
    #expect(
      message("[\(hi)]\n{\"text\": 1}")
        == "Conversation 2 has no messages; expected a list of them, or an object with the list \"messages\".")
    #expect(
      message("{\"messages\": [\(hi), 3]}") == "Message 2 of conversation 1 is no object with the text \"role\".")
    #expect(message("Just a text.") != nil && message("7") != nil && message(#"{"messages": {}}"#) != nil)
  }
}
