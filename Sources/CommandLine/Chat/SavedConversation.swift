import Foundation
import PowerInfer
import PowerInferPlatform

/// A conversation as `/save` writes it: JSON with the messages as chat APIs have them.
struct SavedConversation: Codable, Equatable {
  var messages: [Message]

  init(messages: [Message]) {
    self.messages = messages
  }

  /// - Throws: `FileError` and `InputError` where the file cannot be read, `SavedConversationError` where it holds
  ///   something else.
  init(contentsOf path: String) throws {
    let data = try InputFile.data(Self.expanded(path))
    do {
      self = try JSONDecoder().decode(Self.self, from: data)
    } catch {
      throw SavedConversationError.notAConversation(path)
    }
  }

  /// Writes the file whole or not at all.
  ///
  /// - Throws: `FileError`.
  func write(to path: String) throws {
    let file = try AtomicFile(Self.expanded(path))
    try file.write(try JSON.text(self) + "\n")
    try file.commit()
  }

  /// The path with the home folder for a leading `~`, which no shell has replaced here.
  private static func expanded(_ path: String) -> String {
    NSString(string: path).expandingTildeInPath
  }
}

enum SavedConversationError: Error, Equatable, CustomStringConvertible {
  case notAConversation(String)

  var description: String {
    switch self {
    case .notAConversation(let path):
      "The file \(path) does not hold a conversation: expected JSON with \"messages\", each with \"role\" and "
        + "\"content\"."
    }
  }
}
