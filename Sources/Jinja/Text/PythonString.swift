/// Python's string algorithms, on Unicode scalars.
enum PythonString {
  typealias Scalars = [Unicode.Scalar]

  /// Where `part` first begins in `text`, counted in bytes; nil when it is not there.
  static func find(_ part: String, in text: String) -> Int? {
    find(Array(part.utf8), in: Array(text.utf8), from: 0)
  }

  static func find<Element: Equatable>(_ part: [Element], in text: [Element], from start: Int) -> Int? {
    PartFinder(part).first(in: text, from: start)
  }

  static func findLast<Element: Equatable>(_ part: [Element], in text: [Element], before end: Int) -> Int? {
    PartFinder(part.reversed()).first(in: text[..<end].reversed(), from: 0).map { end - $0 - part.count }
  }

  static func strip(_ text: Text, _ characters: Text?, left: Bool = true, right: Bool = true) -> Text {
    let set = characters.map { Set($0.string.unicodeScalars) }
    func goes(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? scalar.isPythonSpace }
    let scalars = text.string.unicodeScalars
    var rest = scalars[...]
    if left { while let first = rest.first, goes(first) { rest.removeFirst() } }
    if right { while let last = rest.last, goes(last) { rest.removeLast() } }
    func offset(_ index: String.Index) -> Int { text.string.utf8.distance(from: text.string.startIndex, to: index) }
    return text.bytes(offset(rest.startIndex)..<offset(rest.endIndex))
  }

  /// `split()` without a separator: at runs of space, none of them at the ends.
  static func splitAtSpace(_ text: Text, limit: Int, fromRight: Bool = false) -> [Text] {
    var letters = text.letters
    if fromRight { letters.reverse() }
    func part(_ range: Range<Int>) -> Text {
      fromRight ? Text(letters[range].reversed()) : Text(letters[range])
    }
    var parts: [Text] = []
    var index = 0
    while true {
      while index < letters.count, letters[index].scalar.isPythonSpace { index += 1 }
      guard index < letters.count else { break }
      if limit >= 0, parts.count == limit {
        // The rest stays as it is, with the space at its end.
        parts.append(part(index..<letters.count))
        break
      }
      let start = index
      while index < letters.count, !letters[index].scalar.isPythonSpace { index += 1 }
      parts.append(part(start..<index))
    }
    return fromRight ? parts.reversed() : parts
  }

  /// `split(separator, limit)`; a negative limit means no limit.
  static func split(_ text: Text, at separator: String, limit: Int, fromRight: Bool = false) -> [Text] {
    let bytes = Array(text.string.utf8)
    let separator = Array(separator.utf8)
    var parts: [Text] = []
    if fromRight {
      var end = bytes.count
      while limit < 0 || parts.count < limit, let found = findLast(separator, in: bytes, before: end) {
        parts.append(text.bytes(found + separator.count..<end))
        end = found
      }
      parts.append(text.prefix(bytes: end))
      return parts.reversed()
    }
    let finder = PartFinder(separator)
    var start = 0
    while limit < 0 || parts.count < limit, let found = finder.first(in: bytes, from: start) {
      parts.append(text.bytes(start..<found))
      start = found + separator.count
    }
    parts.append(text.dropFirst(bytes: start))
    return parts
  }

  static func splitLines(_ text: Text, keepingEnds: Bool = false) -> [Text] {
    let letters = text.letters
    var lines: [Text] = []
    var start = 0
    var index = 0
    while index < letters.count {
      guard letters[index].scalar.isPythonLineEnd else {
        index += 1
        continue
      }
      let end = index
      let isPair = letters[index].scalar == "\r" && index + 1 < letters.count && letters[index + 1].scalar == "\n"
      index += isPair ? 2 : 1
      lines.append(Text(letters[start..<(keepingEnds ? index : end)]))
      start = index
    }
    if start < letters.count { lines.append(Text(letters[start...])) }
    return lines
  }

