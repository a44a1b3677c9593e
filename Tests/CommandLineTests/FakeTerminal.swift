@testable import PowerInferCommandLine
@testable import PowerInferLineEditing

/// A terminal of a few rows: keys in, screen text out. Knows the control sequences that the line editor uses, wide
/// characters, and the right border, where the cursor waits before it goes to the next row.
final class FakeTerminal: TerminalDevice {
  let columns: Int
  let rows: Int
  /// The cells; the second half of a wide character is an empty string.
  private(set) var cells: [[String]]
  private(set) var row = 0
  private(set) var column = 0
  private(set) var keysBegan = 0
  private(set) var keysEnded = 0
  private(set) var suspensions = 0
  private var input: [[UInt8]]
  private var waitsAtBorder = false

  init(_ input: [String], columns: Int = 40, rows: Int = 10) {
    self.columns = columns
    self.rows = rows
    self.input = input.map { Array($0.utf8) }
    cells = Array(repeating: Array(repeating: " ", count: columns), count: rows)
  }

  convenience init(bytes: [[UInt8]], columns: Int = 40) {
    self.init([], columns: columns)
    input = bytes
  }

  /// The rows with text, without blanks at their ends.
  var screen: [String] {
    var lines = cells.map { $0.joined() }.map { line in
      String(line.reversed().drop { $0 == " " }.reversed())
    }
    while lines.last == "" { lines.removeLast() }
    return lines
  }

  func beginKeys() { keysBegan += 1 }
  func endKeys() { keysEnded += 1 }
  func suspend() { suspensions += 1 }
  func read() -> [UInt8]? { input.isEmpty ? nil : input.removeFirst() }

  func write(_ text: String) {
    var rest = text[...]
    while let character = rest.popFirst() {
      switch character {
      case "\r\n":
        column = 0
        lineFeed()
      case "\r": column = 0
      case "\n": lineFeed()
      case "\u{1B}":
        rest.removeFirst()  // [
        let parameters = rest.prefix { !$0.isLetter }
        rest = rest[parameters.endIndex...]
        if let final = rest.popFirst() { control(final, String(parameters)) }
      default: put(character)
      }
    }
  }

  private func put(_ character: Character) {
    let width = DisplayWidth.of(character)
    if waitsAtBorder || column + width > columns {
      column = 0
      lineFeed()
    }
    cells[row][column] = String(character)
    if width == 2 { cells[row][column + 1] = "" }
    column += width
    if column >= columns {
      column = columns - 1
      waitsAtBorder = true
    }
  }

  private func lineFeed() {
    waitsAtBorder = false
    row += 1
    if row == rows {
      row -= 1
      cells.removeFirst()
      cells.append(Array(repeating: " ", count: columns))
    }
  }

  private func control(_ final: Character, _ parameters: String) {
    let count = max(Int(parameters) ?? 1, 1)
    switch final {
    case "A": row = max(0, row - count)
    case "C": column = min(columns - 1, column + count)
    case "H": (row, column) = (0, 0)
    case "J" where parameters == "2":
      cells = Array(repeating: Array(repeating: " ", count: columns), count: rows)
    case "J":
      for place in column..<columns { cells[row][place] = " " }
      for below in row..<rows where below > row { cells[below] = Array(repeating: " ", count: columns) }
    default: return  // modes and colours
    }
    waitsAtBorder = false
  }
}
