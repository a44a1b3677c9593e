import Foundation
import PowerInferKernels
import PowerInferPlatform

extension MemoryBandwidth {
  /// The memory that is measured: one part per thread, each part three stretches of pages. A pass moves every byte once.
  final class Buffer {
    /// Large enough that the pages of no system are larger, so that no two threads touch one page.
    private static let pageBytes = 1 << 16

    private let parts: Int
    /// Of a third of a part; an even number of pages.
    private let stretchBytes: Int
    let base: UnsafeMutableRawPointer

    var byteCount: Int { 3 * stretchBytes * parts }

    /// - Throws: ``MemoryBandwidthError/notEnoughMemory(bytes:limit:)``.
    init(bytes: Int, parts: Int) throws {
      let limit = Memory.limit
      let unit = 6 * Self.pageBytes * parts
      let (rounded, overflow) = max(bytes, 1).addingReportingOverflow(unit - 1)
      let total = rounded / unit * unit
      guard !overflow, total <= limit / 2, Memory.canAllocate(total) else {
        throw MemoryBandwidthError.notEnoughMemory(bytes: overflow ? .max : total, limit: limit)
      }
      self.parts = parts
      stretchBytes = total / 3 / parts
      var memory: UnsafeMutableRawPointer?
      guard posix_memalign(&memory, Self.pageBytes, total) == 0, let memory else {
        throw MemoryBandwidthError.notEnoughMemory(bytes: total, limit: limit)
      }
      base = memory
    }

    deinit { free(base) }

    /// Writes every page, by the thread that will read it: the system gives a page from the memory next to the
    /// processor that touches it first.
    func fill(part: Int) {
      let words = Self.pageBytes / 8
      for page in pages(ofPart: part) {
        (base + page * Self.pageBytes).initializeMemory(as: UInt64.self, repeating: Self.word(page: page), count: words)
      }
    }

    /// One pass over a part.
    ///
    /// - Returns: for a reading pass, the sum of the part's words; else 0.
    func pass(_ kind: Kind, part: Int, _ kernels: Kernels) -> UInt64 {
      let start = base + 3 * stretchBytes * part
      switch kind {
      case .read:
        return kernels.sumLines(start, count: 3 * stretchBytes / 64)
      case .copy:
        let half = 3 * stretchBytes / 2
        (start + half).copyMemory(from: start, byteCount: half)
      case .triad:
        let count = stretchBytes / 4
        kernels.triad(
          start.assumingMemoryBound(to: Float.self), (start + stretchBytes).assumingMemoryBound(to: Float.self),
          factor: 3, count: count, into: (start + 2 * stretchBytes).assumingMemoryBound(to: Float.self))
      }
      return 0
    }

    /// The sum of what the parts' passes return.
    func expected(_ kind: Kind) -> UInt64 {
      guard kind == .read else { return 0 }
      let words = UInt64(Self.pageBytes / 8)
      return (0..<byteCount / Self.pageBytes).reduce(0) { $0 &+ Self.word(page: $1) &* words }
    }

    private func pages(ofPart part: Int) -> Range<Int> {
      let count = 3 * stretchBytes / Self.pageBytes
      return part * count..<(part + 1) * count
    }

    /// Two floats from 1 to 2, for arithmetic with denormals or NaN can be slow; another word in every page.
    private static func word(page: Int) -> UInt64 {
      let mixed = UInt64(page + 1) &* 0x9E37_79B9_7F4A_7C15
      return mixed & 0x007F_FFFF_007F_FFFF | 0x3F80_0000_3F80_0000
    }
  }
}
