/// What a person can ask of a chat besides talking to the model.
enum ChatCommand: Equatable {
  case help
  case reset
  /// Nil shows the system prompt.
  case system(String?)
  case save(String)
  case load(String)
  case stats
  case exit

  static let overview = """
    /help          show this
    /reset         forget the conversation
    /system TEXT   tell the model how to behave and start anew; without a text, show what it was told
    /save FILE     write the conversation to a file (JSON)
    /load FILE     go on from a saved conversation
    /stats         show what the last answer cost
    /exit          leave, like Ctrl-D

    Several lines: end a line with \\ or put the text between \"\"\" and \"\"\"; a pasted text stays whole.
    Ctrl-C stops an answer. To say something that begins with /, begin with //.
    """
}

/// A typed line, understood.
enum ChatLine: Equatable {
  case blank
  case message(String)
  case command(ChatCommand)
  /// A command that does not exist or lacks something, and the sentence that says so.
  case mistake(String)

  init(_ line: String) {
    let text = line.trimmingWhitespace()
    if text.isEmpty {
      self = .blank
    } else if text.hasPrefix("//") {
      self = .message(String(text.dropFirst()))
    } else if text.hasPrefix("/") {
      let words = text.split(maxSplits: 1, whereSeparator: \.isWhitespace).map(String.init)
      self = Self.command(words[0], argument: words.count > 1 ? words[1].trimmingWhitespace() : nil)
    } else {
      self = .message(line)
    }
  }

  private static func command(_ name: String, argument: String?) -> ChatLine {
    func file(_ make: (String) -> ChatCommand) -> ChatLine {
      argument.map { .command(make($0)) } ?? .mistake("The command \(name) needs the name of a file: \(name) FILE.")
    }
    switch name.lowercased() {
    case "/help", "/?": return .command(.help)
    case "/reset", "/clear": return .command(.reset)
    case "/system": return .command(.system(argument))
    case "/save": return file { .save($0) }
    case "/load": return file { .load($0) }
    case "/stats": return .command(.stats)
    case "/exit", "/quit", "/bye": return .command(.exit)
    default: return .mistake("There is no command \(name); /help lists those there are.")
    }
  }
}

extension String {
  fileprivate func trimmingWhitespace() -> String {
    let start = drop(while: \.isWhitespace)
    guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(start[...last])
  }
}
