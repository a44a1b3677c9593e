public import PowerInferModel

/// A model's tokenizer as generation sees it.
public struct ModelVocabulary: TokenVocabulary {
  private let tokenizer: Tokenizer
  private let isContinuing: Bool

  /// - Parameters:
  ///   - tokenizer: the model's.
  ///   - continuing: whether answers go on from a text, so that a space in front belongs to them.
  public init(_ tokenizer: Tokenizer, continuing: Bool = false) {
    self.tokenizer = tokenizer
    isContinuing = continuing
  }

  public var endOfGenerationTokens: [Int32] { tokenizer.endOfGenerationTokens }

  public func makeTextAssembler() -> any TextAssembler {
    StreamingDetokenizer(tokenizer, atStart: !isContinuing)
  }
}

extension StreamingDetokenizer: TextAssembler {}
