#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why a file could not be opened, read or written.
public enum FileError: Error, Equatable, CustomStringConvertible {
  /// What was being done when it failed.
  public enum Action: String, Sendable {
    case open, read, map, create, write
    case putInPlace = "put in place"
  }

  case missing(path: String)
  case missingFolder(path: String, folder: String)
  case isFolder(path: String)
  case notRegular(path: String)
  case denied(action: Action, path: String)
  case diskFull(path: String)
  case tooLarge(path: String, bytes: UInt64)
  case alreadyCommitted(path: String)
  /// Of a mapped file, some of which is gone.
  case shortened(path: String)
  case other(action: Action, path: String, reason: String)
  /// All was written, but the file could not be given its name.
  indirect case notInPlace(FileError, complete: String)

  public var description: String {
    switch self {
    case .missing(let path):
      "There is no file \"\(path)\"."
    case .missingFolder(let path, let folder):
      "\"\(path)\" cannot be created: there is no folder \"\(folder)\"."
    case .isFolder(let path):
      "\"\(path)\" is a folder, where a file was expected."
    case .notRegular(let path):
      "\"\(path)\" is a device or a pipe, where a file was expected."
    case .denied(let action, let path):
      "There is no permission to \(action.rawValue) \"\(path)\"."
    case .diskFull(let path):
      "The disk is full: \"\(path)\" could not be written."
    case .tooLarge(let path, let bytes):
      "\"\(path)\" has \(bytes) bytes, more than this machine can address."
    case .alreadyCommitted(let path):
      "\"\(path)\" was finished already; nothing more can be written to it."
    case .shortened(let path):
      "\"\(path)\" became shorter, or could not be read any more, while it was in use."
    case .other(let action, let path, let reason):
      "\"\(path)\" could not be \(FileError.participle(of: action)): \(reason)."
    case .notInPlace(let error, let complete):
      error.description.dropLast() + "; all that was to be in it is in \"\(complete)\"."
    }
  }

  private static func participle(of action: Action) -> String {
    switch action {
    case .open: "opened"
    case .read: "read"
    case .map: "mapped into memory"
    case .create: "created"
    case .write: "written"
    case .putInPlace: "put in place"
    }
  }

  /// The error for a C function's `errno`.
  init(_ code: Int32, action: Action, path: String) {
    switch code {
    case ENOENT, ENOTDIR:
      let folder = path.folderOfPath
      if action == .create, PathKind(folder) != .folder {
        self = .missingFolder(path: path, folder: folder)
      } else if action == .create, !path.isEmpty {
        self = .other(action: action, path: path, reason: systemMessage(code))
      } else {
        self = .missing(path: path)
      }
    case EACCES, EPERM, EROFS: self = .denied(action: action, path: path)
    case EISDIR: self = .isFolder(path: path)
    case ENOSPC, EDQUOT: self = .diskFull(path: path)
    default: self = .other(action: action, path: path, reason: systemMessage(code))
    }
  }
}
