// The one place where the C library of the platform is named; the rest of this room uses what is declared here.

#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#else
  #error("powerinfer-swift runs on Linux and macOS only.")
#endif

/// Calls a C function that returns a negative number on failure, again when a signal interrupted it.
///
/// - Returns: what the function returned, or the value of `errno` as the error.
@inline(__always)
func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> (result: Result, code: Int32) {
  while true {
    let result = call()
    if result >= 0 { return (result, 0) }
    let code = errno
    if code != EINTR { return (result, code) }
  }
}

/// Writes all bytes, in as many calls as it takes.
///
/// - Returns: 0, or the value of `errno` as the error.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
  guard var position = bytes.baseAddress else { return 0 }
  var left = bytes.count
  // One call writes at most 2 GiB on Linux and fails above that on macOS.
  let most = 1 << 30
  while left > 0 {
    let (written, code) = retryingInterrupts { write(descriptor, position, min(left, most)) }
    guard written >= 0 else { return code }
    position += written
    left -= written
  }
  return 0
}

/// The system's sentence for an error code, such as "Input/output error".
func systemMessage(_ code: Int32) -> String {
  guard let text = strerror(code) else { return "error \(code)" }
  return String(cString: text)
}

extension String {
  /// The folder part of a path: "." when there is none, "/" for the root.
  var folderOfPath: String {
    guard let slash = lastIndex(of: "/") else { return "." }
    return slash == startIndex ? "/" : String(self[..<slash])
  }

  /// The part of a path after the last slash.
  var nameOfPath: String {
    guard let slash = lastIndex(of: "/") else { return self }
    return String(self[index(after: slash)...])
  }
}

/// What a path leads to, as far as this package asks.
enum PathKind {
  case file, folder, other, nothing

  init(_ path: String) {
    var information = stat()
    guard path.withSystemPath({ stat($0, &information) }) == 0 else {
      self = .nothing
      return
    }
    switch information.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder
    default: self = .other
    }
  }
}

/// Which file a path leads to, whatever it is called: two paths with the same identity are one file.
public struct FileIdentity: Hashable, Sendable {
  private let device: UInt64
  private let number: UInt64

  /// Nil where there is no such file.
  public init?(_ path: String) {
    var information = stat()
    guard path.withSystemPath({ stat($0, &information) }) == 0 else { return nil }
    device = UInt64(truncatingIfNeeded: information.st_dev)
    number = UInt64(truncatingIfNeeded: information.st_ino)
  }
}

/// What tells a version of a file from another without reading it: how long it is and when it was written.
public struct FileStamp: Hashable, Sendable {
  public let byteCount: Int
  /// Nanoseconds since 1970.
  public let modified: Int

  /// Nil where there is no such file.
  public init?(_ path: String) {
    var information = stat()
    guard path.withSystemPath({ stat($0, &information) }) == 0 else { return nil }
    byteCount = Int(truncatingIfNeeded: information.st_size)
    #if canImport(Darwin)
      let time = information.st_mtimespec
    #else
      let time = information.st_mtim
    #endif
    modified = Int(time.tv_sec) &* 1_000_000_000 &+ Int(time.tv_nsec)
  }
}

/// Whether a path leads to a folder.
package func isFolder(_ path: String) -> Bool { PathKind(path) == .folder }
