extension PreTokenizer {
  /// One alternative of an expression that tells kinds of words apart; the first that matches at a place wins.
  ///
  /// L, N, M, P and S stand for `\p{L}` and so on.
  enum Word: Sendable {
    /// `'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])`
    case contraction
    /// `[^\r\nx]?y+`, where y are the letters and x whatever may not stand before them.
    case letters(ScalarText.Class, notAfter: ScalarText.Class)
    /// A word that begins in upper case or goes on in lower case; u is `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, l is
    /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`: `[^\r\nLN]?u*l+` or else `[^\r\nLN]?u+l*`, each with a contraction after it where those join.
    /// Without Han, u and l leave out `\p{Han}`.
    case cased(joinsContractions: Bool, withoutHan: Bool = false)
    /// `[^\r\nLN]?(?:LM*(?: LM*)*)+`: words with single spaces between them.
    case phrase
    /// `[!-/:-@\[-`{-~][A-Za-z]+`
    case markedLetters
    /// `N{1,d}`, at most d of them.
    case numbers(Int)
    /// ` ?x+y*`, x being some classes, and y the characters that may follow.
    case marks(ScalarText.Class, ending: Ending)
    /// `x+`
    case run(Members)
    /// ` ?[^x]+`, x being the members and white space.
    case spacedRunWithout(Members)
    /// `\S+`
    case visible
    /// `\s*[\r\n]+`
    case lineBreaks
    /// `[\r\n]`
    case lineBreak
    /// `\s+(?!\S)|\s+`
    case spaces
    /// `\s{512}(?!\S)|\s{256}(?!\S)|…|\s{4}(?!\S)|\s{1,2}(?!\S)|\s`
    case powersOfSpaces
    /// `\t|\n|    |  `
    case indentation
    /// `N{1,3}(?=(?:N{3})*(?!N))`: the first one to three digits of a number, so that threes are left.
    case thousands
    /// `\d{1,3}(?=(?:\d{3})*\b)`: the same of decimal digits that no word goes on from.
    case decimalThousands
    /// `<sentinel:[0-9]+>|IMGIMG[A-I]{1,4}Z`: Chameleon's.
    case imageMarks
  }

  /// What may follow marks.
  enum Ending: Sendable {
    case nothing
    /// `[\r\n]*`
    case lineBreaks
    /// `[\r\n/]*`
    case lineBreaksAndSlashes
    /// `[\r\n/]?`
    case oneLineBreakOrSlash
  }
}

extension PreTokenizer.Word {
  /// The end of the match that begins at `start`, or `start` for none. Nothing from `end` on is seen.
  func match(_ text: ScalarText, _ start: Int, _ end: Int) -> Int {
    switch self {
    case .contraction:
      return PreTokenizer.Stage.contraction(text, start, end, ignoringCase: true) ?? start
    case .letters(let letters, let barred):
      return Self.leads(text, start, end, barred: barred, of: letters)
    case .cased(let joinsContractions, let withoutHan):
      let found = Self.cased(text, start, end, withoutHan: withoutHan)
      guard joinsContractions, found > start, found < end else { return found }
      return PreTokenizer.Stage.contraction(text, found, end, ignoringCase: true) ?? found
    case .phrase:
      return Self.phrase(text, start, end)
    case .markedLetters:
      guard Self.isASCIIMark(text.scalar(start)) else { return start }
      var position = start + 1
      while position < end, Self.isASCIILetter(text.scalar(position)) { position += 1 }
      return position > start + 1 ? position : start
    case .numbers(let most):
      return Self.run(text, start, min(end, start + most), .number)
    case .marks(let classes, let ending):
      return Self.marks(text, start, end, classes, ending)
    case .run(let members):
      var position = start
      while position < end, members.contains(text, position) { position += 1 }
      return position
    case .spacedRunWithout(let barred):
      let first = text.scalar(start) == 0x20 ? start + 1 : start
      var position = first
      while position < end, text.class(position) != .space, !barred.contains(text, position) { position += 1 }
      return position > first ? position : start
    case .visible:
      var position = start
      while position < end, text.class(position) != .space { position += 1 }
      return position
    case .lineBreaks:
      var position = Self.run(text, start, end, .space)
      while position > start, !text.isLineBreak(position - 1) { position -= 1 }
      return position
    case .lineBreak:
      return text.isLineBreak(start) ? start + 1 : start
    case .spaces:
      return text.class(start) == .space ? PreTokenizer.Stage.spaces(text, start, end) : start
    case .powersOfSpaces:
      return Self.powersOfSpaces(text, start, end)
    case .indentation:
      if text.scalar(start) == 0x09 || text.scalar(start) == 0x0a { return start + 1 }
      var spaces = 0
      while spaces < 4, start + spaces < end, text.scalar(start + spaces) == 0x20 { spaces += 1 }
      return start + (spaces == 4 ? 4 : spaces >= 2 ? 2 : 0)
    case .thousands:
      let length = Self.run(text, start, end, .number) - start
      return length > 0 ? start + (length - 1) % 3 + 1 : start
    case .decimalThousands:
      return Self.decimalThousands(text, start, end)
    case .imageMarks:
      return Self.imageMark(text, start, end)
    }
  }

