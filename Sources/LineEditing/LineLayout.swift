/// How prompt and text stand on the rows of a terminal, and where the cursor is.
///
/// Rows are broken here and not by the terminal, whose cursor at the right border stands neither here nor there.
package struct LineLayout: Equatable {
  package private(set) var rows: [String] = []
  package private(set) var cursorRow = 0
  package private(set) var cursorColumn = 0

  /// - Parameters:
  ///   - continuation: stands before every line of the text but the first.
  ///   - columns: the width of the terminal, at least 8 are assumed.
  package init(prompt: String, continuation: String, buffer: EditBuffer, columns: Int) {
    let columns = max(columns, 8)
    var row = prompt
    var column = DisplayWidth.of(prompt)
    func wrap(_ next: String) {
      rows.append(row)
      row = next
      column = DisplayWidth.of(next)
    }
    for (index, character) in buffer.characters.enumerated() {
      let width = DisplayWidth.of(character)
      if character != "\n", column + width > columns { wrap("") }
      if index == buffer.cursor { (cursorRow, cursorColumn) = (rows.count, min(column, columns - 1)) }
      if character == "\n" {
        wrap(continuation)
      } else {
        row += character == "\t" ? String(repeating: " ", count: width) : String(character)
        column += width
      }
    }
    if buffer.cursor == buffer.characters.count {
      if column >= columns { wrap("") }
      (cursorRow, cursorColumn) = (rows.count, column)
    }
    rows.append(row)
  }

  /// Leaves at most `height` rows, those at the end if the cursor is among them.
  package mutating func clip(to height: Int) {
    let height = max(height, 1)
    guard rows.count > height else { return }
    let first = min(cursorRow, rows.count - height)
    rows = Array(rows[first..<first + height])
    cursorRow -= first
  }
}
