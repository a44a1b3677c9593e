import Foundation
import PowerInferTestKit
import Testing

#if canImport(Darwin)
  import Darwin
#elseif canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Ctrl-C as a person at a terminal has it.
@Suite struct InterruptTests {
  /// A pseudo-terminal: what is written to `end` is read from `master`.
  private struct PseudoTerminal {
    let master: FileHandle
    let end: FileHandle

    init() throws {
      var (mine, others): (Int32, Int32) = (-1, -1)
      try #require(openpty(&mine, &others, nil, nil, nil) == 0)
      master = FileHandle(fileDescriptor: mine, closeOnDealloc: true)
      end = FileHandle(fileDescriptor: others, closeOnDealloc: true)
    }
  }

  /// What the bar showed last is what the end must agree with: it was drawn at most a few batches before.
  @Test func aPromptThatIsCutOffCountsWhatWasRead() async throws {
    let folder = try TemporaryFolder()
    let words = ["hello", "the", "world", "here", "in", "a", "tower"]
    try folder.write("long.txt", (0..<60_000).map { words[$0 % words.count] }.joined(separator: " "))
    let terminal = try PseudoTerminal()
    let process = Process()
    process.executableURL = Executable.url
    process.arguments = [
      "run", "-m", try ExampleFiles.shared.get().folder.file("model.gguf"), "--raw", "-f", folder.file("long.txt"),
      "-c", "200000", "-b", "16", "-t", "1", "-n", "4", "--gpu", "none",
    ]
    process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path, "TERM": "xterm", "NO_COLOR": "1"]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = terminal.end
    let began = Date()
    try process.run()
    try terminal.end.close()

    // Blocks a thread of Dispatch's, not one of the tests'.
    let shown = await withCheckedContinuation { (continuation: CheckedContinuation<String, Never>) in
      DispatchQueue.global().async {
        var (text, isInterrupted) = ("", false)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
          // Ends with an error once nobody has the other end open.
          let count = read(terminal.master.fileDescriptor, &buffer, buffer.count)
          guard count > 0 else { break }
          bytes += buffer[..<count]
          text = String(decoding: bytes, as: UTF8.self)
          // A second time would end the process at once.
          if !isInterrupted, text.contains("Reading") {
            process.interrupt()
            isInterrupted = true
          }
        }
        process.waitUntilExit()
        continuation.resume(returning: text)
      }
    }
    let elapsed = Date().timeIntervalSince(began)
    #expect(process.terminationReason == .exit && process.terminationStatus == 130, "\(shown.debugDescription)")

    let bar = try #require(shown.matches(of: #/(\d+)\/(\d+) /#).last, "\(shown.debugDescription)")
    let (drawn, all) = (try #require(Int(bar.1)), try #require(Int(bar.2)))
    let line = try #require(
      shown.firstMatch(of: #/prompt (\d+) of (\d+) tokens at (\d+\.\d) tok\/s \| answer 0 tokens \| cancelled/#),
      "\(shown.debugDescription)")
    let (known, speed) = (try #require(Int(line.1)), try #require(Double(line.3)))
    #expect(Int(line.2) == all && all >= 60_000)
    #expect(known >= drawn && known < all && known.isMultiple(of: 16), "\(known) of \(all), \(drawn) drawn")
    // A bar waits for a second, and nothing is read outside the process' life.
    let seconds = Double(known) / speed
    #expect(seconds >= 0.9 && seconds <= elapsed, "\(seconds) s of \(elapsed) s")
  }
}
