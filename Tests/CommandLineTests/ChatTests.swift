import Foundation
import PowerInfer
import Testing

@testable import PowerInferCommandLine
@testable import PowerInferLineEditing

@Suite struct ChatTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "chat-\(UUID())")

  @Test(arguments: [
    ("", ChatLine.blank), ("  \n", .blank), ("Hello", .message("Hello")), ("  code", .message("  code")),
    ("//etc", .message("/etc")), ("/help", .command(.help)), ("/?", .command(.help)), (" /RESET ", .command(.reset)),
    ("/system", .command(.system(nil))), ("/system  Be  brief. ", .command(.system("Be  brief."))),
    ("/save a b.json", .command(.save("a b.json"))), ("/load x", .command(.load("x"))), ("/stats", .command(.stats)),
    ("/exit", .command(.exit)), ("/quit", .command(.exit)),
    ("/save", .mistake("The command /save needs the name of a file: /save FILE.")),
    ("/load ", .mistake("The command /load needs the name of a file: /load FILE.")),
    ("/dance now", .mistake("There is no command /dance; /help lists those there are.")),
  ]) func linesAreUnderstood(line: String, meaning: ChatLine) {
    #expect(ChatLine(line) == meaning)
  }

  /// Talks to a model that answers "ok" and gives what was shown.
  private func chat(
    _ lines: [LineInput], conversation: Conversation? = nil, isQuiet: Bool = true
  ) throws -> (shown: String, conversation: Conversation) {
    let conversation = try conversation ?? Self.conversation()
    var lines = lines
    var shown = ""
    try ChatLoop(
      conversation: conversation, options: GenerationOptions(), cancellation: CancellationFlag(),
      style: Style(isTerminal: false), isQuiet: isQuiet,
      readLine: { lines.isEmpty ? .end : lines.removeFirst() }, write: { shown += $0 }
    ).run()
    return (shown, conversation)
  }

  static func conversation() throws -> Conversation {
    let generator = Generator(
      evaluator: OkEvaluator(), vocabulary: OkVocabulary(), sampler: try Sampler(.greedy), now: { 0 })
    return Conversation(generator: generator) { messages in
      messages.flatMap { $0.content.utf8.map { Int32($0) } } + [1]
    }
  }

  @Test func messagesAreAnsweredUntilThePersonLeaves() throws {
    let (shown, conversation) = try chat([.line("Hi"), .line(""), .line("more"), .interrupted, .line("never")])
    #expect(shown == "ok\n\nok\n\n")
    #expect(conversation.messages.map(\.content) == ["Hi", "ok", "more", "ok"])
  }

  @Test func exitLeaves() throws {
    let (shown, conversation) = try chat([.line("/exit"), .line("Hi")])
    #expect(shown == "" && conversation.messages.isEmpty)
  }

  @Test func statisticsFollowAnAnswerUnlessQuiet() throws {
    let (shown, _) = try chat([.line("Hi"), .line("/stats")], isQuiet: false)
    let line = "prompt 3 tokens | first token after 0 ms | answer 3 tokens"
    #expect(shown == "ok\n\(line)\n\n\(line)\ncontext 5 of 64 tokens\n")
    #expect(try chat([.line("/stats")]).shown == "There was no answer yet.\ncontext 0 of 64 tokens\n")
  }

  @Test func systemPromptAndResetStartAnew() throws {
    let (shown, conversation) = try chat([
      .line("Hi"), .line("/system"), .line("/system Be brief."), .line("/system"), .line("yo"), .line("/reset"),
    ])
    #expect(
      shown == """
        ok

        There is no system prompt.
        The system prompt is set and the conversation starts anew.
        The system prompt is: Be brief.
        ok

        The conversation starts anew.

        """)
    #expect(conversation.systemPrompt == "Be brief." && conversation.messages.isEmpty)
  }

  @Test func helpNamesEveryCommand() throws {
    let shown = try chat([.line("/help")]).shown
    for name in ["/help", "/reset", "/system", "/save", "/load", "/stats", "/exit"] { #expect(shown.contains(name)) }
  }

  @Test func aSavedConversationGoesOn() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let path = folder.appending(path: "talk.json").path
    let first = try chat([.line("/system S"), .line("Hi"), .line("/save \(path)")])
    #expect(first.shown.hasSuffix("The conversation is saved in \(path).\n"))
    let second = try chat([.line("/load \(path)")])
    #expect(second.shown == "The conversation goes on from \(path), after 2 messages.\n")
    #expect(second.conversation.transcript == first.conversation.transcript)
    // Python's json reads it too: the keys are those of chat APIs.
    let object =
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path))) as? [String: [[String: String]]]
    #expect(object?["messages"]?.first == ["role": "system", "content": "S"])
  }

  @Test func errorsAreShownAndTheChatGoesOn() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let noise = folder.appending(path: "noise.json").path
    try Data("[1]".utf8).write(to: URL(filePath: noise))
    let missing = folder.appending(path: "none.json").path
    let long = String(repeating: "x", count: 80)
    let (shown, conversation) = try chat([
      .line("/load \(missing)"), .line("/load \(noise)"), .line("/save \(missing)/x"), .line(long), .line("Hi"),
    ])
    #expect(
      shown == """
        Error: There is no file "\(missing)".
        Error: The file \(noise) does not hold a conversation: expected JSON with "messages", each with "role" and \
        "content".
        Error: "\(missing)/x" cannot be created: there is no folder "\(missing)".
        Error: The prompt has 81 tokens, but the context holds 64 and the answer needs room too.
        ok


        """)
    #expect(conversation.messages.count == 2)
  }

  @Test func ctrlCAtThePromptLeavesAndDuringAnAnswerStopsIt() throws {
    let flag = CancellationFlag()
    let conversation = try Self.conversation()
    var lines: [LineInput] = [.line("Hi"), .line("again")]
    var raised: [Bool] = []
    try ChatLoop(
      conversation: conversation, options: GenerationOptions(), cancellation: flag, style: Style(isTerminal: false),
      isQuiet: true,
      readLine: {
        raised.append(flag.isRaised)
        return lines.isEmpty ? .end : lines.removeFirst()
      },
      write: { if $0 == "o", lines.isEmpty { flag.raise() } }
    ).run()
    #expect(raised == [true, true, true])
    #expect(conversation.messages.map(\.content) == ["Hi", "ok", "again", "o"])
  }

  @Test func whoeverStoppedListeningEndsTheChat() throws {
    let loop = ChatLoop(
      conversation: try Self.conversation(), options: GenerationOptions(), cancellation: CancellationFlag(),
      style: Style(isTerminal: false), isQuiet: true, readLine: { .line("Hi") }, write: { _ in throw OutputClosed() })
    #expect(throws: OutputClosed.self) { try loop.run() }
  }
}

