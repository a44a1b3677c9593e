import ArgumentParser
import Foundation
import PowerInfer
import PowerInferModel
import PowerInferPlatform
import PowerInferSparsity

/// `powerinfer perplexity --chat`: how well a model predicts the answers of conversations.
struct ChatPerplexity {
  var isJSON: Bool
  var isQuiet: Bool

  /// Tokens of a conversation where nobody says how many.
  static let defaultContextLimit = 8192

  static func contextLimit(of model: LanguageModel) -> Int {
    min(model.configuration.contextLength, defaultContextLimit)
  }

  /// - Parameters:
  ///   - text: of the file.
  ///   - path: the model's.
  ///   - options: of the engine; its context becomes as long as it must be.
  ///   - contextLimit: tokens that a conversation may have.
  ///   - template: in place of the model's.
  ///   - file: the conversations', for messages.
  func run(
    _ text: String, _ model: LanguageModel, path: String, options: EngineOptions, contextLimit: Int, template: String?,
    file: String
  ) throws {
    let chats: [RecordedChat]
    do throws(RecordedChatError) {
      chats = try RecordedChat.list(text)
    } catch {
      throw InputError.noConversations(file, error)
    }
    let chat = try ScoredChat(
      chats, prompts: PromptRenderer(model: model, template: template), contextLimit: contextLimit)
    var options = options
    options.contextSize = chat.longest
    let engine = try Engine(model: model, options: options)
    if let remark = engine.gpuRemark { StandardOutput.note("Note: \(remark)\n") }
    if chat.longest > model.configuration.contextLength, !isQuiet {
      StandardOutput.note(
        "Note: the longest conversation has \(chat.longest) tokens, more than the \(model.configuration.contextLength) that the "
          + "model was trained for.\n")
    }
    for remark in chat.remarks { StandardOutput.note("Note: \(remark)\n") }
    if chat.omittedCount > 0 {
      StandardOutput.note(
        "Note: \(chat.omittedCount) of \(chat.omittedCount + chat.turns.count) answers end after the context and are left out.\n"
      )
    }
    try measure(chat, engine, path: path, sparsity: options.sparsity.mode)
  }

  private func measure(_ chat: ScoredChat, _ engine: Engine, path: String, sparsity: SparsityMode) throws {
    let cancellation = CancellationFlag()
    let interrupts = Interrupts(cancelling: cancellation)
    defer { withExtendedLifetime(interrupts) {} }
    let bar = ProgressBar.onTerminal("Reading")
    defer { bar.finish() }
    let start = Generator.monotonicSeconds()
    let result = try ChatPerplexityTest(chat, engine: engine).run(
      onAnswer: { done, _ in bar.update(done, of: chat.turns.count) }, isCancelled: { cancellation.isRaised })
    let seconds = Generator.monotonicSeconds() - start
    bar.finish()

    let report = Report(
      model: URL(filePath: path).lastPathComponent, conversations: chat.conversationCount,
      answersInAll: chat.turns.count, answersLeftOut: chat.omittedCount, threads: engine.threads, sparsity: sparsity,
      result: result, seconds: seconds, tokensPerSecond: seconds > 0 ? Double(result.tokens) / seconds : 0)
    if isJSON {
      try StandardOutput.write(JSON.text(report) + "\n")
    } else if result.scored > 0 {
      try StandardOutput.write(
        "perplexity\(String(repeating: " ", count: 19))\(Figures.estimate(result.perplexity, digits: 4))\n")
      if !isQuiet { StandardOutput.note(Style(isTerminal: Terminal.isTerminal(.error)).dim(report.cost) + "\n") }
    }
    if result.answers < chat.turns.count { throw ExitCode(128 + SIGINT) }
  }

  private struct Report: Encodable {
    var model: String
    var conversations: Int
    /// Answers to read; those read are in the result.
    var answersInAll: Int
    /// Those longer than the context.
    var answersLeftOut: Int
    var threads: Int
    /// The mode that says which neurons were computed.
    var sparsity: SparsityMode
    var result: ChatPerplexityResult
    var seconds: Double
    var tokensPerSecond: Double

    /// What it cost, in one line.
    var cost: String {
      let share = result.answers < answersInAll ? " (cancelled after \(result.answers) of \(answersInAll))" : ""
      let source = sparsity == .auto ? "" : ", neurons by \(sparsity.rawValue)"
      return "\(result.answers) \(result.answers == 1 ? "answer" : "answers") of \(conversations) "
        + "\(conversations == 1 ? "conversation" : "conversations"), \(result.scored) tokens scored; \(result.tokens) read in "
        + "\(Figures.number(seconds, digits: 1)) s at \(Figures.number(tokensPerSecond, digits: 1)) tok/s" + source
        + share
    }
  }
}
