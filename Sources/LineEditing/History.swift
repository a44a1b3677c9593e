package import Foundation

/// The lines typed before, oldest first; kept in a file so that the next chat knows them.
///
/// The file holds one JSON string per line, so that a text of several lines stays one entry. Where the file cannot be
/// read or written the history lives in memory only: a chat is worth more than its history.
package final class History {
  package static let limit = 1000

  package private(set) var entries: [String] = []
  private let file: URL?

  /// - Parameter file: nil keeps the history in memory.
  package init(file: URL? = nil) {
    self.file = file
    guard let file, let text = try? String(contentsOf: file, encoding: .utf8) else { return }
    let decoder = JSONDecoder()
    entries = text.split(separator: "\n").suffix(Self.limit).compactMap {
      try? decoder.decode(String.self, from: Data($0.utf8))
    }
  }

  /// `$XDG_STATE_HOME/powerinfer/history`, by default below `~/.local/state`.
  package static func defaultFile(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> URL? {
    let state =
      environment["XDG_STATE_HOME"].flatMap { $0.isEmpty ? nil : $0 }.map {
        URL(filePath: $0, directoryHint: .isDirectory)
      }
      ?? environment["HOME"].flatMap { $0.isEmpty ? nil : $0 }.map {
        URL(filePath: $0, directoryHint: .isDirectory).appending(path: ".local/state")
      }
    return state?.appending(path: "powerinfer/history")
  }

  /// Remembers a line, unless it is blank or the same as the last.
  package func add(_ line: String) {
    guard !line.allSatisfy(\.isWhitespace), line != entries.last else { return }
    entries.append(line)
    if entries.count > Self.limit { entries.removeFirst(entries.count - Self.limit) }
    save()
  }

  private func save() {
    guard let file else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    let lines = entries.compactMap { try? encoder.encode($0) }.map { String(decoding: $0, as: UTF8.self) + "\n" }
    let manager = FileManager.default
    // What people type is nobody else's business.
    try? manager.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
    try? Data(lines.joined().utf8).write(to: file, options: .atomic)
    try? manager.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
  }
}
