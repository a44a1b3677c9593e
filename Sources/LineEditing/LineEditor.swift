/// A terminal as the line editor sees it.
package protocol TerminalDevice: AnyObject {
  var columns: Int { get }
  var rows: Int { get }
  /// Passes every key on at once and shows none by itself.
  func beginKeys()
  /// Back to lines.
  func endKeys()
  /// The next bytes a person typed; nil at the end.
  func read() -> [UInt8]?
  func write(_ text: String)
  /// Puts the program to sleep until somebody wakes it (Ctrl-Z).
  func suspend()
}

/// What came of asking for a line.
package enum LineInput: Equatable {
  case line(String)
  /// Ctrl-C on an empty line.
  case interrupted
  /// Ctrl-D on an empty line, or the terminal is gone.
  case end
}

/// Reads a line from a terminal: cursor keys, history, several lines.
///
/// A line goes on after Enter where it ends in a backslash or is in a block between `"""` and `"""`. Pasted line breaks
/// and Alt-Enter are part of the text.
package final class LineEditor {
  private let terminal: any TerminalDevice
  private let history: History
  private let continuation = "… "

  private var buffer = EditBuffer()
  /// The row of the cursor below the first drawn row.
  private var drawnCursorRow = 0
  private var decoder = KeyDecoder()
  /// Keys that came after the end of the last line.
  private var waiting: [Key] = []
  /// Where in the history the line is from; nil for a new one, which is kept here meanwhile.
  private var recalled: Int?
  private var draft = ""

  package init(terminal: any TerminalDevice, history: History) {
    self.terminal = terminal
    self.history = history
  }

  /// - Parameters:
  ///   - prompt: as it counts in columns.
  ///   - style: puts colours around the prompt.
  package func readLine(prompt: String, style: (String) -> String = { $0 }) -> LineInput {
    buffer = EditBuffer()
    drawnCursorRow = 0
    recalled = nil
    terminal.beginKeys()
    terminal.write("\u{1B}[?2004h")  // bracketed paste
    defer {
      terminal.write("\u{1B}[?2004l")
      terminal.endKeys()
    }
    while true {
      while !waiting.isEmpty {
        let key = waiting.removeFirst()
        if let input = press(key) {
          buffer.moveToEnd()
          draw(prompt, style)
          terminal.write("\r\n")
          return input
        }
      }
      draw(prompt, style)
      guard let bytes = terminal.read() else { return .end }
      waiting = decoder.decode(bytes)
    }
  }

  /// Changes the line; gives a result where it is finished.
  private func press(_ key: Key) -> LineInput? {
    switch key {
    case .text(let character): buffer.insert(String(character))
    case .paste(let text): buffer.insert(text)
    case .tab: buffer.insert("\t")
    case .enter: return enter()
    case .backspace, .control("h"): buffer.deleteBackward()
    case .delete: buffer.deleteForward()
    case .left, .control("b"): buffer.moveLeft()
    case .right, .control("f"): buffer.moveRight()
    case .home, .control("a"): buffer.moveToLineStart()
    case .end, .control("e"): buffer.moveToLineEnd()
    case .wordLeft: buffer.moveWordLeft()
    case .wordRight: buffer.moveWordRight()
    case .up, .control("p"): if !buffer.moveUp() { recall(-1) }
    case .down, .control("n"): if !buffer.moveDown() { recall(1) }
    case .control("u"): buffer.deleteToLineStart()
    case .control("k"): buffer.deleteToLineEnd()
    case .control("w"): buffer.deleteWordBackward()
    case .control("l"):
      terminal.write("\u{1B}[H\u{1B}[2J")
      drawnCursorRow = 0
    case .control("c"):
      if buffer.isEmpty { return .interrupted }
      buffer = EditBuffer()
      recalled = nil
    case .control("d"):
      if buffer.isEmpty { return .end }
      buffer.deleteForward()
    case .control("z"):
      terminal.endKeys()
      terminal.suspend()
      terminal.beginKeys()
      drawnCursorRow = 0
    case .control: break
    }
    return nil
  }

  /// Ends the line, or begins another one of the same text.
  private func enter() -> LineInput? {
    if MultilineText.isOpen(buffer.text) {
      if buffer.characters.last == "\\", buffer.cursor == buffer.characters.count { buffer.deleteBackward() }
      buffer.moveToEnd()
      buffer.insert("\n")
      return nil
    }
    let text = buffer.text
    history.add(text)
    return .line(MultilineText.unquote(text))
  }

  private func recall(_ step: Int) {
    let count = history.entries.count
    let place = (recalled ?? count) + step
    guard place >= 0, place <= count, count > 0 else { return }
    if recalled == nil { draft = buffer.text }
    recalled = place == count ? nil : place
    buffer = EditBuffer(place == count ? draft : history.entries[place])
  }

  private func draw(_ prompt: String, _ style: (String) -> String) {
    var layout = LineLayout(prompt: prompt, continuation: continuation, buffer: buffer, columns: terminal.columns)
    layout.clip(to: terminal.rows)
    var rows = layout.rows
    if let first = rows.first, first.hasPrefix(prompt) { rows[0] = style(prompt) + first.dropFirst(prompt.count) }
    var output = up(drawnCursorRow) + "\r\u{1B}[J" + rows.joined(separator: "\r\n")
    output += up(rows.count - 1 - layout.cursorRow) + "\r"
    if layout.cursorColumn > 0 { output += "\u{1B}[\(layout.cursorColumn)C" }
    drawnCursorRow = layout.cursorRow
    terminal.write(output)
  }

  private func up(_ rows: Int) -> String {
    rows > 0 ? "\u{1B}[\(rows)A" : ""
  }
}

/// The two ways to type a text of several lines.
package enum MultilineText {
  private static let quote = "\"\"\""

  /// Whether Enter goes on with the text: it ends in a backslash or in a block that is not closed.
  package static func isOpen(_ text: String) -> Bool {
    if text.hasPrefix(quote) { return text.count < 2 * quote.count || !text.hasSuffix(quote) }
    return text.hasSuffix("\\")
  }

  /// The text without the quotes of a block and the line breaks next to them.
  package static func unquote(_ text: String) -> String {
    guard text.hasPrefix(quote), text.count >= 2 * quote.count, text.hasSuffix(quote) else { return text }
    var inner = text.dropFirst(quote.count).dropLast(quote.count)
    if inner.first == "\n" { inner = inner.dropFirst() }
    if inner.last == "\n" { inner = inner.dropLast() }
    return String(inner)
  }
}
