import Foundation
import PowerInfer
import PowerInferPlatform

/// Small files that a person names on the command line, read whole. The name `-` is standard input.
enum InputFile {
  static let standardInput = "-"

  /// - Throws: `FileError`, `InputError.unreadable`.
  static func data(_ path: String) throws -> Data {
    guard path == standardInput else { return Data(try wholeFile(path)) }
    do {
      return try FileHandle.standardInput.readToEnd() ?? Data()
    } catch {
      throw InputError.unreadable(path)
    }
  }

  /// The text of a file in UTF-8, without a byte order mark. Bytes that are no part of a character become U+FFFD, and a note says
  /// so: a diff or a log with a few of them is still a text.
  ///
  /// - Throws: `FileError`, `InputError`.
  static func text(_ path: String) throws -> String { try text(of: data(path), named: path) }

  /// - Throws: `InputError.otherEncoding` for a text that is not in UTF-8 at all.
  static func text(of data: Data, named path: String) throws(InputError) -> String {
    if data.starts(with: [0xFF, 0xFE]) || data.starts(with: [0xFE, 0xFF]) { throw .otherEncoding(path) }
    let bytes = data.starts(with: [0xEF, 0xBB, 0xBF]) ? data.dropFirst(3) : data
    if let text = String(validating: bytes, as: UTF8.self) { return text }
    StandardOutput.note(
      "Note: \(InputError.name(path)) is not all UTF-8; what is not was replaced by U+FFFD.\n")
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Why a file that a person named is no use.
enum InputError: Error, Equatable, CustomStringConvertible {
  case unreadable(String)
  case otherEncoding(String)
  /// Nil for a text on the command line.
  case empty(String?)
  case emptyText(String)
  case beingRead(String)
  case noConversations(String, RecordedChatError)

  var description: String {
    switch self {
    case .unreadable(let path): "\(Self.name(path)) cannot be read."
    case .otherEncoding(let path): "\(Self.name(path)) holds text in UTF-16, where UTF-8 was expected."
    case .empty(nil): "The prompt is empty: at least one character is needed."
    case .empty(let path?): "\(Self.name(path)) is empty, where a prompt of at least one character was expected."
    case .emptyText(let path): "\(Self.name(path)) is empty, where a text was expected."
    case .beingRead(let path): "\(Self.name(path)) is being read; the result needs another name."
    case .noConversations(let path, let error): "\(Self.name(path)) holds no conversations. \(error)"
    }
  }

  static func name(_ path: String) -> String {
    path == InputFile.standardInput ? "Standard input" : "The file \"\(path)\""
  }
}