  @inline(__always)
  private static func run(_ text: ScalarText, _ start: Int, _ end: Int, _ classes: ScalarText.Class) -> Int {
    var position = start
    while position < end, !classes.isDisjoint(with: text.class(position)) { position += 1 }
    return position
  }

  /// Letters, with one other character in front of them that is no line break and not barred.
  private static func leads(
    _ text: ScalarText, _ start: Int, _ end: Int, barred: ScalarText.Class, of letters: ScalarText.Class
  ) -> Int {
    let kind = text.class(start)
    if letters.isDisjoint(with: kind) {
      guard barred.isDisjoint(with: kind), !text.isLineBreak(start), start + 1 < end,
        !letters.isDisjoint(with: text.class(start + 1))
      else { return start }
      return run(text, start + 1, end, letters)
    }
    return run(text, start, end, letters)
  }

  private static func cased(_ text: ScalarText, _ start: Int, _ end: Int, withoutHan: Bool) -> Int {
    func isHan(_ index: Int) -> Bool { withoutHan && PreTokenizer.Members.han.contains(text, index) }
    /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
    func isUpper(_ index: Int) -> Bool {
      let kind = text.class(index)
      return (kind == .mark || kind == .letter && text.detail(index) != .lowercase) && !isHan(index)
    }
    /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
    func isLower(_ index: Int) -> Bool {
      let kind = text.class(index)
      return (kind == .mark || kind == .letter && text.detail(index) != .uppercase) && !isHan(index)
    }
    func lowerRun(_ from: Int) -> Int {
      var position = from
      while position < end, isLower(position) { position += 1 }
      return position
    }
    func upperRun(_ from: Int) -> Int {
      var position = from
      while position < end, isUpper(position) { position += 1 }
      return position
    }
    /// u*l+ from a place; nil for no match.
    func endingLower(_ from: Int) -> Int? {
      let upper = upperRun(from)
      let whole = lowerRun(upper)
      if whole > upper { return whole }
      // The greedy u* gives back as much as it takes for one l.
      var position = upper
      while position > from {
        position -= 1
        if isLower(position) { return position + 1 }
      }
      return nil
    }
    let kind = text.class(start)
    let mayLead = kind != .letter && kind != .number && !text.isLineBreak(start) && start + 1 < end
    if mayLead, let found = endingLower(start + 1) { return found }
    if let found = endingLower(start) { return found }
    if mayLead {
      let upper = upperRun(start + 1)
      if upper > start + 1 { return lowerRun(upper) }
    }
    let upper = upperRun(start)
    return upper > start ? lowerRun(upper) : start
  }

  private static func phrase(_ text: ScalarText, _ start: Int, _ end: Int) -> Int {
    var position = start
    if text.class(start) != .letter {
      guard text.class(start) != .number, !text.isLineBreak(start) else { return start }
      position += 1
    }
    guard position < end, text.class(position) == .letter else { return start }
    while position < end {
      if text.class(position) == .letter {
        position = run(text, position + 1, end, .mark)
      } else if text.scalar(position) == 0x20, position + 1 < end, text.class(position + 1) == .letter {
        position += 1
      } else {
        break
      }
    }
    return position
  }

