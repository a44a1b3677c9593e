import Foundation
import PowerInfer
import PowerInferLineEditing

/// Talks with a person: reads lines, answers messages, obeys commands.
final class ChatLoop {
  private let conversation: Conversation
  private let options: GenerationOptions
  private let cancellation: CancellationFlag
  private let style: Style
  private let isQuiet: Bool
  private let readLine: () -> LineInput
  private let write: (String) throws -> Void
  private let makeProgressBar: () -> ProgressBar?
  private var lastResult: GenerationResult?

  /// - Parameters:
  ///   - isQuiet: shows no statistics after an answer.
  ///   - readLine: asks the person for a line.
  ///   - write: shows text to the person.
  init(
    conversation: Conversation, options: GenerationOptions, cancellation: CancellationFlag, style: Style, isQuiet: Bool,
    readLine: @escaping () -> LineInput, write: @escaping (String) throws -> Void,
    makeProgressBar: @escaping () -> ProgressBar? = { nil }
  ) {
    self.conversation = conversation
    self.options = options
    self.cancellation = cancellation
    self.style = style
    self.isQuiet = isQuiet
    self.readLine = readLine
    self.write = write
    self.makeProgressBar = makeProgressBar
  }

  /// Goes on until the person leaves.
  ///
  /// - Throws: only what `write` throws; every other error is shown and the chat goes on.
  func run() throws {
    while case .line(let line) = idleLine() {
      do {
        guard try respond(to: ChatLine(line)) else { return }
      } catch let error as OutputClosed {
        throw error
      } catch {
        try write(style.red("Error: \(error)") + "\n")
      }
    }
  }

  /// The next line. Meanwhile there is no answer to stop, so that Ctrl-C leaves: the flag stands as if it had been
  /// pressed once.
  private func idleLine() -> LineInput {
    cancellation.raise()
    return readLine()
  }

  /// Does what a line asks for.
  ///
  /// - Returns: whether the chat goes on.
  private func respond(to line: ChatLine) throws -> Bool {
    switch line {
    case .blank: break
    case .message(let text): try answer(text)
    case .mistake(let sentence): try write(sentence + "\n")
    case .command(.exit): return false
    case .command(let command): try obey(command)
    }
    return true
  }

  private func answer(_ text: String) throws {
    cancellation.lower()
    let progress = makeProgressBar()
    var endsLine = true
    defer { progress?.finish() }
    let result = try conversation.reply(to: text, options: options, cancellation: cancellation) { piece in
      progress?.finish()
      endsLine = piece.last?.isNewline ?? endsLine
      try write(piece)
    } onProgress: { done, all in
      progress?.update(done, of: all)
    }
    progress?.finish()
    lastResult = result
    try write(endsLine ? "" : "\n")
    if conversation.forgottenCount > 0 {
      let count = conversation.forgottenCount
      try write(
        style.dim("The context is full: the oldest \(count == 1 ? "message is" : "\(count) messages are") forgotten.")
          + "\n")
    }
    let contextSize = conversation.generator.evaluator.contextSize
    if !isQuiet {
      try write(style.dim(Summary.line(result, contextSize: contextSize)) + "\n")
    } else if let ending = Summary.ending(result, contextSize: contextSize) {
      try write(style.dim(ending) + "\n")
    }
    try write("\n")
  }

  private func obey(_ command: ChatCommand) throws {
    switch command {
    case .help: try write(ChatCommand.overview + "\n")
    case .reset:
      conversation.reset()
      try write("The conversation starts anew.\n")
    case .system(nil):
      try write(conversation.systemPrompt.map { "The system prompt is: \($0)\n" } ?? "There is no system prompt.\n")
    case .system(let text?):
      conversation.systemPrompt = text
      conversation.reset()
      try write("The system prompt is set and the conversation starts anew.\n")
    case .save(let path):
      try SavedConversation(messages: conversation.transcript).write(to: path)
      try write("The conversation is saved in \(path).\n")
    case .load(let path):
      try conversation.restore(try SavedConversation(contentsOf: path).messages)
      try write("The conversation goes on from \(path), after \(conversation.messages.count) messages.\n")
    case .stats:
      let contextSize = conversation.generator.evaluator.contextSize
      try write((lastResult.map { Summary.line($0, contextSize: contextSize) } ?? "There was no answer yet.") + "\n")
      try write("context \(conversation.generator.evaluator.position) of \(contextSize) tokens\n")
    case .exit: break
    }
  }
}
