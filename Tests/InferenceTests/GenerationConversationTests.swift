import Foundation
import PowerInfer
import Testing

@Suite struct ConversationTests {
  private let vocabulary = AsciiVocabulary()

  private func conversation(_ evaluator: ScriptedEvaluator, system: String? = nil) throws -> Conversation {
    let generator = Generator(evaluator: evaluator, vocabulary: vocabulary, sampler: try Sampler(.greedy))
    return Conversation(generator: generator, systemPrompt: system) { messages in
      vocabulary.encode(messages.map { "\($0.role.rawValue.first ?? "?")\($0.content)|" }.joined() + ">")
    }
  }

  private func options(_ most: Int) -> GenerationOptions {
    var options = GenerationOptions()
    options.maxTokens = most
    return options
  }

  @Test func turnsJoinAndOnlyNewOnesAreRead() throws {
    let evaluator = ScriptedEvaluator()
    evaluator.next = [62: 104, 104: 105, 105: 0]  // ">" h i end
    let conversation = try conversation(evaluator, system: "S")
    #expect(try conversation.reply(to: "one").text == "hi")
    #expect(evaluator.reads.first == vocabulary.encode("sS|uone|>"))
    let second = try conversation.reply(to: "two")
    #expect(conversation.messages.map(\.content) == ["one", "hi", "two", "hi"])
    #expect(conversation.transcript.first == Message(.system, "S"))
    // The first turn was read as "sS|uone|>hi"; the template now has "a" where the answer began.
    #expect(second.statistics.reusedTokens == 8)
    #expect(evaluator.tokens == vocabulary.encode("sS|uone|ahi|utwo|>hi"))
  }

  @Test func aFailedTurnLeavesTheConversationAsItWas() throws {
    let evaluator = ScriptedEvaluator(contextSize: 20)
    let conversation = try conversation(evaluator)
    _ = try conversation.reply(to: "abc", options: options(2))
    let before = conversation.messages
    let error = #expect(throws: ConversationError.self) {
      try conversation.reply(to: "a very long message", options: options(2))
    }
    #expect(
      error?.description
        == "The conversation has 31 tokens by now, but the context holds 20 and the answer needs room too: "
        + "start anew (/reset), use a larger context (--ctx-size), or let the oldest turns go (--context-shift).")
    #expect(conversation.messages == before)
    conversation.reset()
    #expect(conversation.messages.isEmpty)
    #expect(throws: GenerationError.promptTooLong(tokens: 22, contextSize: 20)) {
      try conversation.reply(to: "a very long message")
    }
  }

  @Test func theOldestTurnsGoAndTheSystemPromptStays() throws {
    let evaluator = ScriptedEvaluator(contextSize: 40)
    evaluator.next = [62: 104, 104: 105, 105: 0]  // ">" h i end
    let conversation = try conversation(evaluator, system: "S")
    var sliding = options(4)
    sliding.contextPolicy = .slide(keep: 0)
    for text in ["one", "two", "three"] {
      #expect(try conversation.reply(to: text, options: sliding).text == "hi")
      #expect(conversation.forgottenCount == 0)
    }
    #expect(conversation.messages.count == 6)
    // "sS|" and 28 characters of turns, and ten of the next: one turn must go.
    #expect(try conversation.reply(to: "fourfour", options: sliding).text == "hi")
    #expect(conversation.forgottenCount == 2)
    #expect(conversation.messages.map(\.content) == ["two", "hi", "three", "hi", "fourfour", "hi"])
    #expect(evaluator.tokens.starts(with: vocabulary.encode("sS|utwo|ahi|uthree|")))
    // What is too long by itself is refused as ever, and nothing is lost.
    let before = conversation.messages
    #expect(throws: GenerationError.promptTooLong(tokens: 46, contextSize: 40)) {
      try conversation.reply(to: String(repeating: "x", count: 40), options: sliding)
    }
    #expect(conversation.messages == before && conversation.forgottenCount == 0)
  }

  @Test func theSystemPromptStaysWhileAnAnswerSlides() throws {
    let evaluator = ScriptedEvaluator(contextSize: 24)
    evaluator.next = [62: 97, 122: 97]  // ">" a b … z a b …
    let conversation = try conversation(evaluator, system: "System")
    var sliding = options(40)
    sliding.contextPolicy = .slide(keep: 0)
    let result = try conversation.reply(to: "x", options: sliding)
    #expect(result.contextSlides > 0 && result.tokens.count == 40)
    #expect(evaluator.tokens.starts(with: vocabulary.encode("sSystem|u")))
  }

  @Test func aCancelledAnswerJoins() throws {
    let flag = CancellationFlag()
    let conversation = try conversation(ScriptedEvaluator())
    let result = try conversation.reply(to: "x", cancellation: flag) { _ in flag.raise() }
    #expect(result.finishReason == .cancelled)
    #expect(conversation.messages.last == Message(.assistant, result.text))
  }

  @Test func aTranscriptSurvivesJSON() throws {
    let first = try conversation(ScriptedEvaluator(), system: "Be brief.")
    _ = try first.reply(to: "x", options: options(2))
    let data = try JSONEncoder().encode(first.transcript)
    let second = try conversation(ScriptedEvaluator())
    try second.restore(JSONDecoder().decode([Message].self, from: data))
    #expect(second.systemPrompt == "Be brief." && second.messages == first.messages)
    try second.restore([Message(.user, "u")])
    #expect(second.systemPrompt == nil)
    let error = #expect(throws: ConversationError.self) {
      try second.restore([Message(.user, "u"), Message(.system, "s")])
    }
    #expect(
      error?.description == "A system message may only stand first in a conversation, but message 2 is one.")
  }
}
