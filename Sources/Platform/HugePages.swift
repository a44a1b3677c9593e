import Dispatch

#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How a file comes into memory.
public enum Residency: String, Sendable, CaseIterable {
  /// Mapped: nothing is read before it is touched, and processes share what was.
  case mapped
  /// Read at once into memory of its own, in huge pages where the system has them: a processor that jumps from row to row
  /// spends much of its time on finding small pages, most of all in a virtual machine.
  case copied
  /// ``copied`` where the system has huge pages and the file takes at most half of the memory that is free, else ``mapped``.
  case automatic

  /// Whether a file of so many bytes is to be read into memory of its own.
  func copies(_ size: Int) -> Bool {
    switch self {
    case .mapped: false
    case .copied: true
    case .automatic: HugePages.areAvailable && size <= Memory.available / 2
    }
  }
}

/// Memory in pages of 2 MiB, as far as the system gives them.
struct HugePages {
  let start: UnsafeMutableRawPointer
  /// All that was asked for, `start` somewhere in its beginning.
  let region: UnsafeMutableRawBufferPointer
  private let size: Int

  private static let pageSize = 2 << 20
  private static let chunk = 8 << 20

  /// Whether the system gives huge pages to who asks for them.
  static var areAvailable: Bool {
    let setting = smallFile("/sys/kernel/mm/transparent_hugepage/enabled") ?? ""
    return setting.contains("[always]") || setting.contains("[madvise]")
  }

  /// - Returns: nil where the system has no such memory.
  init?(size: Int) {
    let length = size + Self.pageSize
    guard let base = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0), base != MAP_FAILED else {
      return nil
    }
    self.size = size
    region = UnsafeMutableRawBufferPointer(start: base, count: length)
    start = base.alignedUp(toMultipleOf: Self.pageSize)
    #if os(Linux)
      // Falls back to ordinary pages.
      madvise(start, size, Int32(MADV_HUGEPAGE))
    #endif
  }

  /// Fills the memory with the file's content, several stretches at once, and makes it read-only.
  ///
  /// - Throws: `FileError`, after giving the memory back.
  func read(_ descriptor: Int32, path: String) throws(FileError) {
    let chunks = (size + Self.chunk - 1) / Self.chunk
    let codes = UnsafeMutableBufferPointer<Int32>.allocate(capacity: chunks)
    defer { codes.deallocate() }
    // Every chunk has bytes and a result of its own.
    nonisolated(unsafe) let (target, results) = (start, codes)
    let size = size
    DispatchQueue.concurrentPerform(iterations: chunks) { chunk in
      results[chunk] = Self.read(descriptor, into: target, chunk * Self.chunk..<min(size, (chunk + 1) * Self.chunk))
    }
    if let code = codes.first(where: { $0 != 0 }) {
      munmap(region.baseAddress, region.count)
      throw FileError(code, action: .read, path: path)
    }
    mprotect(start, size, PROT_READ)
  }

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
