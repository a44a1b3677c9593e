import Foundation
import PowerInferLineEditing

/// Where a chat's lines come from: the line editor, or plain lines where the terminal can do no more.
struct LineSource {
  let prompt: String
  let style: Style
  private let editor: LineEditor?

  init(prompt: String, style: Style, environment: Environment = Environment()) {
    self.prompt = prompt
    self.style = style
    editor =
      RawTerminal.isUsable(environment.variables)
      ? LineEditor(terminal: RawTerminal(), history: History(file: History.defaultFile(environment.variables))) : nil
  }

  func next() -> LineInput {
    if let editor { return editor.readLine(prompt: prompt, style: style.bold) }
    return Self.plain(prompt: prompt, write: StandardOutput.note) { Swift.readLine() }
  }

  /// Reads lines that somebody else edited; a text may go on over several as in the line editor.
  static func plain(prompt: String, write: (String) -> Void, read: () -> String?) -> LineInput {
    write(prompt)
    guard var text = read() else { return .end }
    while MultilineText.isOpen(text) {
      write("… ")
      guard let more = read() else { break }
      text = (text.hasPrefix("\"\"\"") ? text : String(text.dropLast())) + "\n" + more
    }
    return .line(MultilineText.unquote(text))
  }
}
