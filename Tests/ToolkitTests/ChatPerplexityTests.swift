import Foundation
import PowerInfer
import PowerInferGGUF
import PowerInferKernels
import PowerInferModel
import PowerInferTestKit
import PowerInferToolkit
import Testing

/// What assistants' messages cost a model, against `transformers` and `tokenizers` (`Scripts/golden_chat.py`).
@Suite struct ChatPerplexityTests {
  private struct GoldenChat: Decodable {
    var template: String
    var answers: [Answer]
    var scored: Int
    var negativeLogLikelihood: Double
    var perplexity: Double

    struct Answer: Decodable {
      var conversation: Int
      var first: Int
      var end: Int
      var ids: [Int32]
    }
  }

  private let golden: GoldenChat
  private let chats: [RecordedChat]
  private let folder: TemporaryFolder
  private let model: LanguageModel

  init() throws {
    golden = try Golden.json(GoldenChat.self, "chat.json", in: .module)
    struct Conversations: Decodable { var conversations: [[[String: String]]] }
    let conversations = try Golden.json(Conversations.self, "chat.json", in: .module).conversations
    chats = try RecordedChat.list(String(decoding: JSONEncoder().encode(conversations), as: UTF8.self))
    folder = try TemporaryFolder()
    let path = try TinyCheckpoint.named("qwen2").write(to: folder)
    let plan = try ConversionPlan(path, options: ConvertOptions(type: .f32))
    _ = try Converter(plan, team: ThreadTeam(workers: 2)).write(to: folder.file("model.gguf"))
    model = try LanguageModel(opening: folder.file("model.gguf"))
  }

  private func chat(limit: Int = 256) throws -> ScoredChat {
    try ScoredChat(chats, prompts: PromptRenderer(model: model, template: golden.template), contextLimit: limit)
  }

  @Test func theAnswersTokensAreTheLibrarys() throws {
    let chat = try chat()
    #expect(chat.turns.count == golden.answers.count && chat.conversationCount == 2 && chat.omittedCount == 0)
    for (turn, answer) in zip(chat.turns, golden.answers) {
      #expect(turn.conversation == answer.conversation)
      #expect(turn.answer == answer.first..<answer.end)
      #expect(Array(turn.tokens[..<turn.answer.upperBound]) == answer.ids)
    }
    #expect(chat.scoredCount == golden.scored)
    #expect(chat.longest == golden.answers.map(\.end).max())
  }

  @Test(arguments: [1, 7, 512]) func theCostIsTheLibrarys(batch: Int) throws {
    let chat = try chat()
    var options = EngineOptions(contextSize: chat.longest, threads: 2, batchSize: batch)
    options.sparsity = SparsityOptions(mode: .dense)
    var done: [Int] = []
    let result = try ChatPerplexityTest(chat, engine: Engine(model: model, options: options)).run(
      onAnswer: { count, _ in done.append(count) })
    #expect(done == [1, 2, 3] && result.answers == 3 && result.scored == golden.scored)
    // Rounding keys and values to F16 is all that differs.
    #expect(abs(result.negativeLogLikelihood.value - golden.negativeLogLikelihood) < 1e-3)
    #expect(abs(result.perplexity.value / golden.perplexity - 1) < 1e-3)
    // What the second answer shares with the first is read once, and so is the third one's first token.
    let ends = golden.answers.map(\.end)
    #expect(result.tokens == (ends[0] - 1) + (ends[1] - 1 - (ends[0] - 1)) + (ends[2] - 2))
  }

  @Test func whatDoesNotFitIsLeftOut() throws {
    let limit = golden.answers[0].end
    let chat = try chat(limit: limit)
    #expect(chat.omittedCount == golden.answers.count { $0.end > limit } && chat.omittedCount > 0)
    #expect(chat.turns.allSatisfy { $0.answer.upperBound <= limit } && !chat.turns.isEmpty)
    let error = #expect(throws: EvaluationError.self) { try self.chat(limit: 5) }
    #expect(
      error?.description == "No conversation is as short as the context of 5 tokens up to its first answer's end.")
  }

  @Test func itStopsWhereItIsTold() throws {
    let chat = try chat()
    let test = try ChatPerplexityTest(
      chat, engine: Engine(model: model, options: EngineOptions(contextSize: chat.longest, threads: 1)))
    var answers = 0
    let result = try test.run(onAnswer: { done, _ in answers = done }, isCancelled: { answers == 1 })
    #expect(result.answers == 1 && result.scored == chat.turns[0].answer.count)
  }
}
