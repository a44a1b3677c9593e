public import PowerInferModel

/// A model's tokenizer as generation sees it.
public struct ModelVocabulary: TokenVocabulary {
  private let tokenizer: Tokenizer
  private let isContinuing: Bool
  private let marks: Set<Int32>

  /// - Parameters:
  ///   - tokenizer: the model's.
  ///   - continuing: whether answers go on from a text, so that a space in front belongs to them.
  public init(_ tokenizer: Tokenizer, continuing: Bool = false) {
    self.tokenizer = tokenizer
    isContinuing = continuing
    marks = AnswerMarks.tokens(of: tokenizer)
  }

  public var endOfGenerationTokens: [Int32] { tokenizer.endOfGenerationTokens }

  public func makeTextAssembler() -> any TextAssembler {
    StreamingDetokenizer(tokenizer, shown: marks, atStart: !isContinuing)
  }
}

extension StreamingDetokenizer: TextAssembler {}
