/// What a template made of its context, and which of its bytes are the template's own.
///
/// A prompt is cut into tokens as a whole, but a control token such as `<|im_end|>` counts only where the template spells
/// it. Otherwise whoever writes a message could end it, and go on in somebody else's name.
public struct RenderedText: Sendable, Equatable {
  /// The text.
  public let text: String
  /// The ranges of UTF-8 bytes that come from the template's own literals, or from trusted variables: ascending, not
  /// empty, with other bytes between them.
  public let trusted: [Range<Int>]

  /// A text that is trusted as a whole: its spellings of control tokens all count.
  public init(trusting text: String) {
    self.text = text
    trusted = text.isEmpty ? [] : [0..<text.utf8.count]
  }

  /// A text of which nothing is trusted.
  public init(untrusted text: String) {
    self.text = text
    trusted = []
  }

  init(_ text: Text) {
    self.text = text.string
    trusted = text.trustedRanges
  }

  /// Whether all of some bytes are trusted.
  public func isTrusted(_ range: Range<Int>) -> Bool {
    // The last trusted range that begins no later.
    var low = 0
    var high = trusted.count
    while low < high {
      let middle = (low + high) / 2
      if trusted[middle].lowerBound <= range.lowerBound { low = middle + 1 } else { high = middle }
    }
    return low > 0 && range.upperBound <= trusted[low - 1].upperBound
  }
}
