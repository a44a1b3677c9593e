import Foundation
import Testing

@testable import PowerInferPlatform

/// A folder of its own for each test, removed afterwards.
private final class Folder {
  let path = NSTemporaryDirectory() + "powerinfer-platform-\(UUID().uuidString)"
  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String) -> String { path + "/" + name }
  func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
  func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: file(name))) }
}

@Suite struct AtomicFileTests {
  @Test func appearsOnCommitOnly() throws {
    let folder = try Folder()
    let file = try AtomicFile(folder.file("a.bin"))
    try file.write("hello, ")
    try file.write([0x77, 0x6F])
    #expect(file.count == 9)
    #expect(try folder.names().count == 1)
    #expect(try !folder.names().contains("a.bin"))
    try file.commit()
    #expect(try folder.names() == ["a.bin"])
    #expect(try folder.data("a.bin") == Data("hello, wo".utf8))
  }

  @Test func replacesTheTargetAtOnce() throws {
    let folder = try Folder()
    try Data("old".utf8).write(to: URL(fileURLWithPath: folder.file("a")))
    let file = try AtomicFile(folder.file("a"))
    try file.write("new")
    #expect(try folder.data("a") == Data("old".utf8))
    try file.commit()
    #expect(try folder.data("a") == Data("new".utf8))
  }

  @Test func leavesNothingWhenDropped() throws {
    let folder = try Folder()
    do {
      let file = try AtomicFile(folder.file("a"))
      try file.write(String(repeating: "x", count: 3_000_000))
    }
    #expect(try folder.names() == [])
  }

  @Test func keepsEveryByteWhateverThePieces() throws {
    let folder = try Folder()
    let file = try AtomicFile(folder.file("a"))
    var expected = Data()
    // Around the buffer's size of 1 MiB, and far from it.
    for (index, count) in [1, 0, 1_048_575, 2, 1_048_576, 5, 3_000_001, 7, 524_288, 524_288].enumerated() {
      let piece = [UInt8](repeating: UInt8(index + 1), count: count)
      try file.write(piece)
      expected += piece
    }
    try file.commit()
    #expect(file.count == expected.count)
    #expect(try folder.data("a") == expected)
  }

  @Test func cannotBeWrittenAfterCommit() throws {
    let folder = try Folder()
    let path = folder.file("a")
    let file = try AtomicFile(path)
    try file.commit()
    #expect(throws: FileError.alreadyCommitted(path: path)) { try file.write("x") }
    #expect(throws: FileError.alreadyCommitted(path: path)) { try file.commit() }
    #expect(try folder.data("a").isEmpty)
  }

  @Test func replacesNoDeviceAndNoPipe() throws {
    let folder = try Folder()
    let path = folder.file("pipe")
    try #require(mkfifo(path, 0o600) == 0)
    #expect(sentence { _ = try AtomicFile(path) } == "\"\(path)\" is a device or a pipe, where a file was expected.")
    #expect(try folder.names() == ["pipe"])
  }

  @Test func saysWhyItCannotBeCreated() throws {
    let folder = try Folder()
    let missing = folder.file("none/a.gguf")
    #expect(
      sentence { _ = try AtomicFile(missing) }
        == "\"\(missing)\" cannot be created: there is no folder \"\(folder.path)/none\".")
    #expect(
      sentence { _ = try AtomicFile(folder.path) }
        == "\"\(folder.path)\" is a folder, where a file was expected.")
  }

  /// It may be the work of hours.
  @Test func whatCannotBePutInPlaceIsKept() throws {
    let folder = try Folder()
    let path = folder.file("a")
    var kept = ""
    do {
      let file = try AtomicFile(path)
      try file.write("hello")
      kept = file.temporaryPath
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      #expect(
        sentence { try file.commit() }
          == "\"\(path)\" is a folder, where a file was expected; all that was to be in it is in \"\(kept)\".")
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: kept)) == Data("hello".utf8))
  }

  #if os(Linux)
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full")))
    func saysThatTheDiskIsFull() {
      // The device that is always full stands for a full disk; a code is all the file sees of either.
      let error = FileError(ENOSPC, action: .write, path: "m.gguf")
      #expect(error.description == "The disk is full: \"m.gguf\" could not be written.")
    }

    @Test(.enabled(if: geteuid() != 0))
    func saysThatPermissionIsMissing() {
      #expect(sentence { _ = try AtomicFile("/a.gguf") } == "There is no permission to create \"/a.gguf\".")
    }
  #endif

  @Test func permissionHasItsSentence() {
    #expect(FileError(EACCES, action: .open, path: "m").description == "There is no permission to open \"m\".")
    #expect(FileError(EROFS, action: .create, path: "m").description == "There is no permission to create \"m\".")
    #expect(
      FileError(EIO, action: .read, path: "m").description == "\"m\" could not be read: \(systemMessage(EIO)).")
  }
}

@Suite struct MappedFileTests {
  @Test func mapsTheWholeFile() throws {
    let folder = try Folder()
    let data = Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
    try data.write(to: URL(fileURLWithPath: folder.file("a")))
    let file = try MappedFile(folder.file("a"))
    #expect(file.bytes.elementsEqual(data))
    file.advise(.willNeed)
    file.advise(.random, range: 5000..<1_000_000)
    file.advise(.sequential, range: 10..<10)
    #expect(file.bytes.elementsEqual(data))
  }

  @Test func mapsAnEmptyFile() throws {
    let folder = try Folder()
    try Data().write(to: URL(fileURLWithPath: folder.file("a")))
    let file = try MappedFile(folder.file("a"))
    #expect(file.bytes.isEmpty)
    file.advise(.willNeed)
  }

  @Test func saysWhatIsWrong() throws {
    let folder = try Folder()
    #expect(sentence { _ = try MappedFile(folder.file("x")) } == "There is no file \"\(folder.file("x"))\".")
    #expect(
      sentence { _ = try MappedFile(folder.path) } == "\"\(folder.path)\" is a folder, where a file was expected.")
    #expect(
      sentence { _ = try MappedFile("/dev/null") }
        == "\"/dev/null\" could not be mapped into memory: it is not a regular file.")
    // Nobody writes to it, and nobody waits for that.
    let pipe = folder.file("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(
      sentence { _ = try MappedFile(pipe) } == "\"\(pipe)\" could not be mapped into memory: it is not a regular file.")
  }
}

/// What a closure's error says; empty when it throws none.
func sentence(_ body: () throws -> Void) -> String {
  do {
    try body()
    return ""
  } catch {
    return "\(error)"
  }
}
