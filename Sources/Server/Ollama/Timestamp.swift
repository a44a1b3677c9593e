import Foundation

/// Moments as ollama writes them (RFC 3339).
enum Timestamp {
  static func text(_ moment: Date) -> String {
    Date.ISO8601FormatStyle(includingFractionalSeconds: true).format(moment)
  }
}
