import Foundation

/// The web browser of whoever is in front of the machine.
public enum Browser {
  #if canImport(Darwin)
    private static let program = "open"
  #else
    private static let program = "xdg-open"
  #endif

  /// Opens an address, without waiting for the browser.
  ///
  /// - Parameters:
  ///   - address: such as `http://127.0.0.1:8080/`.
  ///   - done: called once, on any thread: with nil when the system's program for it has taken the address, else with what went
  ///     wrong, as part of a sentence.
  public static func open(_ address: String, done: @escaping @Sendable (_ failure: String?) -> Void) {
    let process = Process()
    // Finds the program on the path.
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program, address]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    process.terminationHandler = { process in
      switch process.terminationStatus {
      case 0: done(nil)
      case 127: done("\(program) is not installed")
      case let status: done("\(program) ended with status \(status)")
      }
    }
    do {
      try process.run()
    } catch {
      done("\(error.localizedDescription)")
    }
  }
}
