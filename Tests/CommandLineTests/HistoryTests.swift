import Foundation
import Testing

@testable import PowerInferCommandLine
@testable import PowerInferLineEditing

@Suite struct HistoryTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "history-\(UUID())")

  @Test func theNextChatKnowsTheLines() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "state/history")
    let first = History(file: file)
    for line in ["one", "two\nlines \"é\"", "", "  ", "two\nlines \"é\"", "three"] { first.add(line) }
    #expect(History(file: file).entries == ["one", "two\nlines \"é\"", "three"])
    let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
  }

  @Test func onlyTheLatestStay() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appending(path: "history")
    try Data((0..<History.limit + 5).map { "\"\($0)\"\n" }.joined().utf8).write(to: file)
    let history = History(file: file)
    #expect(history.entries.count == History.limit && history.entries.first == "5")
    history.add("new")
    #expect(history.entries.count == History.limit && history.entries.first == "6")
  }

  @Test func aFileThatCannotBeReadOrWrittenCostsOnlyTheHistory() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let noise = folder.appending(path: "noise")
    try Data("no json\n\"one\"\n{\"a\":1}\n".utf8).write(to: noise)
    #expect(History(file: noise).entries == ["one"])
    let history = History(file: noise.appending(path: "below/a/file"))
    history.add("line")
    #expect(history.entries == ["line"])
  }

  @Test func theFileStandsWhereStateBelongs() {
    #expect(
      History.defaultFile(["XDG_STATE_HOME": "/s", "HOME": "/h"])?.path == "/s/powerinfer/history")
    #expect(History.defaultFile(["HOME": "/h"])?.path == "/h/.local/state/powerinfer/history")
    #expect(History.defaultFile([:]) == nil)
  }

  @Test func plainLinesMayGoOnToo() {
    var lines = ["one\\", "two", "\"\"\"", "a\\", "b\"\"\"", "open\\"]
    var shown = ""
    func next() -> LineInput {
      LineSource.plain(prompt: "> ", write: { shown += $0 }, read: { lines.isEmpty ? nil : lines.removeFirst() })
    }
    #expect(next() == .line("one\ntwo"))
    #expect(shown == "> … ")
    #expect(next() == .line("a\\\nb"))
    #expect(next() == .line("open\\"))
    #expect(next() == .end)
  }
}
