/// A string while a template renders, and which of its bytes are trusted: the template's own.
///
/// A byte is trusted when it is copied from a literal of the template, or made from such bytes alone, as `upper` does.
/// Bytes of the context are not, and neither is what an operation adds by itself: numbers, padding, the quotes and
/// brackets of `tojson`. So nobody but the author of the template can spell a control token.
struct Text {
  /// Always contiguous UTF-8, so that offsets of bytes cost nothing.
  private(set) var string: String
  /// Whether the first byte is trusted.
  private var startsTrusted: Bool
  /// Offsets of bytes, ascending and inside the text, at which trust begins or ends. Empty for nearly every text.
  private var changes: [Int] = []

  /// A text that is trusted as a whole or not at all.
  init(_ string: String = "", isTrusted: Bool = false) {
    self.string = string
    self.string.makeContiguousUTF8()
    startsTrusted = isTrusted
  }

  private init(_ string: String, startsTrusted: Bool, changes: [Int]) {
    self.string = string
    self.startsTrusted = startsTrusted
    self.changes = changes
  }

  var isEmpty: Bool { string.isEmpty }
  var byteCount: Int { string.utf8.count }
  var scalarCount: Int { string.unicodeScalars.count }
  /// What the text takes of a limit: its bytes, and its marks of trust.
  var size: Int { byteCount.addingSaturating(changes.count.multipliedSaturating(by: MemoryLayout<Int>.stride)) }

  private var isMixed: Bool { !changes.isEmpty }
  private var endsTrusted: Bool { startsTrusted != (changes.count % 2 == 1) }
  /// Whether all bytes are trusted: what an operation is that cannot tell which byte comes from where.
  var isTrusted: Bool { startsTrusted && !isMixed }

  /// The longest ranges of trusted bytes, ascending.
  var trustedRanges: [Range<Int>] {
    guard !isEmpty else { return [] }
    let edges = (startsTrusted ? [0] : []) + changes + (endsTrusted ? [byteCount] : [])
    return stride(from: 0, to: edges.count, by: 2).map { edges[$0]..<edges[$0 + 1] }
  }

  // MARK: Joining

  mutating func append(_ other: Text) {
    guard !other.isEmpty else { return }
    let offset = byteCount
    if offset == 0 {
      startsTrusted = other.startsTrusted
    } else if endsTrusted != other.startsTrusted {
      changes.append(offset)
    }
    if other.isMixed { changes += other.changes.lazy.map { $0 + offset } }
    string += other.string
  }

  mutating func append(_ scalar: Unicode.Scalar, isTrusted: Bool) {
    mark(isTrusted)
    string.unicodeScalars.append(scalar)
  }

  mutating func append(_ letter: Letter) { append(letter.scalar, isTrusted: letter.isTrusted) }

  /// Says whether the bytes that come next are trusted.
  private mutating func mark(_ isTrusted: Bool) {
    if isEmpty {
      startsTrusted = isTrusted
    } else if endsTrusted != isTrusted {
      changes.append(byteCount)
    }
  }

  static func + (left: Text, right: Text) -> Text {
    var sum = left
    sum.append(right)
    return sum
  }

  static func += (left: inout Text, right: Text) { left.append(right) }

  /// The text so many times; the caller checks the size.
  func repeated(_ count: Int) -> Text {
    guard isMixed else { return Text(String(repeating: string, count: max(count, 0)), isTrusted: startsTrusted) }
    var result = Text()
    for _ in 0..<max(count, 0) { result.append(self) }
    return result
  }

  // MARK: Parts

  /// Some bytes, which begin and end whole characters.
  func bytes(_ range: Range<Int>) -> Text {
    let start = string.utf8.index(string.startIndex, offsetBy: range.lowerBound)
    let end = string.utf8.index(start, offsetBy: range.count)
    let part = String(decoding: string.utf8[start..<end], as: UTF8.self)
    guard isMixed else { return Text(part, isTrusted: startsTrusted) }
    let first = changesBefore(range.lowerBound + 1)
    let last = max(first, changesBefore(range.upperBound))
    return Text(
      part, startsTrusted: startsTrusted != (first % 2 == 1),
      changes: changes[first..<last].map { $0 - range.lowerBound })
  }

  func prefix(bytes count: Int) -> Text { bytes(0..<count) }
  func dropFirst(bytes count: Int) -> Text { bytes(count..<byteCount) }

  /// How many changes of trust come before a byte.
  private func changesBefore(_ offset: Int) -> Int {
    var low = 0
    var high = changes.count
    while low < high {
      let middle = (low + high) / 2
      if changes[middle] < offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // MARK: Characters

  /// The characters as Python counts them, each with its trust.
  var letters: [Letter] {
    var letters: [Letter] = []
    letters.reserveCapacity(byteCount)
    var isTrusted = startsTrusted
    var rest = changes[...]
    var offset = 0
    for scalar in string.unicodeScalars {
      while let change = rest.first, change <= offset {
        isTrusted.toggle()
        rest.removeFirst()
      }
      letters.append(Letter(scalar: scalar, isTrusted: isTrusted))
      offset += UTF8.width(scalar)
    }
    return letters
  }

  init(_ letters: some Swift.Sequence<Letter>) {
    self.init()
    for letter in letters { append(letter) }
  }

  /// Each character replaced by a text of its own, which is trusted as the character is.
  func mapped(_ transform: (Unicode.Scalar) -> String) -> Text {
    guard isMixed else {
      var result = ""
      result.reserveCapacity(byteCount)
      for scalar in string.unicodeScalars { result += transform(scalar) }
      return Text(result, isTrusted: startsTrusted)
    }
    var result = Text()
    for letter in letters { result.append(Text(transform(letter.scalar), isTrusted: letter.isTrusted)) }
    return result
  }

  func uppercased() -> Text {
    isMixed ? mapped(\.properties.uppercaseMapping) : Text(string.uppercased(), isTrusted: startsTrusted)
  }

  func lowercased() -> Text {
    isMixed ? mapped(\.properties.lowercaseMapping) : Text(string.lowercased(), isTrusted: startsTrusted)
  }
}

/// A character of a text.
struct Letter {
  let scalar: Unicode.Scalar
  let isTrusted: Bool
}

/// What is written in this module's own code is nobody's literal.
extension Text: ExpressibleByStringLiteral {
  init(stringLiteral value: String) { self.init(value) }
}

extension Swift.Sequence<Text> {
  func joined(by separator: Text = "") -> Text {
    var result = Text()
    for (index, part) in enumerated() {
      if index > 0 { result.append(separator) }
      result.append(part)
    }
    return result
  }
}
