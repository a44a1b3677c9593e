import Foundation
import PowerInferTestKit
import Testing

/// A GPU and the processor together, as a person at a shell has it.
@Suite(
  .serialized,
  .enabled("there is no GPU") {
    let examples = try ExampleFiles.shared.get().folder.path
    return try await Executable.run(["logits", "-m", examples + "/sparse.gguf", "--gpu", "0", "hi"]).status == 0
  })
struct HybridCommandTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func run(_ arguments: String) async throws -> Executable.Outcome {
    let examples = try ExampleFiles.shared.get().folder.path
    let words = arguments.split(separator: " ").map { String($0).replacing("@", with: examples + "/") }
    return try await Executable.run(
      words, environment: ["HOME": folder.path, "XDG_CACHE_HOME": folder.file("cache")])
  }

  @Test func machinesReadWhatBothDid() async throws {
    let outcome = try await run("run -m @sparse.gguf --gpu 0 -ngl 1 --raw -n 4 --temp 0 --json hello")
    #expect(outcome.status == 0, "\(outcome.error)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let hybrid = try #require(report["hybrid"] as? [String: Any])
    #expect(hybrid["processorLayers"] as? Int == 1 && hybrid["hasOutputOnGPU"] as? Bool == false)
    #expect(hybrid["sharedLayers"] as? Int == 0 && hybrid["neuronShare"] as? Double == 0.5)
    let layers = try #require(hybrid["layers"] as? [[String: Any]])
    #expect(layers.count == 2 && layers[0]["neuronsOnGPU"] as? Int == 0)
    #expect((layers[0]["processor"] as? Double ?? 0) > 0 && layers[0]["gpu"] == nil)
    #expect((hybrid["gpuBytes"] as? Int ?? 0) > 0 && (hybrid["passes"] as? Int ?? 0) > 0)
    #expect(try #require(hybrid["gpuBytes"] as? Int) <= hybrid["gpuBudget"] as? Int ?? 0)
    let alone = try await run("run -m @sparse.gguf --gpu none --raw -n 4 --temp 0 --json hello")
    #expect(!alone.output.contains("\"hybrid\""))
    #expect(
      try (JSONSerialization.jsonObject(with: Data(alone.output.utf8)) as? [String: Any])?["tokens"] as? [Int]
        == report["tokens"] as? [Int])
    let profiled = try await run("run -m @sparse.gguf --gpu 0 -ngl 1 --raw -n 4 --temp 0 --json --profile hello")
    #expect(profiled.output.contains("\"gpuWait\""), "\(profiled.error)")
  }
}
