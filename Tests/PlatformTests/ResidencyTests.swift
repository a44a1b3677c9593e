import Foundation
import Synchronization
import Testing

@testable import PowerInferPlatform

/// Parts of files that are read into memory of their own are the parts that are mapped.
@Suite struct ResidencyTests {
  private func withFile(_ count: Int, _ body: (_ path: String, _ content: [UInt8]) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "powerinfer-residency-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var random = SystemRandomNumberGenerator()
    let words = (0..<count / 8 + 1).map { _ in random.next() }
    let content = words.withUnsafeBytes { [UInt8]($0.prefix(count)) }
    try Data(content).write(to: URL(fileURLWithPath: path))
    try body(path, content)
  }

  /// In one call, for an element at a time takes seconds without optimization.
  private func same(_ bytes: UnsafeRawBufferPointer, _ expected: ArraySlice<UInt8>) -> Bool {
    expected.withUnsafeBytes { Data(bytes) == Data($0) }
  }

  /// Below a page, over several huge ones, and nothing at all.
  @Test(arguments: [
    (1, [0..<1]), (5000, [7..<900, 2000..<5000]), (17 << 20, [5..<9_000_001, 9_000_001..<17 << 20]), (100, []),
  ])
  func sameBytes(count: Int, parts: [Range<Int>]) throws {
    try withFile(count) { path, content in
      let file = try MappedFile(path)
      #expect(same(file.bytes, content[...]))
      let finished = Mutex(Set<Int>())
      let copy = try #require(
        try FileCopy(of: file, parts: parts) { part, bytes in
          finished.withLock { _ = $0.insert(part) }
          #expect(same(UnsafeRawBufferPointer(bytes), content[parts[part]]))
          bytes[0] &+= 1
        })
      #expect(finished.withLock { $0 } == Set(parts.indices))
      for part in parts {
        let bytes = UnsafeRawBufferPointer(start: copy.address(of: part.lowerBound), count: part.count)
        #expect(bytes[0] == content[part.lowerBound] &+ 1)
        #expect(same(UnsafeRawBufferPointer(rebasing: bytes.dropFirst()), content[part].dropFirst()))
      }
    }
  }

  @Test func releasedPagesKeepTheirContent() throws {
    try withFile(100_000) { path, content in
      let file = try MappedFile(path)
      file.release(file.bytes)
      file.release(UnsafeRawBufferPointer(rebasing: file.bytes[5000..<50_000]))
      #expect(file.bytes.elementsEqual(content))
    }
  }

  @Test func aCopyOutlivesItsFile() throws {
    try withFile(10000) { path, content in
      var file: MappedFile? = try MappedFile(path)
      let copy = try #require(try file.flatMap { try FileCopy(of: $0, parts: [0..<10000]) { _, _ in } })
      file = nil
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try handle.truncate(atOffset: 0)
      #expect(UnsafeRawBufferPointer(start: copy.address(of: 0), count: 10000).elementsEqual(content))
    }
  }

  /// Another file of that name is not read.
  @Test func aCopyIsOfTheFileThatIsMapped() throws {
    try withFile(10000) { path, content in
      let file = try MappedFile(path)
      try Data(count: 10000).write(to: URL(fileURLWithPath: path), options: .atomic)
      let copy = try #require(try FileCopy(of: file, parts: [0..<10000]) { _, _ in })
      #expect(UnsafeRawBufferPointer(start: copy.address(of: 0), count: 10000).elementsEqual(content))
    }
  }

  @Test func aFileThatBecameShorterIsAnError() throws {
    try withFile(10000) { path, _ in
      let file = try MappedFile(path)
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try handle.truncate(atOffset: 5000)
      #expect(throws: FileError(EIO, action: .read, path: path)) {
        try FileCopy(of: file, parts: [0..<4000, 4000..<10000]) { _, _ in }
      }
    }
  }

  @Test func errorsOfMapping() {
    #expect(throws: FileError.self) { try MappedFile("/nowhere/at/all") }
    #expect(throws: FileError.self) { try MappedFile(NSTemporaryDirectory()) }
  }

  @Test func copiesWhatFits() {
    #expect(!Residency.mapped.copies(1) && Residency.copied.copies(.max))
    #expect(Residency.automatic.copies(1) == HugePages.areAvailable)
    #expect(!Residency.automatic.copies(Memory.available))
    // More than there is makes no memory, and the caller maps.
    #expect(HugePages(size: 1 << 60) == nil)
  }
}
