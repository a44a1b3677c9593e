#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A lock that one process at a time can hold, and that ends with the process however it ends.
public final class FileLock: Sendable {
  private let descriptor: Int32

  /// Nil where another process holds it.
  ///
  /// - Parameter path: of a file that is made for it, if it is not there.
  public init?(_ path: String) throws(FileError) {
    let (opened, code) = retryingInterrupts {
      path.withSystemPath { open($0, O_RDWR | O_CREAT | O_CLOEXEC, 0o666) }
    }
    guard opened >= 0 else { throw FileError(code, action: .create, path: path) }
    guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      close(opened)
      // A file system without locks refuses nobody.
      if code == EWOULDBLOCK { return nil }
      descriptor = -1
      return
    }
    descriptor = opened
  }

  deinit { if descriptor >= 0 { close(descriptor) } }
}
