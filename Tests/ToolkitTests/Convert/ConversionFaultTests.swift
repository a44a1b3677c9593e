import Foundation
import PowerInferKernels
import PowerInferPlatform
import PowerInferTestKit
import Testing

@testable import PowerInferToolkit

/// What the disk does in the middle of a conversion costs time, not work: the same command goes on.
@Suite struct ConversionFaultTests {
  private static func converter(_ folder: TemporaryFolder) throws -> Converter {
    var converter = Converter(try ConversionPlan(folder.file("model")), team: ThreadTeam(workers: 2))
    converter.segmentBytes = 1
    converter.pieceBytes = 4096
    return converter
  }

  /// A folder with a model and what becomes of it.
  private static func prepared() throws -> (folder: TemporaryFolder, expected: [UInt8]) {
    let folder = try TemporaryFolder()
    try TinyCheckpoint.named("llama2").write(to: folder)
    _ = try converter(folder).write(to: folder.file("whole.gguf"))
    return (folder, try folder.read("whole.gguf"))
  }

  private func makeFolder(_ path: String) {
    #expect(throws: Never.self) {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    }
  }

  /// All is written, and then the name is taken: nothing is made again.
  @Test func aNameThatCannotBeGiven() throws {
    let (folder, expected) = try Self.prepared()
    let output = folder.file("out.gguf")
    let error = #expect(throws: ConvertError.self) {
      try Self.converter(folder).write(
        to: output, progress: { done, total in if done == total { makeFolder(output) } })
    }
    #expect(
      error?.description
        == "\"\(output)\" is a folder, where a file was expected; what is done is kept in "
        + "\"\(folder.file(".out.gguf.part"))\", and the same command goes on from there.")
    #expect(try folder.read(".out.gguf.part") == expected)
    try FileManager.default.removeItem(atPath: output)
    let report = try Self.converter(folder).write(to: output)
    #expect(report.resumedBytes == expected.count)
    #expect(try folder.read("out.gguf") == expected)
    #expect(try folder.names() == ["model", "out.gguf", "whole.gguf"])
  }

  /// The same where less was written than a segment, so that nothing had been noted.
  @Test func aNameThatCannotBeGivenToASmallFile() throws {
    let (folder, expected) = try Self.prepared()
    let output = folder.file("out.gguf")
    var converter = try Self.converter(folder)
    converter.segmentBytes = .max
    #expect(throws: ConvertError.self) {
      try converter.write(to: output, progress: { done, total in if done == total { makeFolder(output) } })
    }
    try FileManager.default.removeItem(atPath: output)
    #expect(try converter.write(to: output).resumedBytes == expected.count)
    #expect(try folder.read("out.gguf") == expected)
  }

  @Test func aRecordThatCannotBeWritten() throws {
    let (folder, expected) = try Self.prepared()
    let output = folder.file("out.gguf")
    let obstacle = folder.file("..out.gguf.part.json.part")
    let error = #expect(throws: ConvertError.self) {
      try Self.converter(folder).write(
        to: output, progress: { done, total in if done > total / 2, !isFolder(obstacle) { makeFolder(obstacle) } })
    }
    guard case .interrupted(_, let kept)? = error else {
      Issue.record("\(error as Any)")
      return
    }
    #expect(kept == folder.file(".out.gguf.part"))
    try FileManager.default.removeItem(atPath: obstacle)
    let report = try Self.converter(folder).write(to: output)
    #expect(report.resumedBytes > expected.count / 4)
    #expect(try folder.read("out.gguf") == expected)
  }

  /// It is not taken for a missing one, which would mean to begin anew.
  @Test func aRecordThatCannotBeRead() throws {
    let (folder, expected) = try Self.prepared()
    let (output, record) = (folder.file("out.gguf"), folder.file(".out.gguf.part.json"))
    #expect(throws: ConvertError.cancelled(kept: folder.file(".out.gguf.part"))) {
      var isHalfDone = false
      _ = try Self.converter(folder).write(
        to: output, progress: { done, total in isHalfDone = done > total / 2 }, isCancelled: { isHalfDone })
    }
    let written = try folder.read(".out.gguf.part")
    try FileManager.default.moveItem(atPath: record, toPath: folder.file("record"))
    makeFolder(record)
    #expect(throws: ConvertError.file(.isFolder(path: record))) { try Self.converter(folder).write(to: output) }
    #expect(try folder.read(".out.gguf.part") == written)
    try FileManager.default.removeItem(atPath: record)
    try FileManager.default.moveItem(atPath: folder.file("record"), toPath: record)
    #expect(try Self.converter(folder).write(to: output).resumedBytes > 0)
    #expect(try folder.read("out.gguf") == expected)
  }

  // Limits are a process's, so these run in one of their own.
  #if os(Linux) && compiler(>=6.2)
    private static func limit(_ resource: __rlimit_resource, to most: Int?) throws {
      var limit = rlimit()
      try #require(getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0)
      limit.rlim_cur = most.map { rlim_t($0) } ?? limit.rlim_max
      try #require(setrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0)
    }

    /// Converts under a limit and, once it is lifted, goes on.
    private static func convert(under resource: __rlimit_resource, _ most: (_ expected: Int) -> Int) throws {
      let (folder, expected) = try prepared()
      let output = folder.file("out.gguf")
      let converter = try converter(folder)
      try limit(resource, to: most(expected.count))
      var found: ConvertError?
      do throws(ConvertError) { _ = try converter.write(to: output) } catch { found = error }
      try limit(resource, to: nil)
      guard case .interrupted(.other, folder.file(".out.gguf.part"))? = found else {
        Issue.record("\(found as Any)")
        return
      }
      #expect(try folder.names().contains(".out.gguf.part"))
      let report = try converter.write(to: output)
      if resource == RLIMIT_FSIZE { #expect(report.resumedBytes > expected.count / 4) }
      #expect(try folder.read("out.gguf") == expected)
    }

    @Test func aFileThatMustNotGrow() async {
      await #expect(processExitsWith: .success) {
        signal(SIGXFSZ, SIG_IGN)
        try ConversionFaultTests.convert(under: RLIMIT_FSIZE) { $0 * 3 / 4 }
      }
    }

    @Test func tooManyOpenFiles() async {
      await #expect(processExitsWith: .success) {
        try ConversionFaultTests.convert(under: RLIMIT_NOFILE) { _ in
          // One more may be opened: the result, and not its record.
          let free = open("/dev/null", O_RDONLY)
          close(free)
          return Int(free) + 1
        }
      }
    }
  #endif
}
