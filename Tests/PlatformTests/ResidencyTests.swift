import Foundation
import Testing

@testable import PowerInferPlatform

/// Files that are read into memory of their own are the files that would have been mapped.
@Suite struct ResidencyTests {
  private func withFile(_ count: Int, _ body: (_ path: String, _ content: [UInt8]) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "powerinfer-residency-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var random = SystemRandomNumberGenerator()
    let content = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    try Data(content).write(to: URL(fileURLWithPath: path))
    try body(path, content)
  }

  /// Below a page, across several stretches of reading, and nothing at all.
  @Test(arguments: [0, 1, 5000, (8 << 20) + 1, 17 << 20], Residency.allCases)
  func sameBytes(count: Int, residency: Residency) throws {
    try withFile(count) { path, content in
      let file = try MappedFile(path, residency: residency)
      #expect(file.bytes.count == count && file.bytes.elementsEqual(content))
      file.advise(.willNeed)
    }
  }

  /// Pages of memory of its own would come back as zeros.
  @Test(arguments: Residency.allCases) func releasedPagesKeepTheirContent(residency: Residency) throws {
    try withFile(100_000) { path, content in
      let file = try MappedFile(path, residency: residency)
      file.release(file.bytes)
      file.release(UnsafeRawBufferPointer(rebasing: file.bytes[5000..<50_000]))
      #expect(file.bytes.elementsEqual(content))
    }
  }

  @Test func aCopyOutlivesItsFile() throws {
    try withFile(10000) { path, content in
      let file = try MappedFile(path, residency: .copied)
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try handle.truncate(atOffset: 0)
      #expect(file.bytes.elementsEqual(content))
    }
  }

  @Test func errorsAreThoseOfMapping() throws {
    for residency in Residency.allCases {
      #expect(throws: FileError.self) { try MappedFile("/nowhere/at/all", residency: residency) }
      #expect(throws: FileError.self) { try MappedFile(NSTemporaryDirectory(), residency: residency) }
    }
  }

  @Test func copiesWhatFits() {
    #expect(!Residency.mapped.copies(1) && Residency.copied.copies(.max))
    #expect(Residency.automatic.copies(1) == HugePages.areAvailable)
    #expect(!Residency.automatic.copies(Memory.available))
    // More than there is makes no memory, and the caller maps.
    #expect(HugePages(size: 1 << 60) == nil)
  }

  @Test func availableMemory() throws {
    #expect(Memory.available > 0 && Memory.available <= Memory.limit)
    func available(_ text: String) throws -> Int? {
      let root = try FakeRoot(["proc/meminfo": text])
      return withExtendedLifetime(root) { Memory.available(root: root.path) }
    }
    #expect(try available("MemTotal: 9 kB\nMemAvailable:   24225908 kB\nBuffers: 1 kB") == 24_225_908 << 10)
    #expect(try available("MemTotal: 9 kB") == nil && available("MemAvailable: much kB") == nil)
  }
}
