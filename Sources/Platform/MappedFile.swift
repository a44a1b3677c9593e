import Synchronization

#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A whole file as read-only memory: mapped, so that pages are read when first touched and shared between processes.
///
/// A mapped file must not be shortened while it is mapped: touching a page that is gone ends the process (SIGBUS), as with
/// every memory-mapped file, unless it uses ``ShortenedFiles``. Replacing it by renaming another over it, as `AtomicFile` does, is safe.
// Unchecked: the memory is read-only and lives until `deinit`.
public final class MappedFile: @unchecked Sendable {
  /// The path the file was opened by.
  public let path: String
  /// The content, page-aligned; valid while this object lives.
  public let bytes: UnsafeRawBufferPointer

  /// How a range of the file is going to be used.
  public enum Advice: Sendable {
    case sequential, random, willNeed
  }

  /// Open as long as this object lives, so that a copy is of the very file that is mapped.
  let descriptor: Int32
  /// nil for an empty file, and where too many are watched.
  private let place: Int?

  /// Opens the file at `path`.
  public init(_ path: String) throws(FileError) {
    // Without it a pipe is waited for until somebody writes to it.
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK
    let (descriptor, openCode) = retryingInterrupts { path.withSystemPath { open($0, flags) } }
    guard descriptor >= 0 else { throw FileError(openCode, action: .open, path: path) }
    do throws(FileError) {
      bytes = try Self.map(descriptor, path)
    } catch {
      close(descriptor)
      throw error
    }
    self.path = path
    self.descriptor = descriptor
    place = ShortenedFiles.add(bytes)
  }

  /// Whether a page was gone that somebody read, who found zeros there; see ``ShortenedFiles``.
  public var isDamaged: Bool {
    place.map { ShortenedFiles.places[$0].isDamaged.load(ordering: .acquiring) } ?? false
  }

  private static func map(_ descriptor: Int32, _ path: String) throws(FileError) -> UnsafeRawBufferPointer {
    var information = stat()
    guard fstat(descriptor, &information) == 0 else { throw FileError(errno, action: .read, path: path) }
    switch information.st_mode & S_IFMT {
    case S_IFREG: break
    case S_IFDIR: throw .isFolder(path: path)
    default: throw .other(action: .map, path: path, reason: "it is not a regular file")
    }
    guard let size = Int(exactly: information.st_size) else {
      throw .tooLarge(path: path, bytes: UInt64(clamping: information.st_size))
    }
    guard size > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    guard let start = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
      throw FileError(errno, action: .map, path: path)
    }
    return UnsafeRawBufferPointer(start: start, count: size)
  }

  deinit {
    if let place { ShortenedFiles.remove(place) }
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    close(descriptor)
  }

  /// Tells the system how `range` (byte offsets; the whole file when nil) will be read. A hint: it never fails.
  public func advise(_ advice: Advice, range: Range<Int>? = nil) {
    guard let start = bytes.baseAddress else { return }
    let wanted = (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count)
    guard !wanted.isEmpty else { return }
    let page = max(1, Int(sysconf(Int32(_SC_PAGESIZE))))
    let lower = wanted.lowerBound / page * page
    let hint =
      switch advice {
      case .sequential: POSIX_MADV_SEQUENTIAL
      case .random: POSIX_MADV_RANDOM
      case .willNeed: POSIX_MADV_WILLNEED
      }
    _ = posix_madvise(UnsafeMutableRawPointer(mutating: start + lower), wanted.upperBound - lower, hint)
  }

  /// Gives back the memory of pages that lie wholly inside `part` of the content: for what is read once, so that a process
  /// that goes through a large file does not come to hold all of it. They are read again if they are touched again.
  public func release(_ part: UnsafeRawBufferPointer) {
    guard let start = part.baseAddress, bytes.contains(part) else { return }
    let page = UInt(max(1, Int(sysconf(Int32(_SC_PAGESIZE)))))
    let lower = (UInt(bitPattern: start) + page - 1) / page * page
    let upper = (UInt(bitPattern: start) + UInt(part.count)) / page * page
    guard lower < upper, let first = UnsafeMutableRawPointer(bitPattern: lower) else { return }
    // Not posix_madvise, whose advice of this name the GNU C library does not follow.
    _ = madvise(first, Int(upper - lower), MADV_DONTNEED)
  }
}

extension UnsafeRawBufferPointer {
  /// Whether another buffer lies inside this one.
  fileprivate func contains(_ part: UnsafeRawBufferPointer) -> Bool {
    guard let start = baseAddress, let other = part.baseAddress else { return false }
    return other >= start && part.count <= count && other - start <= count - part.count
  }
}
