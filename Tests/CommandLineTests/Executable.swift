import Foundation
import PowerInferTestKit

/// The built `powerinfer`, run as a process of its own.
struct Executable {
  struct Outcome {
    var status: Int32
    var wasSignalled: Bool
    var output: String
    var error: String
  }

  /// Where SwiftPM puts executables: beside the tests.
  static let url: URL = {
    let bundle = Bundle(for: Marker.self).bundleURL
    let folder = bundle.pathExtension == "xctest" ? bundle.deletingLastPathComponent() : bundle
    return folder.appending(path: "powerinfer")
  }()

  private final class Marker {}

  /// Runs it to its end.
  ///
  /// Its streams are files, which no process waits for as it might for a pipe that nobody empties.
  ///
  /// - Parameters:
  ///   - program: what is run in its place.
  ///   - input: what stands on standard input.
  ///   - output: takes the place of standard output.
  ///   - environment: set beside the test's own, from which all `POWERINFER_` variables are taken away.
  static func run(
    _ arguments: [String], program: URL = url, input: [UInt8] = [], output: FileHandle? = nil,
    environment: [String: String] = [:]
  ) async throws -> Outcome {
    let folder = try TemporaryFolder()
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("POWERINFER_") }
      .merging(environment) { $1 }
    for name in ["output", "error"] { try folder.write(name, "") }
    process.standardInput = FileHandle(forReadingAtPath: try folder.write("input", input))
    process.standardOutput = output ?? FileHandle(forWritingAtPath: folder.file("output"))
    process.standardError = FileHandle(forWritingAtPath: folder.file("error"))
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in continuation.resume() }
      do {
        try process.run()
      } catch {
        process.terminationHandler = nil
        continuation.resume(throwing: error)
      }
    }
    return Outcome(
      status: process.terminationStatus, wasSignalled: process.terminationReason == .uncaughtSignal,
      output: String(decoding: try folder.read("output"), as: UTF8.self),
      error: String(decoding: try folder.read("error"), as: UTF8.self))
  }
}