  private static func marks(
    _ text: ScalarText, _ start: Int, _ end: Int, _ classes: ScalarText.Class, _ ending: PreTokenizer.Ending
  ) -> Int {
    let first = text.scalar(start) == 0x20 ? start + 1 : start
    var position = run(text, first, end, classes)
    guard position > first else { return start }
    switch ending {
    case .nothing: break
    case .lineBreaks: while position < end, text.isLineBreak(position) { position += 1 }
    case .lineBreaksAndSlashes:
      while position < end, text.isLineBreak(position) || text.scalar(position) == 0x2f { position += 1 }
    case .oneLineBreakOrSlash:
      if position < end, text.isLineBreak(position) || text.scalar(position) == 0x2f { position += 1 }
    }
    return position
  }

  private static func powersOfSpaces(_ text: ScalarText, _ start: Int, _ end: Int) -> Int {
    let runEnd = run(text, start, end, .space)
    let count = runEnd - start
    guard count > 0 else { return start }
    // A stretch of the run is followed by what is no space only where it is the whole run, and something follows.
    func fits(_ size: Int) -> Bool { size < count || size == count && runEnd == end }
    for size in [512, 256, 128, 64, 32, 16, 8, 4, 2, 1] where fits(size) { return start + size }
    return start + 1
  }

  private static func decimalThousands(_ text: ScalarText, _ start: Int, _ end: Int) -> Int {
    func isDigit(_ index: Int) -> Bool { text.class(index) == .number && text.detail(index) == .decimal }
    var runEnd = start
    while runEnd < end, isDigit(runEnd) { runEnd += 1 }
    guard runEnd > start else { return start }
    if runEnd < end {
      let next = text.class(runEnd)
      // `\b` wants what is no part of a word.
      if [.letter, .mark, .number].contains(next) || PreTokenizer.Members.connectors.contains(text, runEnd) {
        return start
      }
    }
    return start + (runEnd - start - 1) % 3 + 1
  }

  private static func imageMark(_ text: ScalarText, _ start: Int, _ end: Int) -> Int {
    func stands(_ word: StaticString, at place: Int) -> Int? {
      guard end - place >= word.utf8CodeUnitCount else { return nil }
      let isThere = word.withUTF8Buffer { bytes in
        bytes.indices.allSatisfy { text.scalar(place + $0) == UInt32(bytes[$0]) }
      }
      return isThere ? place + word.utf8CodeUnitCount : nil
    }
    if var position = stands("<sentinel:", at: start) {
      let digits = position
      while position < end, (0x30...0x39).contains(text.scalar(position)) { position += 1 }
      return position > digits ? stands(">", at: position) ?? start : start
    }
    if var position = stands("IMGIMG", at: start) {
      let letters = position
      while position < end, position < letters + 4, (0x41...0x49).contains(text.scalar(position)) { position += 1 }
      return position > letters ? stands("Z", at: position) ?? start : start
    }
    return start
  }

  private static func isASCIILetter(_ scalar: UInt32) -> Bool {
    (0x41...0x5a).contains(scalar) || (0x61...0x7a).contains(scalar)
  }

  /// Any visible ASCII character but letters and digits.
  private static func isASCIIMark(_ scalar: UInt32) -> Bool {
    (0x21...0x7e).contains(scalar) && !isASCIILetter(scalar) && !(0x30...0x39).contains(scalar)
  }
}

extension PreTokenizer.Members {
  /// `\p{Han}`, Unicode 16.
  static let han = Self(
    ranges: [
      0x2e80...0x2e99, 0x2e9b...0x2ef3, 0x2f00...0x2fd5, 0x3005...0x3005, 0x3007...0x3007, 0x3021...0x3029,
      0x3038...0x303b, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xf900...0xfa6d, 0xfa70...0xfad9, 0x16fe2...0x16fe3,
      0x16ff0...0x16ff1, 0x20000...0x2a6df, 0x2a700...0x2b739, 0x2b740...0x2b81d, 0x2b820...0x2cea1,
      0x2ceb0...0x2ebe0, 0x2ebf0...0x2ee5d, 0x2f800...0x2fa1d, 0x30000...0x3134a, 0x31350...0x323af,
    ])

  /// `\p{Pc}`, which counts as part of a word.
  static let connectors = Self(
    ranges: [0x5f...0x5f, 0x203f...0x2040, 0x2054...0x2054, 0xfe33...0xfe34, 0xfe4d...0xfe4f, 0xff3f...0xff3f])
}
