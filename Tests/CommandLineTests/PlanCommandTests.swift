import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInferCommandLine

/// `powerinfer plan` and what `powerinfer inspect` says of sparsity, as a person at a shell has them.
@Suite(.serialized) struct PlanCommandTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try TinyModel(magic: .powerInfer, weightType: .f16).write(to: folder.file("m.gguf"))
  }

  private func run(_ arguments: String) async throws -> Executable.Outcome {
    try await Executable.run(arguments.split(separator: " ").map { String($0).replacing("%", with: folder.path + "/") })
  }

  private func json(_ arguments: String) async throws -> [String: Any] {
    let outcome = try await run(arguments + " --json")
    #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  private func writeProfile() throws {
    let model = try LanguageModel(opening: folder.file("m.gguf"))
    let neurons = model.configuration.feedForwardSize
    let quarter = [[Float]](repeating: [Float](repeating: 0.25, count: neurons), count: 2)
    try ActivationProfile(frequencies: quarter, contributions: quarter, tokens: 10, text: "a.txt")
      .writeSidecar(folder.file("m.profile.gguf"), for: model)
  }

  /// What is read for a token, counted from the placement's own parts, at the speed told.
  @Test func ratesAreBytesOverBandwidth() async throws {
    let dense = try await json("plan %m.gguf --cpu-bandwidth 1 -c 100")
    let placement = try #require(dense["placement"] as? [String: Any])
    let parts = try #require(placement["parts"] as? [[String: Any]])
    let bytes = parts.reduce(into: [String: Int]()) { $0[$1["kind"] as? String ?? ""] = $1["bytes"] as? Int }
    let fixed = try ["attention", "predictors", "norms", "output"].reduce(0) { try $0 + #require(bytes[$1]) }
    let neurons = try #require(placement["coldNeuronBytes"] as? Int)
    let rate = try #require(dense["tokensPerSecond"] as? Double)
    #expect(abs(rate - 1e9 / Double(fixed + neurons)) < 1e-6 * rate)
    #expect(dense["tokensPerSecondAllNeurons"] as? Double == rate && placement["active"] == nil)
    let file = try FileManager.default.attributesOfItem(atPath: folder.file("m.gguf"))[.size] as? Int
    let beside = try #require(bytes["cache"]) + #require(bytes["scratch"])
    #expect(dense["mainMemoryBytes"] as? Int == (file ?? 0) + beside && dense["fits"] as? Bool == true)

    try writeProfile()
    let sparse = try await json("plan %m.gguf --cpu-bandwidth 1 -c 100")
    let faster = try #require(sparse["tokensPerSecondOnProcessor"] as? Double)
    #expect(abs(faster - 1e9 / (Double(fixed) + Double(neurons) / 4)) < 1e-6 * faster)
    #expect((sparse["placement"] as? [String: Any])?["active"] as? Double == 0.25)
    #expect(sparse["isBandwidthMeasured"] as? Bool == false)
    let sources = try #require(sparse["sources"] as? [[String: Any]])
    #expect(sources.compactMap { $0["sparsity"] as? String } == ["dense", "gate", "bits", "predictor"])
    #expect(sources.first?["bytesPerToken"] as? Int == neurons && (dense["sources"] as? [Any])?.isEmpty == true)
  }

  @Test func scratchSpaceBeyondAllMemoryDoesNotFit() async throws {
    let report = try await json("plan %m.gguf --cpu-bandwidth 1 -c 100 --scratch \(Int.max)")
    #expect(report["mainMemoryBytes"] as? Int == .max && report["fits"] as? Bool == false)
  }

  /// Keys and values in 8.5 bits instead of 16.
  @Test func theCachesTypeCounts() async throws {
    func cache(_ flags: String) async throws -> Int {
      let report = try await json("plan %m.gguf --cpu-bandwidth 1 -c 100 \(flags)")
      let parts = try #require((report["placement"] as? [String: Any])?["parts"] as? [[String: Any]])
      return try #require(parts.first { $0["kind"] as? String == "cache" }?["bytes"] as? Int)
    }
    #expect(try await cache("") == 100 * 2 * 2 * 32 * 2)
    #expect(try await cache("--cache-type-k q8_0") == 100 * 2 * (34 + 64))
  }

  @Test func aPersonIsToldWhatGoesWhere() async throws {
    try writeProfile()
    let alone = try await run("plan %m.gguf --cpu-bandwidth 50")
    #expect(alone.status == 0 && alone.error == "", "\(alone.error)")
    #expect(alone.output.contains("Neurons that fire for a token: 25.00 %.\n"))
    #expect(
      alone.output.contains("on the processor alone, all neurons computed\nMain memory at 50.0 GB/s (as told).\n"))
    #expect(!alone.output.contains("GPU"))
    #expect(alone.output.contains("What a token reads of the feed-forward, by --sparsity:\n  0.07 MiB by dense\n"))
    let both = try await run("plan %m.gguf --vram-budget 1GiB --turn-cost 0")
    #expect(
      both.output.contains(" with the budget divided as in the tables\n")
        && both.output.contains("(measured), video memory at 1000.0 GB/s"))
    // Everything fits: the whole model is on the GPU, and a row of 64 floats goes there for each token.
    #expect(
      both.output.contains(
        "A run with this budget (--sparsity auto): layers 2 wholly on the GPU; 100.00 % of the neurons and the output matrix "
          + "on the GPU, "), "\(both.output)")
    #expect(both.output.contains(" in all, 0.00 MiB a token over the bus.\n"), "\(both.output)")
    let layer = try await run("plan %m.gguf --vram-budget 1GiB -ngl 1 --sparsity gate")
    #expect(
      layer.output.contains("(--sparsity gate): layers 1 wholly on the GPU, 1 the processor's; "), "\(layer.output)")
    let none = try await run("plan %m.gguf --vram-budget 1KiB")
    #expect(none.output.contains("leaves everything to the processor: no layer is on the GPU.\n"), "\(none.output)")
    #expect(try await run("plan %m.gguf --vram-budget -1").status == 64)
    #expect(try await run("plan %m.gguf --cpu-bandwidth 0").status == 64)
  }

  @Test func inspectTellsOfSparsity() async throws {
    try writeProfile()
    let text = try await run("inspect %m.gguf")
    #expect(text.output.contains("\nSparsity\n  predictors  2 layers, rank 32, F16, "))
    #expect(
      text.output.contains(
        "  profile     m.profile.gguf: 10 tokens of \"a.txt\", 25.00 % of the neurons fire for a token\n"))
    let report = try await json("inspect %m.gguf --tensors")
    #expect(report["magic"] as? String == "PWRI" && report["metadata"] == nil)
    let sparsity = try #require(report["sparsity"] as? [String: Any])
    #expect((sparsity["predictors"] as? [String: Any])?["maximumRank"] as? Int == 32)
    _ = try await run("place %m.gguf --vram-budget 1G --turn-cost 0 -o %i.gpuidx")
    let index = try await run("inspect %i.gpuidx")
    #expect(index.output.contains("\nSparsity\n  GPU index   "), "\(index.output)")
  }
}
