import Foundation
import PowerInferPlatform
import PowerInferTestKit
import Testing

@Suite struct ShortenedFileTests {
  private func shorten(_ path: String, to bytes: UInt64) throws {
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.truncate(atOffset: bytes)
    try handle.close()
  }

  /// By itself the system would end this process here.
  @Test func pagesThatAreGoneAreZeros() throws {
    ShortenedFiles.survive()
    ShortenedFiles.survive()
    let folder = try TemporaryFolder()
    let (path, other) = (folder.file("a"), folder.file("b"))
    let content = Data(repeating: 7, count: 1 << 18)
    for path in [path, other] { try content.write(to: URL(filePath: path)) }
    let (file, untouched) = (try MappedFile(path), try MappedFile(other))
    #expect(file.bytes[200_000] == 7 && !file.isDamaged)
    try shorten(path, to: 1 << 16)
    #expect(file.bytes[0] == 7 && !file.isDamaged)
    #expect(file.bytes[200_000] == 0 && file.isDamaged)
    #expect(file.bytes[(1 << 16)...].allSatisfy { $0 == 0 } && file.bytes[..<(1 << 16)].allSatisfy { $0 == 7 })
    #expect(untouched.bytes.allSatisfy { $0 == 7 } && !untouched.isDamaged)
    // The next one in its place is whole.
    let again = try MappedFile(path)
    #expect(again.bytes.count == 1 << 16 && again.bytes.allSatisfy { $0 == 7 } && !again.isDamaged)
  }

  /// More files than are watched can be mapped.
  @Test func manyFiles() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("a")
    try Data([1, 2, 3]).write(to: URL(filePath: path))
    for _ in 0..<3 {
      let files = try (0..<400).map { _ in try MappedFile(path) }
      #expect(files.allSatisfy { $0.bytes[2] == 3 && !$0.isDamaged })
    }
  }
}
