/// Python's string algorithms, on Unicode scalars.
enum PythonString {
  typealias Scalars = [Unicode.Scalar]

  /// Where `part` first begins in `text`, counted in bytes; nil when it is not there.
  static func find(_ part: String, in text: String) -> Int? {
    find(Array(part.utf8), in: Array(text.utf8), from: 0)
  }

  static func find<Element: Equatable>(_ part: [Element], in text: [Element], from start: Int) -> Int? {
    guard let first = part.first else { return start <= text.count ? start : nil }
    var index = start
    while index + part.count <= text.count {
      if text[index] == first, matches(part, in: text, at: index) { return index }
      index += 1
    }
    return nil
  }

  static func findLast<Element: Equatable>(_ part: [Element], in text: [Element], before end: Int) -> Int? {
    var index = end - part.count
    while index >= 0 {
      if matches(part, in: text, at: index) { return index }
      index -= 1
    }
    return nil
  }

  private static func matches<Element: Equatable>(_ part: [Element], in text: [Element], at index: Int) -> Bool {
    for offset in 0..<part.count where text[index + offset] != part[offset] { return false }
    return true
  }

  static func strip(_ text: String, _ characters: String?, left: Bool = true, right: Bool = true) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func goes(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? scalar.isPythonSpace }
    var rest = Substring(text).unicodeScalars
    if left { while let first = rest.first, goes(first) { rest.removeFirst() } }
    if right { while let last = rest.last, goes(last) { rest.removeLast() } }
    return String(Substring(rest))
  }

  /// `split()` without a separator: at runs of space, none of them at the ends.
  static func splitAtSpace(_ text: String, limit: Int, fromRight: Bool = false) -> [String] {
    var scalars = Array(text.unicodeScalars)
    if fromRight { scalars.reverse() }
    var parts: [Scalars] = []
    var index = 0
    while true {
      while index < scalars.count, scalars[index].isPythonSpace { index += 1 }
      guard index < scalars.count else { break }
      if limit >= 0, parts.count == limit {
        // The rest stays as it is, with the space at its end.
        parts.append(Array(scalars[index...]))
        break
      }
      let start = index
      while index < scalars.count, !scalars[index].isPythonSpace { index += 1 }
      parts.append(Array(scalars[start..<index]))
    }
    if fromRight { return parts.reversed().map { String(scalars: $0.reversed()) } }
    return parts.map { String(scalars: $0) }
  }

  /// `split(separator, limit)`; a negative limit means no limit.
  static func split(_ text: String, at separator: String, limit: Int, fromRight: Bool = false) -> [String] {
    let text = Array(text.utf8)
    let separator = Array(separator.utf8)
    var parts: [String] = []
    func part(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }
    if fromRight {
      var end = text.count
      while limit < 0 || parts.count < limit, let found = findLast(separator, in: text, before: end) {
        parts.append(part(found + separator.count..<end))
        end = found
      }
      parts.append(part(0..<end))
      return parts.reversed()
    }
    var start = 0
    while limit < 0 || parts.count < limit, let found = find(separator, in: text, from: start) {
      parts.append(part(start..<found))
      start = found + separator.count
    }
    parts.append(part(start..<text.count))
    return parts
  }

  static func splitLines(_ text: String, keepingEnds: Bool = false) -> [String] {
    let scalars = Array(text.unicodeScalars)
    var lines: [String] = []
    var start = 0
    var index = 0
    while index < scalars.count {
      guard scalars[index].isPythonLineEnd else {
        index += 1
        continue
      }
      let end = index
      index += scalars[index] == "\r" && index + 1 < scalars.count && scalars[index + 1] == "\n" ? 2 : 1
      lines.append(String(scalars: scalars[start..<(keepingEnds ? index : end)]))
      start = index
    }
    if start < scalars.count { lines.append(String(scalars: scalars[start...])) }
    return lines
  }

  /// `replace(old, new, limit)`, refusing a result that grows too large.
  static func replace(
    _ old: String, with new: String, in text: String, limit: Int, _ interpreter: Interpreter
  ) throws -> String {
    try interpreter.charge(text.utf8.count)
    let parts: [String]
    if old.isEmpty {
      // An empty text stands before every character and at the end.
      let scalars = Array(text.unicodeScalars)
      let places = limit < 0 ? scalars.count + 1 : min(limit, scalars.count + 1)
      guard places > 0 else { return text }
      let singles = scalars.prefix(places - 1).map { String($0) }
      parts = [""] + singles + [String(scalars: scalars.dropFirst(places - 1))]
      return try joined(parts, by: new, interpreter)
    }
    parts = split(text, at: old, limit: limit)
    return try joined(parts, by: new, interpreter)
  }

  static func joined(_ parts: [String], by separator: String, _ interpreter: Interpreter) throws -> String {
    var bytes = 0
    for part in parts { bytes = bytes.addingSaturating(part.utf8.count) }
    try interpreter.checkText(bytes.addingSaturating(separator.utf8.count.multipliedSaturating(by: parts.count - 1)))
    return parts.joined(separator: separator)
  }

  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return text }
    return first.properties.titlecaseMapping + String(scalars: text.unicodeScalars.dropFirst()).lowercased()
  }

  /// `str.title`: a letter after anything that is not a letter becomes large.
  static func title(_ text: String) -> String {
    var result = ""
    var insideWord = false
    for scalar in text.unicodeScalars {
      result += insideWord ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
      insideWord = scalar.isCased
    }
    return result
  }

  static func swapCase(_ text: String) -> String {
    text.unicodeScalars.map { $0.isPythonUpper ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping }
      .joined()
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
    _ text: String, to width: Int, with fill: String = " ", _ side: Side, _ interpreter: Interpreter
  ) throws -> String {
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
