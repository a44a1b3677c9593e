import Foundation
import Inference

/// A conversation as `/save` writes it: JSON with the messages as chat APIs have them.
struct SavedConversation: Codable, Equatable {
  var messages: [Message]

  init(messages: [Message]) {
    self.messages = messages
  }

  /// - Throws: `SavedConversationError` where the file cannot be read or holds something else.
  init(contentsOf path: String) throws {
    let data: Data
    do {
      data = try Data(contentsOf: Self.url(path))
    } catch {
      throw SavedConversationError.unreadable(path)
    }
    do {
      self = try JSONDecoder().decode(Self.self, from: data)
    } catch {
      throw SavedConversationError.notAConversation(path)
    }
  }

  /// Writes the file whole or not at all.
  func write(to path: String) throws {
    let text = try JSON.text(self) + "\n"
    do {
      try Data(text.utf8).write(to: Self.url(path), options: .atomic)
    } catch {
      throw SavedConversationError.unwritable(path)
    }
  }

  private static func url(_ path: String) -> URL {
    URL(filePath: NSString(string: path).expandingTildeInPath)
  }
}

enum SavedConversationError: Error, Equatable, CustomStringConvertible {
  case unreadable(String)
  case notAConversation(String)
  case unwritable(String)

  var description: String {
    switch self {
    case .unreadable(let path): "The file \(path) cannot be read."
    case .notAConversation(let path):
      "The file \(path) does not hold a conversation: expected JSON with \"messages\", each with \"role\" and "
        + "\"content\"."
    case .unwritable(let path): "The file \(path) cannot be written."
    }
  }
}
