import PowerInferPlatform

/// Colours for a person at a terminal; nothing for a file or a pipe.
struct Style {
  var isEnabled: Bool

  /// Colours only where the stream is a terminal that knows them and nobody set `NO_COLOR`.
  init(isTerminal: Bool, environment: Environment = Environment()) {
    isEnabled = isTerminal && environment["NO_COLOR"] == nil && environment["TERM"] != "dumb"
  }

  func bold(_ text: String) -> String { wrap(text, "1") }
  func dim(_ text: String) -> String { wrap(text, "2") }
  func green(_ text: String) -> String { wrap(text, "32") }
  func red(_ text: String) -> String { wrap(text, "31") }

  private func wrap(_ text: String, _ code: String) -> String {
    isEnabled && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
  }
}
