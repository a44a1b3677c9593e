#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that appears complete or not at all, and whose beginning outlives the process that writes it.
///
/// Bytes go to a hidden file beside the target, always of the same name (`.NAME.part`), which stays until `commit()` renames
/// it over the target or `discard()` removes it: whoever opens it again finds what was written and can go on. A lock keeps
/// two processes from writing it at once. Not for use by two threads at once.
public final class ResumableFile {
  /// Where the file will be after `commit()`.
  public let path: String
  /// Where it is until then.
  public let temporaryPath: String
  /// Bytes in the file; more are written behind them.
  public private(set) var count: Int

  private var descriptor: Int32

  /// Opens what is there of the file, or begins it.
  public init(_ path: String) throws(FileError) {
    switch PathKind(path) {
    case .folder: throw .isFolder(path: path)
    case .other: throw .notRegular(path: path)
    case .file, .nothing: break
    }
    self.path = path
    let folder = path.folderOfPath
    let temporaryPath =
      (path.contains("/") ? (folder == "/" ? "/" : folder + "/") : "") + "." + path.nameOfPath + ".part"
    self.temporaryPath = temporaryPath
    let (opened, code) = retryingInterrupts {
      temporaryPath.withSystemPath { open($0, O_RDWR | O_CREAT | O_CLOEXEC, 0o666) }
    }
    guard opened >= 0 else { throw FileError(code, action: .create, path: path) }
    descriptor = opened
    // Some file systems cannot lock; that is no reason not to write there.
    if flock(opened, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      close(opened)
      descriptor = -1
      throw .other(action: .write, path: path, reason: "another process is writing it")
    }
    let end = lseek(opened, 0, SEEK_END)
    guard end >= 0 else {
      let code = errno
      close(opened)
      descriptor = -1
      throw FileError(code, action: .write, path: path)
    }
    count = Int(end)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Cuts off what lies behind the first `length` bytes.
  public func truncate(to length: Int) throws(FileError) {
    guard descriptor >= 0 else { throw .alreadyCommitted(path: path) }
    if length != count {
      let (cut, code) = retryingInterrupts { ftruncate(descriptor, off_t(length)) }
      guard cut >= 0 else { throw FileError(code, action: .write, path: path) }
    }
    guard lseek(descriptor, off_t(length), SEEK_SET) >= 0 else { throw FileError(errno, action: .write, path: path) }
    count = length
  }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard descriptor >= 0 else { throw .alreadyCommitted(path: path) }
    let code = writeAll(bytes, to: descriptor)
    if code != 0 { throw FileError(code, action: .write, path: path) }
    count += bytes.count
  }

  /// Flushes what was written to the disk.
  public func synchronize() throws(FileError) {
    guard descriptor >= 0 else { throw .alreadyCommitted(path: path) }
    let (synced, code) = retryingInterrupts { fsync(descriptor) }
    // Some file systems cannot flush on request and say so with EINVAL; that is no reason to lose the file.
    if synced < 0, code != EINVAL { throw FileError(code, action: .write, path: path) }
  }

  /// Flushes everything to the disk and gives the file its name, replacing what was there. Where that fails, what was written
  /// stays, and it can be tried again.
  public func commit() throws(FileError) {
    try synchronize()
    guard renameFile(temporaryPath, path) == 0 else { throw FileError(errno, action: .putInPlace, path: path) }
    close(descriptor)
    descriptor = -1
    let folder = path.folderOfPath.withSystemPath { open($0, O_RDONLY | O_CLOEXEC) }
    guard folder >= 0 else { return }
    _ = fsync(folder)
    close(folder)
  }

  /// Removes what was written.
  public func discard() {
    guard descriptor >= 0 else { return }
    removeFile(temporaryPath)
    close(descriptor)
    descriptor = -1
  }
}

/// Removes a file; nothing happens where there is none.
package func removeFile(_ path: String) { _ = path.withSystemPath { unlink($0) } }

func renameFile(_ path: String, _ target: String) -> Int32 {
  path.withSystemPath { path in target.withSystemPath { rename(path, $0) } }
}
