import Foundation
import Testing

@testable import PowerInferPlatform

@Suite struct ResumableFileTests {
  private let folder = NSTemporaryDirectory() + "powerinfer-resumable-\(UUID().uuidString)"

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  private func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }

  private func append(_ text: String, to file: ResumableFile) throws {
    try Array(text.utf8).withUnsafeBytes { try file.write($0) }
  }

  private func content(_ name: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)), as: UTF8.self)
  }

  @Test func whatWasWrittenIsFoundAgain() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var file: ResumableFile? = try ResumableFile(folder + "/a")
    #expect(file?.count == 0)
    #expect(file?.temporaryPath == folder + "/.a.part")
    try append("hello, world", to: try #require(file))
    file = nil
    #expect(try names() == [".a.part"])

    let again = try ResumableFile(folder + "/a")
    #expect(again.count == 12)
    try again.truncate(to: 5)
    try append("!", to: again)
    #expect(again.count == 6)
    try again.commit()
    #expect(try names() == ["a"])
    #expect(try content("a") == "hello!")
    #expect(throws: FileError.alreadyCommitted(path: folder + "/a")) { try again.truncate(to: 0) }
  }

  @Test func itReplacesAndDiscards() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data("old".utf8).write(to: URL(fileURLWithPath: folder + "/a"))
    let lost = try ResumableFile(folder + "/a")
    try append("lost", to: lost)
    #expect(sentence { _ = try ResumableFile(folder + "/a") }.hasSuffix("another process is writing it."))
    lost.discard()
    #expect(try names() == ["a"])
    #expect(try content("a") == "old")
    let new = try ResumableFile(folder + "/a")
    #expect(new.count == 0)
    try append("new", to: new)
    #expect(try content("a") == "old")
    try new.commit()
    #expect(try content("a") == "new")
  }

  @Test func whatCannotBePutInPlaceIsKept() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    do {
      let file = try ResumableFile(folder + "/a")
      try append("hello", to: file)
      try FileManager.default.createDirectory(atPath: folder + "/a", withIntermediateDirectories: false)
      #expect(sentence { try file.commit() } == "\"\(folder)/a\" is a folder, where a file was expected.")
      #expect(try content(".a.part") == "hello")
      // It can be tried again, by the same or by another process.
      #expect(sentence { try file.commit() } != "")
    }
    try FileManager.default.removeItem(atPath: folder + "/a")
    let again = try ResumableFile(folder + "/a")
    #expect(again.count == 5)
    try again.commit()
    #expect(try content("a") == "hello")
  }

  @Test func itSaysWhyItCannotBeOpened() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(sentence { _ = try ResumableFile(folder) } == "\"\(folder)\" is a folder, where a file was expected.")
    #expect(
      sentence { _ = try ResumableFile("/dev/null") } == "\"/dev/null\" is a device or a pipe, where a file was "
        + "expected.")
    #expect(
      sentence { _ = try ResumableFile(folder + "/no/a") }
        == "\"\(folder)/no/a\" cannot be created: there is no folder \"\(folder)/no\".")
  }

  @Test func releasedPagesAreReadAgain() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let data = Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
    try data.write(to: URL(fileURLWithPath: folder + "/a"))
    let file = try MappedFile(folder + "/a")
    file.release(file.bytes)
    file.release(UnsafeRawBufferPointer(rebasing: file.bytes[5000..<5001]))
    file.release(UnsafeRawBufferPointer(rebasing: file.bytes[1..<99_999]))
    file.release(UnsafeRawBufferPointer(start: nil, count: 0))
    [UInt8](repeating: 1, count: 20_000).withUnsafeBytes { file.release($0) }
    #expect(file.bytes.elementsEqual(data))
  }

  @Test func aStampTellsVersionsApart() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let url = URL(fileURLWithPath: folder + "/a")
    try Data("old".utf8).write(to: url)
    let old = try #require(FileStamp(url.path))
    #expect(old.byteCount == 3)
    #expect(FileStamp(url.path) == old)
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 5)], ofItemAtPath: url.path)
    #expect(FileStamp(url.path)?.modified == 5_000_000_000)
    #expect(FileStamp(folder + "/none") == nil)
  }
}
