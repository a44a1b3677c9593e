import Foundation
import PowerInferPlatform
import Synchronization

/// The terminal of the process: standard input and output.
final class RawTerminal: TerminalDevice {
  /// The settings to go back to; set while keys are passed on.
  private static let saved = Mutex<termios?>(nil)

  var columns: Int { Terminal.size()?.columns ?? 80 }
  var rows: Int { Terminal.size()?.rows ?? 24 }

  /// Whether both ends are a terminal that understands cursor movements.
  static func isUsable(_ environment: Environment = Environment()) -> Bool {
    Terminal.isTerminal(.input) && Terminal.isTerminal(.output) && environment["TERM"] != "dumb"
      && environment["TERM"] != nil
  }

  func beginKeys() {
    Self.saved.withLock { saved in
      var settings = termios()
      guard saved == nil, tcgetattr(STDIN_FILENO, &settings) == 0 else { return }
      saved = settings
      cfmakeraw(&settings)
      tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
    }
  }

  func endKeys() { Self.restore() }

  /// Puts the terminal back as it was; also on the way out after a signal.
  static func restore() {
    saved.withLock { saved in
      guard var settings = saved else { return }
      tcsetattr(STDIN_FILENO, TCSADRAIN, &settings)
      saved = nil
    }
  }

  func read() -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: 1024)
    while true {
      let count = Foundation.read(STDIN_FILENO, &bytes, bytes.count)
      if count > 0 { return Array(bytes.prefix(count)) }
      if count == 0 || errno != EINTR { return nil }
    }
  }

  func write(_ text: String) {
    try? StandardOutput.write(text)
  }

  func suspend() {
    kill(getpid(), SIGTSTP)
  }
}
