#if canImport(Glibc)
  @preconcurrency import Glibc
#elseif canImport(Musl)
  @preconcurrency import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Memory in pages of 2 MiB, as far as the system gives them.
public struct HugePages {
  /// Aligned to a page.
  public let start: UnsafeMutableRawPointer
  /// All that was asked for, `start` somewhere in its beginning.
  private let region: UnsafeMutableRawBufferPointer
  private let size: Int

  /// In bytes.
  public static let pageSize = 2 << 20

  /// Whether the system gives huge pages to who asks for them.
  public static var areAvailable: Bool {
    let setting = smallFile("/sys/kernel/mm/transparent_hugepage/enabled") ?? ""
    return setting.contains("[always]") || setting.contains("[madvise]")
  }

  /// - Parameter size: in bytes.
  /// - Returns: nil where the system has no such memory.
  public init?(size: Int) {
    let length = size + Self.pageSize
    guard let base = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0), base != MAP_FAILED else {
      return nil
    }
    self.size = size
    region = UnsafeMutableRawBufferPointer(start: base, count: length)
    start = base.alignedUp(toMultipleOf: Self.pageSize)
    Self.use(for: start, size: size)
  }

  /// Asks the system to give huge pages for memory that was not written yet. It falls back to ordinary ones.
  ///
  /// - Parameters:
  ///   - start: aligned to ``pageSize``.
  ///   - size: in bytes.
  public static func use(for start: UnsafeMutableRawPointer, size: Int) {
    #if os(Linux)
      madvise(start, size, Int32(MADV_HUGEPAGE))
    #endif
  }

  /// From now on writing to it is a fault.
  public func protect() { mprotect(start, size, PROT_READ) }

  /// The memory is gone; nothing may point to it.
  public func giveBack() { munmap(region.baseAddress, region.count) }
}
