/// Cuts a text into the words inside which byte-pair merges happen.
///
/// Each published pre-tokenizer is a sequence of regular expressions, every one applied to the pieces that the
/// one before left. They are written out by hand over ``ScalarText``; each stage says its expression.
struct PreTokenizer: Sendable {
  /// One regular expression of the sequence.
  enum Stage: Sendable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// `'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,d}|`
    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+` with at most d digits in a piece. Where marks
    /// join letters, `\p{L}+` is `[\p{L}\p{M}]+`, and `\p{M}` is excluded like `\p{L}` from the fourth part.
    case llama3(digits: Int, marksJoinLetters: Bool)
    /// Sets apart runs of characters: `x+`, or `x{n}` exactly, where x is any of the members.
    case isolate(Members, length: Length)
    /// `\s?x+`
    case isolateWithSpace(Members)
    /// `\s+$`
    case isolateTrailingSpace
    /// `a|b|…`
    case words([Word])
    /// `(?=(\d{3})+(?!\d))`, which matches nothing but says where to cut: before every third digit from the end.
    case beforeThousands
  }

  enum Length: Sendable {
    case oneOrMore
    case exactly(Int)
  }

  /// The characters of a bracket expression.
  struct Members: Sendable {
    var classes: ScalarText.Class = []
    /// Sorted by lower bound, not overlapping.
    var ranges: [ClosedRange<UInt32>] = []

    func contains(_ text: ScalarText, _ index: Int) -> Bool {
      if !classes.isDisjoint(with: text.class(index)) { return true }
      let scalar = text.scalar(index)
      var low = 0
      var high = ranges.count
      while low < high {
        let middle = (low + high) / 2
        if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
      }
      return low < ranges.count && ranges[low].contains(scalar)
    }
  }

  /// How the vocabulary spells what is not ASCII.
  enum Spelling: Sendable {
    /// Byte by byte, in GPT-2's alphabet.
    case bytes
    /// Character by character, as it is.
    case characters
    /// The same, with U+2581 for a space.
    case charactersAndMarkedSpaces
  }

  let stages: [Stage]
  let spelling: Spelling
  /// Whether a whole word that is a token stays whole, whatever the merges would make of it.
  let ignoresMerges: Bool
  /// The same for words of nothing but line feeds.
  let ignoresLineMerges: Bool
  /// Whether models with this pre-tokenizer expect the beginning-of-sequence token when the file does not say.
  let addsBeginningOfSequence: Bool
  /// Whether texts for models with this pre-tokenizer are composed (NFC) first when the file does not say.
  let composesText: Bool

  /// Cuts a text; the result lists where each word ends, in characters.
  func wordEnds(in text: ScalarText) -> [Int] {
    var ends = [text.count]
    for stage in stages {
      var refined: [Int] = []
      refined.reserveCapacity(max(ends.count, text.count / 4))
      var start = 0
      for end in ends {
        stage.split(text, start..<end) { refined.append($0) }
        start = end
      }
      ends = refined
    }
    return ends
  }
}
