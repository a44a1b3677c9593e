import Foundation

/// Whoever read our output is gone; there is nobody to tell.
struct OutputClosed: Error {}

/// Text on the standard streams, at once and unbuffered.
enum StandardOutput {
  /// - Throws: `OutputClosed` where nobody reads any more.
  static func write(_ text: String) throws {
    try write(text, to: .standardOutput)
  }

  /// Text on standard error; lost where nobody reads it.
  static func note(_ text: String) {
    try? write(text, to: .standardError)
  }

  private static func write(_ text: String, to file: FileHandle) throws {
    do {
      try file.write(contentsOf: Data(text.utf8))
    } catch {
      throw OutputClosed()
    }
  }
}
