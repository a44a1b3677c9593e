import PowerInferPlatform

/// Whoever read our output is gone; there is nobody to tell.
struct OutputClosed: Error {}

/// Text on the standard streams, at once and unbuffered.
enum StandardOutput {
  /// - Throws: `OutputClosed` where nobody reads any more; `StreamError` where the text cannot be written, for example to
  ///   a full disk.
  static func write(_ text: String) throws {
    do {
      try Terminal.Stream.output.write(text)
    } catch .closed {
      throw OutputClosed()
    }
  }

  /// Text on standard error; lost where nobody reads it.
  static func note(_ text: String) {
    try? Terminal.Stream.error.write(text.withoutSystemBytes)
  }
}
