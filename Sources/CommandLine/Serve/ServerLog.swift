import Foundation
import Logging

/// Where and how a server writes down what happens: lines on standard error.
struct ServerLog: Sendable {
  enum Format: String, Sendable { case text, json }

  var level = Logger.Level.info
  var format = Format.text

  var logger: Logger {
    let (level, format) = (level, format)
    return Logger(label: "powerinfer") { _ in LineLogHandler(format: format, logLevel: level) }
  }
}

/// A line for every event: for people, or JSON.
///
/// A line that cannot be written, because the disk is full or nobody reads any more, is left out.
struct LineLogHandler: LogHandler {
  var format: ServerLog.Format
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  init(format: ServerLog.Format, logLevel: Logger.Level) {
    self.format = format
    self.logLevel = logLevel
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    StandardOutput.note(line(event.level, "\(event.message)", all, at: Date()) + "\n")
  }

  func line(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata, at moment: Date) -> String {
    let time = Date.ISO8601FormatStyle(includingFractionalSeconds: true).format(moment)
    // Hummingbird has a number of its own for the request.
    let pairs = metadata.filter { $0.key != "hb.request.id" }.map { ($0.key, "\($0.value)") }
    switch format {
    case .json:
      var fields = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
      fields["time"] = time
      fields["level"] = level.rawValue
      fields["message"] = message
      return (try? JSON.text(fields, pretty: false)) ?? ""
    case .text:
      let rest = pairs.sorted { $0.0 < $1.0 }.map { " \($0.0)=\(Self.quoted($0.1))" }.joined()
      return "\(time) \(level.rawValue) \(Self.escaped(message))\(rest)"
    }
  }

  /// What a client sends must not look like another line.
  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.map { $0.properties.generalCategory == .control ? $0.escaped(asASCII: true) : String($0) }
      .joined()
  }

  private static func quoted(_ text: String) -> String {
    let text = escaped(text)
    return text.contains(where: { $0 == " " || $0 == "\"" }) || text.isEmpty
      ? "\"\(text.replacing("\"", with: "\\\""))\"" : text
  }
}
