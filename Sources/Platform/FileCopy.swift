import Dispatch

#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Parts of a mapped file, read into memory of its own, in huge pages where the system has them. What lies between the parts takes
/// no memory.
// Unchecked: the memory is read-only once it is filled, and lives until `deinit`.
public final class FileCopy: @unchecked Sendable {
  private let pages: HugePages

  /// Reads parts of a file, several at once.
  ///
  /// - Parameters:
  ///   - file: from which to read; it may be closed afterwards.
  ///   - parts: byte ranges of the file that do not overlap, each about as large as what a processor's cache holds.
  ///   - perform: calls a function once for each number below a limit, in any order, and returns when all calls have; nil for threads of
  ///     the system's choice.
  ///   - finish: called with the number and the bytes of each part that was read, while these are still in the cache, by several
  ///     threads at once; it may change them.
  /// - Returns: nil where the system does not give so much memory.
  /// - Throws: `FileError` where the file cannot be read, or has become shorter.
  public init?(
    of file: MappedFile, parts: [Range<Int>],
    perform: ((_ iterations: Int, _ body: @Sendable (Int) -> Void) -> Void)? = nil,
    finish: @Sendable (Int, UnsafeMutableRawBufferPointer) -> Void
  ) throws(FileError) {
    guard let pages = HugePages(size: file.bytes.count) else { return nil }
    let codes = UnsafeMutableBufferPointer<Int32>.allocate(capacity: parts.count)
    defer { codes.deallocate() }
    // Every part has bytes and a result of its own.
    nonisolated(unsafe) let (target, results) = (pages.start, codes)
    let perform = perform ?? { DispatchQueue.concurrentPerform(iterations: $0, execute: $1) }
    perform(parts.count) { part in
      let range = parts[part]
      results[part] = Self.read(file.descriptor, into: target, range)
      guard results[part] == 0 else { return }
      finish(part, UnsafeMutableRawBufferPointer(start: target + range.lowerBound, count: range.count))
    }
    if let code = codes.first(where: { $0 != 0 }) {
      pages.giveBack()
      throw FileError(code, action: .read, path: file.path)
    }
    pages.protect()
    self.pages = pages
  }

  deinit { pages.giveBack() }

  /// Where the byte at an offset of the file lies in the copy.
  public func address(of offset: Int) -> UnsafeRawPointer { UnsafeRawPointer(pages.start + offset) }

  /// - Returns: 0, or the system's error.
  private static func read(_ descriptor: Int32, into start: UnsafeMutableRawPointer, _ range: Range<Int>) -> Int32 {
    var position = range.lowerBound
    while position < range.upperBound {
      let (count, code) = retryingInterrupts {
        pread(descriptor, start + position, range.upperBound - position, off_t(position))
      }
      if count < 0 { return code }
      // The file has become shorter.
      if count == 0 { return EIO }
      position += count
    }
    return 0
  }
}
