extension PreTokenizer.Stage {
  /// Cuts one piece of a text, calling `emit` with the end of each part in order; the last is the piece's end.
  ///
  /// As in the expressions, nothing outside the piece is seen: its end is the end of the text.
  func split(_ text: ScalarText, _ piece: Range<Int>, emit: (Int) -> Void) {
    switch self {
    case .gpt2:
      var position = piece.lowerBound
      while position < piece.upperBound {
        position = Self.gpt2Word(text, position, piece.upperBound)
        emit(position)
      }
    case .llama3(let digits, let marksJoinLetters):
      let letters: ScalarText.Class = marksJoinLetters ? [.letter, .mark] : .letter
      var position = piece.lowerBound
      while position < piece.upperBound {
        position = Self.llama3Word(text, position, piece.upperBound, digits: digits, letters: letters)
        emit(position)
      }
    case .isolate(let members, let length):
      Self.search(piece, emit: emit) { position in
        switch length {
        case .oneOrMore:
          return Self.run(text, position, piece.upperBound, members)
        case .exactly(let count):
          guard piece.upperBound - position >= count else { return position }
          for index in position..<position + count where !members.contains(text, index) { return position }
          return position + count
        }
      }
    case .isolateWithSpace(let members):
      Self.search(piece, emit: emit) { position in
        if text.class(position) == .space, position + 1 < piece.upperBound {
          let end = Self.run(text, position + 1, piece.upperBound, members)
          if end > position + 1 { return end }
        }
        return Self.run(text, position, piece.upperBound, members)
      }
    case .words(let alternatives):
      Self.search(piece, emit: emit) { position in
        for alternative in alternatives {
          let end = alternative.match(text, position, piece.upperBound)
          if end > position { return end }
        }
        return position
      }
    case .beforeThousands:
      var start = piece.lowerBound
      while start < piece.upperBound {
        let end = Self.digitRun(text, start, piece.upperBound)
        for cut in stride(from: start + (end - start) % 3, to: end, by: 3) where cut > piece.lowerBound { emit(cut) }
        start = max(end, start + 1)
      }
      emit(piece.upperBound)
    case .isolateTrailingSpace:
      var start = piece.upperBound
      while start > piece.lowerBound, text.class(start - 1) == .space { start -= 1 }
      if start > piece.lowerBound { emit(start) }
      if start < piece.upperBound { emit(piece.upperBound) }
    }
  }

  /// Looks for matches from left to right and emits them and what lies between them.
  /// - Parameter match: the end of the match that begins at a position, or the position itself for none.
  private static func search(_ piece: Range<Int>, emit: (Int) -> Void, match: (Int) -> Int) {
    var unmatched = piece.lowerBound
    var position = piece.lowerBound
    while position < piece.upperBound {
      let end = match(position)
      if end == position {
        position += 1
        continue
      }
      if position > unmatched { emit(position) }
      emit(end)
      position = end
      unmatched = end
    }
    if unmatched < piece.upperBound { emit(piece.upperBound) }
  }

  private static func run(_ text: ScalarText, _ start: Int, _ end: Int, _ members: PreTokenizer.Members) -> Int {
    var position = start
    while position < end, members.contains(text, position) { position += 1 }
    return position
  }

  /// The end of the run of characters of some classes.
  @inline(__always)
  private static func run(_ text: ScalarText, _ start: Int, _ end: Int, _ classes: ScalarText.Class) -> Int {
    var position = start
    while position < end, !classes.isDisjoint(with: text.class(position)) { position += 1 }
    return position
  }

  /// The end of the run of `\p{Nd}`.
  private static func digitRun(_ text: ScalarText, _ start: Int, _ end: Int) -> Int {
    var position = start
    while position < end, text.detail(position) == .decimal { position += 1 }
    return position
  }

  private static func gpt2Word(_ text: ScalarText, _ start: Int, _ end: Int) -> Int {
    if let contraction = contraction(text, start, end, ignoringCase: false) { return contraction }
    // ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+`: one run of a kind, with at most one U+0020 in front.
    let first = text.scalar(start) == 0x20 && start + 1 < end ? start + 1 : start
    let kind = text.class(first)
    if kind == .letter || kind == .number { return run(text, first, end, kind) }
    if kind != .space { return run(text, first, end, [.mark, .punctuation, .symbol, .other]) }
    return spaces(text, start, end)
  }

  private static func llama3Word(
    _ text: ScalarText, _ start: Int, _ end: Int, digits: Int, letters: ScalarText.Class
  ) -> Int {
    if let contraction = contraction(text, start, end, ignoringCase: true) { return contraction }
    // `[^\r\n\p{L}\p{N}]?\p{L}+`: letters, with any one character in front but a line break or a number.
    let kind = text.class(start)
    if !letters.isDisjoint(with: kind) { return run(text, start, end, letters) }
    if kind != .number, !text.isLineBreak(start), start + 1 < end, !letters.isDisjoint(with: text.class(start + 1)) {
      return run(text, start + 1, end, letters)
    }
    // `\p{N}{1,d}`
    if kind == .number { return run(text, start, start + min(end - start, digits), .number) }
    // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
    let first = text.scalar(start) == 0x20 && start + 1 < end ? start + 1 : start
    let others = ScalarText.Class([.mark, .punctuation, .symbol, .other]).subtracting(letters)
    var position = run(text, first, end, others)
    if position > first {
      while position < end, text.isLineBreak(position) { position += 1 }
      return position
    }
    // `\s*[\r\n]+`: white space up to the last line break of the run.
    let runEnd = run(text, start, end, .space)
    position = runEnd
    while position > start, !text.isLineBreak(position - 1) { position -= 1 }
    if position > start { return position }
    return spaces(text, start, end)
  }

  /// `\s+(?!\S)|\s+`: a run of white space, but for its last character where a word follows and one is left.
  static func spaces(_ text: ScalarText, _ start: Int, _ end: Int) -> Int {
    let runEnd = run(text, start, end, .space)
    if runEnd < end, runEnd - start > 1 { return runEnd - 1 }
    return max(runEnd, start + 1)
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d`, in lower case or in either.
  static func contraction(_ text: ScalarText, _ start: Int, _ end: Int, ignoringCase: Bool) -> Int? {
    guard text.scalar(start) == 0x27, start + 1 < end else { return nil }
    func letter(_ index: Int) -> UInt8 {
      guard index < end, text.scalar(index) < 0x80 else { return 0 }
      let byte = UInt8(truncatingIfNeeded: text.scalar(index))
      return ignoringCase && (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
    }
    switch (letter(start + 1), letter(start + 2)) {
    case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
      return start + 2
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return start + 3
    default:
      return nil
    }
  }
}
