/// A table in Markdown whose columns have fixed widths, so that rows can be shown as they come.
struct TextTable {
  struct Column {
    var title: String
    var width: Int
    var isRightAligned = true
  }

  var columns: [Column]

  /// The titles and the line below them.
  var heading: String {
    let dashes = columns.map { column in
      column.isRightAligned
        ? String(repeating: "-", count: column.width - 1) + ":" : String(repeating: "-", count: column.width)
    }
    return line(columns.map(\.title)) + line(dashes)
  }

  /// A row, a cell for each column.
  func line(_ cells: [String]) -> String {
    let padded = zip(columns, cells).map { column, cell in
      let blanks = String(repeating: " ", count: max(0, column.width - cell.count))
      return column.isRightAligned ? blanks + cell : cell + blanks
    }
    return "| " + padded.joined(separator: " | ") + " |\n"
  }
}
