#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that appears complete or not at all.
///
/// Bytes go to a temporary name beside the target. `commit()` flushes them to the disk and renames the file over the
/// target; an object dropped without a commit removes it. Where all is written but cannot be given its name, it stays under
/// the temporary one: it may be the work of hours. Not for use by two threads at once.
public final class AtomicFile {
  /// Where the file will be after `commit()`.
  public let path: String
  /// Where it is until then.
  public let temporaryPath: String
  /// Bytes written so far.
  public private(set) var count = 0

  private var descriptor: Int32
  private var buffer: UnsafeMutableRawBufferPointer
  private var buffered = 0

  /// Large enough that a write call's cost vanishes beside copying the bytes.
  private static let bufferSize = 1 << 20

  /// Creates the temporary file beside `path`.
  public init(_ path: String) throws(FileError) {
    switch PathKind(path) {
    case .folder: throw .isFolder(path: path)
    // Renaming over a device would replace the device itself.
    case .other: throw .notRegular(path: path)
    case .file, .nothing: break
    }
    self.path = path
    let folder = path.folderOfPath
    let prefix = (path.contains("/") ? (folder == "/" ? "/" : folder + "/") : "") + "." + path.nameOfPath
    // A random part, so that two processes that write the same target do not meet.
    while true {
      let candidate = prefix + ".part-" + String(UInt32.random(in: .min ... .max), radix: 36)
      let (opened, code) = retryingInterrupts {
        candidate.withSystemPath { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
      }
      if opened >= 0 {
        descriptor = opened
        temporaryPath = candidate
        break
      }
      if code != EEXIST { throw FileError(code, action: .create, path: path) }
    }
    buffer = .allocate(byteCount: AtomicFile.bufferSize, alignment: 64)
  }

  deinit {
    if descriptor >= 0 {
      close(descriptor)
      removeFile(temporaryPath)
    }
    buffer.deallocate()
  }

  /// Appends bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    guard descriptor >= 0 else { throw .alreadyCommitted(path: path) }
    count += bytes.count
    if bytes.count >= buffer.count {
      try flush()
      try writeThrough(bytes)
      return
    }
    var rest = bytes[...]
    while !rest.isEmpty {
      let length = min(rest.count, buffer.count - buffered)
      UnsafeMutableRawBufferPointer(rebasing: buffer[buffered..<(buffered + length)])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest.prefix(length)))
      buffered += length
      rest = rest.dropFirst(length)
      if buffered == buffer.count { try flush() }
    }
  }

  /// Appends bytes.
  public func write(_ bytes: [UInt8]) throws(FileError) {
    // The buffer pointer and not `withUnsafeBytes`: only the former keeps the type of the error.
    try bytes.withUnsafeBufferPointer { (elements: UnsafeBufferPointer<UInt8>) throws(FileError) in
      try write(UnsafeRawBufferPointer(elements))
    }
  }

  /// Appends the UTF-8 bytes of a text.
  public func write(_ text: String) throws(FileError) {
    try write(Array(text.utf8))
  }

  /// Flushes everything to the disk and gives the file its name, replacing what was there.
  public func commit() throws(FileError) {
    guard descriptor >= 0 else { throw .alreadyCommitted(path: path) }
    try flush()
    let (synced, syncCode) = retryingInterrupts { fsync(descriptor) }
    // Some file systems cannot flush on request and say so with EINVAL; that is no reason to lose the file.
    if synced < 0, syncCode != EINVAL { throw FileError(syncCode, action: .write, path: path) }
    let renamingCode = renameFile(temporaryPath, path) == 0 ? 0 : errno
    let written = descriptor
    descriptor = -1
    // A network disk may report only here that it ran out of room.
    let closingCode = close(written) == 0 || errno == EINTR ? 0 : errno
    if renamingCode != 0 {
      throw .notInPlace(FileError(renamingCode, action: .putInPlace, path: path), complete: temporaryPath)
    }
    if closingCode != 0 { throw FileError(closingCode, action: .write, path: path) }
    syncFolder()
  }

  /// Makes the new name itself survive a power cut; a best effort, for not every file system can.
  private func syncFolder() {
    let folder = path.folderOfPath.withSystemPath { open($0, O_RDONLY | O_CLOEXEC) }
    guard folder >= 0 else { return }
    _ = fsync(folder)
    close(folder)
  }

  private func flush() throws(FileError) {
    let pending = UnsafeRawBufferPointer(rebasing: buffer[..<buffered])
    buffered = 0
    try writeThrough(pending)
  }

  private func writeThrough(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    let code = writeAll(bytes, to: descriptor)
    if code != 0 { throw FileError(code, action: .write, path: path) }
  }
}
