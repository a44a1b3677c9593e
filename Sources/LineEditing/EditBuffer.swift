/// The text of an input line and the place of the cursor in it.
package struct EditBuffer: Equatable {
  package private(set) var characters: [Character] = []
  /// The cursor stands before this character.
  package private(set) var cursor = 0

  package init(_ text: String = "") {
    characters = Array(text)
    cursor = characters.count
  }

  package var text: String { String(characters) }
  package var isEmpty: Bool { characters.isEmpty }

  // MARK: - Editing

  /// Inserts text; of control characters only line breaks and tabs.
  package mutating func insert(_ text: String) {
    let clean = text.replacing("\r\n", with: "\n").replacing("\r", with: "\n").filter {
      $0 == "\n" || $0 == "\t" || $0.unicodeScalars.first?.properties.generalCategory != .control
    }
    // What is inserted may join the character before it (a combining mark): cut the whole anew.
    let before = String(characters[..<cursor]) + clean
    let after = characters[cursor...]
    characters = Array(before) + after
    cursor = characters.count - after.count
  }

  package mutating func deleteBackward() {
    if cursor > 0 { remove(cursor - 1..<cursor) }
  }

  package mutating func deleteForward() {
    if cursor < characters.count { remove(cursor..<cursor + 1) }
  }

  /// Ctrl-U: everything from the start of the line to the cursor.
  package mutating func deleteToLineStart() { remove(lineStart..<cursor) }

  /// Ctrl-K: everything from the cursor to the end of the line; at its end, the line break.
  package mutating func deleteToLineEnd() {
    if cursor < characters.count, cursor == lineEnd { deleteForward() } else { remove(cursor..<lineEnd) }
  }

  /// Ctrl-W: the word before the cursor and the blanks between.
  package mutating func deleteWordBackward() { remove(wordStart..<cursor) }

  private mutating func remove(_ range: Range<Int>) {
    characters.removeSubrange(range)
    cursor = range.lowerBound
  }

  // MARK: - Moving

  package mutating func moveLeft() { cursor = max(0, cursor - 1) }
  package mutating func moveRight() { cursor = min(characters.count, cursor + 1) }
  package mutating func moveToLineStart() { cursor = lineStart }
  package mutating func moveToLineEnd() { cursor = lineEnd }
  package mutating func moveToEnd() { cursor = characters.count }
  package mutating func moveWordLeft() { cursor = wordStart }

  package mutating func moveWordRight() {
    while cursor < characters.count, characters[cursor].isWhitespace { cursor += 1 }
    while cursor < characters.count, !characters[cursor].isWhitespace { cursor += 1 }
  }

  /// Moves to the line above, at the same place in it.
  ///
  /// - Returns: false in the first line, where nothing moves.
  package mutating func moveUp() -> Bool {
    let start = lineStart
    guard start > 0 else { return false }
    let column = cursor - start
    let above = Self.lineStart(in: characters, before: start - 1)
    cursor = min(above + column, start - 1)
    return true
  }

  /// Moves to the line below, at the same place in it.
  ///
  /// - Returns: false in the last line, where nothing moves.
  package mutating func moveDown() -> Bool {
    let end = lineEnd
    guard end < characters.count else { return false }
    let column = cursor - lineStart
    cursor = end + 1
    cursor = min(cursor + column, lineEnd)
    return true
  }

  private var lineStart: Int { Self.lineStart(in: characters, before: cursor) }

  private var lineEnd: Int { characters[cursor...].firstIndex(of: "\n") ?? characters.count }

  private var wordStart: Int {
    var place = cursor
    while place > 0, characters[place - 1].isWhitespace { place -= 1 }
    while place > 0, !characters[place - 1].isWhitespace { place -= 1 }
    return place
  }

  private static func lineStart(in characters: [Character], before place: Int) -> Int {
    (characters[..<place].lastIndex(of: "\n") ?? -1) + 1
  }
}
