import PowerInferJinja

/// The answers of some conversations, each to be predicted from what stands before it.
public struct ScoredChat: Sendable, Equatable {
  /// An answer with all that stands before it.
  public struct Turn: Sendable, Equatable {
    /// Which conversation it is from.
    public let conversation: Int
    /// The conversation up to the answer's end, by the chat template.
    public let tokens: [Int32]
    /// Indices of the tokens that are predicted: the answer's, and the one that ends it. Never empty, and never from 0 on.
    public let answer: Range<Int>

    /// How many tokens are read: all but the last one of the answer.
    var readCount: Int { answer.upperBound - 1 }
    /// Those that predict the answer's.
    var scoredPositions: Range<Int> { answer.lowerBound - 1..<readCount }
  }

  /// In the file's order.
  public let turns: [Turn]
  /// Conversations in the file.
  public let conversationCount: Int
  /// Answers that are longer, with what stands before them, than the context.
  public let omittedCount: Int
  /// Sentences about what the template does not show, or shows only in another shape.
  public let remarks: [String]

  /// - Parameters:
  ///   - chats: at least one with an answer.
  ///   - prompts: the model's, or with another template.
  ///   - contextLimit: tokens that a conversation may have; answers that end after them are left out.
  /// - Throws: ``PromptError/noChatTemplate``, ``EvaluationError/refused(conversation:reason:)``, ``EvaluationError/noAnswers`` and
  ///   ``EvaluationError/answersTooLong(contextSize:)``.
  public init(_ chats: [RecordedChat], prompts: PromptRenderer, contextLimit: Int) throws {
    var turns: [Turn] = []
    var (omitted, remarks) = (0, [String]())
    for (index, chat) in chats.enumerated() {
      for end in chat.messages.indices where ["assistant", "model"].contains(chat.messages[end].role) {
        let turn: (tokens: [Int32], answer: Range<Int>, remarks: [String])
        do {
          turn = try prompts.turn(chat.messages[...end], tools: chat.tools)
        } catch let error as JinjaError {
          throw EvaluationError.refused(conversation: index + 1, reason: error.description)
        }
        remarks += turn.remarks.filter { !remarks.contains($0) }
        // A template may show nothing of an answer.
        guard !turn.answer.isEmpty else { continue }
        guard turn.answer.upperBound <= contextLimit else {
          omitted += 1
          continue
        }
        turns.append(Turn(conversation: index, tokens: turn.tokens, answer: turn.answer))
      }
    }
    if turns.isEmpty {
      throw omitted > 0 ? EvaluationError.answersTooLong(contextSize: contextLimit) : EvaluationError.noAnswers
    }
    self.turns = turns
    conversationCount = chats.count
    omittedCount = omitted
    self.remarks = remarks
  }

  /// Tokens of the longest conversation.
  public var longest: Int { turns.reduce(1) { max($0, $1.answer.upperBound) } }

  /// Predictions in all.
  public var scoredCount: Int { turns.reduce(0) { $0 + $1.answer.count } }
}
