import Foundation
import PowerInferPlatform
import Synchronization

/// The terminal of the process: standard input and output.
package final class RawTerminal: TerminalDevice {
  package init() {}

  /// The settings to go back to; set while keys are passed on.
  private static let saved = Mutex<termios?>(nil)

  package var columns: Int { Terminal.size()?.columns ?? 80 }
  package var rows: Int { Terminal.size()?.rows ?? 24 }

  /// Whether both ends are a terminal that understands cursor movements.
  package static func isUsable(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> Bool {
    Terminal.isTerminal(.input) && Terminal.isTerminal(.output) && !["dumb", ""].contains(environment["TERM"] ?? "")
  }

  package func beginKeys() {
    Self.saved.withLock { saved in
      var settings = termios()
      guard saved == nil, tcgetattr(STDIN_FILENO, &settings) == 0 else { return }
      saved = settings
      cfmakeraw(&settings)
      tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
    }
  }

  package func endKeys() { Self.restore() }

  /// Puts the terminal back as it was; also on the way out after a signal.
  package static func restore() {
    saved.withLock { saved in
      guard var settings = saved else { return }
      tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
      saved = nil
    }
  }

  package func read() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 1024)
    while true {
      let count = Foundation.read(STDIN_FILENO, &bytes, bytes.count)
      if count > 0 { return Array(bytes.prefix(count)) }
      if count == 0 || errno != EINTR { return nil }
    }
  }

  package func write(_ text: String) {
    try? Terminal.Stream.output.write(text)
  }

  package func suspend() {
    kill(getpid(), SIGTSTP)
  }
}