  /// `replace(old, new, limit)`, refusing a result that grows too large.
  static func replace(
    _ old: String, with new: Text, in text: Text, limit: Int, _ interpreter: Interpreter
  ) throws -> Text {
    try interpreter.charge(text.byteCount)
    if old.isEmpty {
      // An empty text stands before every character and at the end.
      let letters = text.letters
      let places = limit < 0 ? letters.count + 1 : min(limit, letters.count + 1)
      guard places > 0 else { return text }
      let singles = letters.prefix(places - 1).map { Text([$0]) }
      return try joined([""] + singles + [Text(letters.dropFirst(places - 1))], by: new, interpreter)
    }
    return try joined(split(text, at: old, limit: limit), by: new, interpreter)
  }

  /// Every `old` replaced by `new`, which is trusted as what it replaces.
  static func rewrite(_ old: String, as new: String, in text: Text) -> Text {
    let bytes = Array(text.string.utf8)
    let finder = PartFinder(Array(old.utf8))
    var result = Text()
    var start = 0
    while let found = finder.first(in: bytes, from: start) {
      result += text.bytes(start..<found)
      start = found + old.utf8.count
      result += Text(new, isTrusted: text.bytes(found..<start).isTrusted)
    }
    return start == 0 ? text : result + text.dropFirst(bytes: start)
  }

  static func joined(_ parts: [Text], by separator: Text, _ interpreter: Interpreter) throws -> Text {
    var size = separator.size.multipliedSaturating(by: parts.count - 1)
    for part in parts { size = size.addingSaturating(part.size) }
    try interpreter.checkText(size)
    return parts.joined(by: separator)
  }

  static func capitalized(_ text: Text) -> Text {
    var isFirst = true
    return text.mapped { scalar in
      defer { isFirst = false }
      return isFirst ? scalar.properties.titlecaseMapping : scalar.properties.lowercaseMapping
    }
  }

  /// `str.title`: a letter after anything that is not a letter becomes large.
  static func title(_ text: Text) -> Text {
    var insideWord = false
    return text.mapped { scalar in
      defer { insideWord = scalar.isCased }
      return insideWord ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
    }
  }

  static func swapCase(_ text: Text) -> Text {
    text.mapped { $0.isPythonUpper ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping }
  }

  static func isLower(_ text: String) -> Bool {
    text.unicodeScalars.contains(where: \.isCased)
      && !text.unicodeScalars.contains { $0.isPythonUpper || $0.isPythonTitle }
  }

  static func isUpper(_ text: String) -> Bool {
    text.unicodeScalars.contains(where: \.isCased)
      && !text.unicodeScalars.contains { $0.isPythonLower || $0.isPythonTitle }
  }

  static func isTitle(_ text: String) -> Bool {
    var insideWord = false
    var found = false
    for scalar in text.unicodeScalars {
      if scalar.isPythonUpper || scalar.isPythonTitle {
        if insideWord { return false }
        insideWord = true
        found = true
      } else if scalar.isPythonLower {
        if !insideWord { return false }
        found = true
      } else {
        insideWord = false
      }
    }
    return found
  }

  /// Fills up to `width` scalars; Python puts the odd one to the left of a centred text when the width is odd.
  static func padded(
    _ text: Text, to width: Int, with fill: Text = " ", _ side: Side, _ interpreter: Interpreter
  ) throws -> Text {
    guard fill.scalarCount == 1 else { throw JinjaError.runtime("the character to fill with must be one character.") }
    let gap = max(width, 0) - text.scalarCount
    guard gap > 0 else { return text }
    switch side {
    case .left: return text + (try interpreter.repeating(fill, gap))
    case .right: return try interpreter.repeating(fill, gap) + text
    case .center:
      let left = gap / 2 + (gap & width & 1)
      return try interpreter.repeating(fill, left) + text + interpreter.repeating(fill, gap - left)
    }
  }

  enum Side { case left, right, center }
}
