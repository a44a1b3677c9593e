import Foundation
import PowerInferGGUF
import PowerInferSparsity
import PowerInferTestKit
import PowerInferToolkit
import Testing

@testable import PowerInferCommandLine

/// The scripts under `Examples`, run as they stand, with a tiny model.
@Suite struct ExampleScriptTests {
  private static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Examples/toolkit.sh").path

  private func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Executable.Outcome {
    try await Executable.run(
      ["bash", Self.script] + arguments, program: URL(filePath: "/usr/bin/env"), environment: environment)
  }

  @Test func theToolkitFromEndToEnd() async throws {
    let folder = try TemporaryFolder()
    try TinyModel(magic: .powerInfer, weightType: .f16).write(to: folder.file("source.gguf"))
    let text = try folder.write("text.txt", String(repeating: "the tower here a world in the hello world ", count: 80))
    let result = folder.file("result")
    let outcome = try await run(
      [folder.file("source.gguf"), result, text],
      environment: [
        "POWERINFER": Executable.url.path, "SURVEY": "-c 32", "TRAIN": "--rank 32 --epochs 1 --passes 1",
        "VRAM": "1MiB",
      ])
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: result).sorted() == [
        "model.gguf", "model.gguf.generated.gpuidx", "model.imatrix.gguf", "model.profile.gguf", "quantized.gguf",
        "skew.svg", "source.profile.gguf",
      ])
    let file = try GGUFFile(opening: result + "/model.gguf")
    let steps = History.steps(of: file.metadata)
    #expect(
      steps.count == 2 && steps[0].hasPrefix("quantize Q4_0") && steps[1].hasPrefix("train-predictor"), "\(steps)")
    #expect(SparsityDescription(file).predictors?.training != nil)
    // Profile, placement, plan, history and the answer's sparsity.
    for part in ["| layer |   active | makes 80 % |", "| part ", "At most, in tokens per second", "\nHistory\n"] {
      #expect(outcome.output.contains(part), "\(part)")
    }
    #expect(outcome.error.contains("neurons by predictor"))
  }

  @Test func withoutArgumentsItSaysWhatItWants() async throws {
    let outcome = try await run([])
    #expect(outcome.status == 64 && outcome.error.contains("Examples/toolkit.sh MODEL OUTPUT_FOLDER TEXT"))
  }

  @Test func aFailingStepEndsIt() async throws {
    let folder = try TemporaryFolder()
    try folder.write("text.txt", "hello")
    let outcome = try await run(
      [folder.file("none.gguf"), folder.file("result"), folder.file("text.txt")],
      environment: ["POWERINFER": Executable.url.path])
    #expect(outcome.status == 1 && !outcome.error.contains("imatrix") && !outcome.error.contains("An answer"))
  }
}
