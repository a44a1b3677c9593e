import Foundation
import PowerInferPlatform

/// Small files that a person names on the command line, read whole. The name `-` is standard input.
enum InputFile {
  static let standardInput = "-"

  /// - Throws: `FileError`, `InputError.unreadable`.
  static func data(_ path: String) throws -> Data {
    if path == standardInput { return try read(.standardInput, named: path) }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw FileError.missing(path: path)
    }
    if isFolder.boolValue { throw FileError.isFolder(path: path) }
    return try read(FileHandle(forReadingAtPath: path), named: path)
  }

  /// Reads to the end, whatever it is that is read: the shell's `<(command)` names a pipe.
  private static func read(_ file: FileHandle?, named path: String) throws -> Data {
    do {
      guard let file else { throw InputError.unreadable(path) }
      return try file.readToEnd() ?? Data()
    } catch {
      throw InputError.unreadable(path)
    }
  }

  /// - Throws: `FileError`, `InputError`.
  static func text(_ path: String) throws -> String {
    guard let text = String(validating: try data(path), as: UTF8.self) else { throw InputError.notUTF8(path) }
    return text
  }
}

/// Why a file that a person named is no use.
enum InputError: Error, Equatable, CustomStringConvertible {
  case unreadable(String)
  case notUTF8(String)
  /// Nil for a text on the command line.
  case empty(String?)
  case emptyText(String)
  case beingRead(String)

  var description: String {
    switch self {
    case .unreadable(let path): "\(Self.name(path)) cannot be read."
    case .notUTF8(let path): "\(Self.name(path)) does not hold UTF-8 text, which was expected."
    case .empty(nil): "The prompt is empty: at least one character is needed."
    case .empty(let path?): "\(Self.name(path)) is empty, where a prompt of at least one character was expected."
    case .emptyText(let path): "\(Self.name(path)) is empty, where a text was expected."
    case .beingRead(let path): "\(Self.name(path)) is being read; the result needs another name."
    }
  }

  private static func name(_ path: String) -> String {
    path == InputFile.standardInput ? "Standard input" : "The file \"\(path)\""
  }
}