/// Answers every prompt with the tokens "o", "k", end (0).
private final class OkEvaluator: TokenEvaluator {
  let contextSize = 64
  private(set) var position = 0
  private let logits = UnsafeMutableBufferPointer<Float>.allocate(capacity: 128)

  deinit { logits.deallocate() }

  func evaluate<Result>(
    _ tokens: [Int32], phase: Batch.Phase?, progress: ((Int) -> Bool)?,
    body: (UnsafeBufferPointer<Float>) throws -> Result
  ) throws -> Result? {
    position += tokens.count
    logits.initialize(repeating: 0)
    switch tokens.last {
    case Int32(UInt8(ascii: "o")): logits[Int(UInt8(ascii: "k"))] = 1
    case Int32(UInt8(ascii: "k")): logits[0] = 1
    default: logits[Int(UInt8(ascii: "o"))] = 1
    }
    return try body(UnsafeBufferPointer(logits))
  }

  func truncate(to position: Int) { self.position = min(position, self.position) }
}

private struct OkVocabulary: TokenVocabulary {
  struct Assembler: TextAssembler {
    mutating func append(_ token: Int32) -> String { String(UnicodeScalar(UInt8(token))) }
    mutating func finish() -> String { "" }
  }

  var endOfGenerationTokens: [Int32] { [0] }
  func makeTextAssembler() -> any TextAssembler { Assembler() }
}
