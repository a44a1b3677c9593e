import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

@testable import PowerInferCommandLine

/// `powerinfer place` as a person at a shell has it.
@Suite(.serialized) struct PlaceCommandTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    var tiny = TinyModel(magic: .powerInfer, weightType: .f16)
    tiny.feedForwardSize = 1024
    try tiny.write(to: folder.file("m.gguf"))
  }

  /// Runs it on the model, in whose folder `%name` is.
  private func place(_ arguments: String) async throws -> Executable.Outcome {
    try await Executable.run(
      ["place", folder.file("m.gguf")]
        + arguments.split(separator: " ").map { String($0).replacing("%", with: folder.path + "/") })
  }

  private func json(_ arguments: String) async throws -> [String: Any] {
    let outcome = try await place(arguments + " --json")
    #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  /// Neurons fire the more often the higher their number, in the second layer a tenth as often.
  private func writeProfile(_ name: String) throws {
    let model = try LanguageModel(opening: folder.file("m.gguf"))
    let rising = (0..<1024).map { Float($0) / 1024 }
    try ActivationProfile(
      frequencies: [rising, rising.map { $0 / 10 }], contributions: [rising, rising], tokens: 10, text: "a.txt"
    ).writeSidecar(folder.file(name), for: model)
  }

  /// Bytes counted by hand: 64 wide, 1024 neurons, 2 layers, 32 wide keys, F16, predictors of rank 32, 280 tokens.
  @Test func everyPartIsCounted() async throws {
    let report = try await json("--vram-budget 8GiB --turn-cost 0 -c 100 -b 2")
    let parts = try #require(report["parts"] as? [[String: Any]])
    let bytes = parts.reduce(into: [String: Int]()) { $0[$1["kind"] as? String ?? ""] = $1["bytes"] as? Int }
    let vocabulary = TinyModel().vocabularySize
    #expect(bytes["scratch"] == 2 * 4 * (2 * 64 + 2 * 64 + 2 * 32 + 2 * 1024 + 32 + 1024) + 4 * vocabulary)
    #expect(bytes["attention"] == 2 * 2 * (64 * 64 + 2 * 64 * 32 + 64 * 64))
    #expect(bytes["predictors"] == 2 * 2 * (64 * 32 + 32 * 1024))
    #expect(bytes["norms"] == 4 * 64 * (2 + 2 + 1))
    #expect(bytes["output"] == 2 * 64 * vocabulary)
    #expect(bytes["cache"] == 100 * 2 * 2 * 32 * 2)
    #expect(parts.allSatisfy { $0["isOnGPU"] as? Bool == true } && parts.count == 7)
    // The GPU is 15 times as fast: it gets through all neurons before the CPU would through the last step of them.
    let layers = try #require(report["layers"] as? [[String: Any]])
    #expect(layers.map { $0["neurons"] as? Int } == [1024, 1024])
    #expect(bytes["neurons"] == 2 * 1024 * 3 * 64 * 2 && report["bytes"] as? Int == bytes.values.reduce(0, +))
    #expect(report["contextSize"] as? Int == 100 && report["profile"] == nil && report["index"] == nil)
    // Everything is read once from the faster memory, but scratch and cache.
    let read = bytes.values.reduce(0, +) - (bytes["scratch"] ?? 0) - (bytes["cache"] ?? 0)
    let rate = try #require(report["tokensPerSecond"] as? Double)
    #expect(abs(rate - 1e12 / Double(read)) < 1e-6 * rate)
  }

  @Test func theHottestNeuronsAreListedForPowerInfer() async throws {
    try writeProfile("m.profile.gguf")
    let budget = 2 * 256 * 3 * 64 * 2
    // Room for two steps of neurons after all else.
    let all = try await json("--vram-budget 1T -c 100 --turn-cost 0")
    let parts = try #require(all["parts"] as? [[String: Any]])
    let fixed = parts.dropLast().reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) }
    let report = try await json("--vram-budget \(fixed + budget + 100)B -c 100 --turn-cost 0 -o %m.gpuidx")
    #expect(report["profile"] as? String == "a.txt" && report["index"] as? String == folder.file("m.gpuidx"))
    let index = try GPUIndex(opening: folder.file("m.gpuidx"), shape: FeedForwardShape(layers: 2, neurons: 1024))
    #expect(index.buckets == [Array(512..<1024), []] && index.vramCapacity == budget)
    let layers = try #require(report["layers"] as? [[String: Any]])
    #expect(layers.map { $0["neurons"] as? Int } == [512, 0])
    let share = try #require(layers[0]["activationShare"] as? Double)
    #expect(abs(share - Double((512..<1024).reduce(0, +)) / Double((0..<1024).reduce(0, +))) < 1e-9)
    #expect(layers[1]["gpuSeconds"] as? Double == 0)
  }

  @Test func aPersonGetsTables() async throws {
    let outcome = try await place("--vram-budget 8G --turn-cost 0 -o %m.gpuidx")
    #expect(outcome.status == 0)
    let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    #expect(lines.first == "| part       |        bytes | memory |")
    #expect(lines.contains("| layer | hot neurons |        bytes | activations |    GPU µs |    CPU µs |"))
    #expect(lines.contains("|     1 |        1024 |     0.38 MiB |    100.00 % |       0.4 |       0.0 |"))
    let expected = #/Uses \d\.\d\d MiB of 8\.00 GiB on the GPU; expected \d+\.\d\d tokens per second\./#
    #expect(lines.contains { $0.wholeMatch(of: expected) != nil })
    #expect(
      outcome.error
        == "Note: the model has no profile, so that every neuron counts as computed for every token; powerinfer profile "
        + "counts how often they fire.\nThe GPU index was saved in \(folder.file("m.gpuidx")).\n")
    #expect(try await place("--vram-budget 8G -q").error == "")
  }

  /// Predictors take what neurons could have.
  @Test func neuronsWithoutPredictorsAreCounted() async throws {
    let whole = try await json("--vram-budget 8G -c 1 --turn-cost 0")
    #expect(whole["neuronsOnGPU"] as? Int == 2048 && whole["neuronsWithoutPredictors"] as? Int == 2048)
    let parts = try #require(whole["parts"] as? [[String: Any]])
    let predictors = try #require(parts.first { $0["kind"] as? String == "predictors" }?["bytes"] as? Int)
    let budget = try #require(whole["bytes"] as? Int) - predictors
    let outcome = try await place("--vram-budget \(budget)B -c 1 --turn-cost 0")
    let sentence =
      #/Predictors are 0\.\d\d MiB: (\d+) neurons on the GPU beside them, 2048 without them \(--sparsity gate or bits\)\./#
    let line = try #require(outcome.output.firstMatch(of: sentence), "\(outcome.output)")
    #expect(try #require(Int(line.output.1)) < 2048)
  }

  @Test func whatDoesNotFitStaysInMainMemory() async throws {
    let report = try await json("--vram-budget 0 -c 100")
    let parts = try #require(report["parts"] as? [[String: Any]])
    #expect(parts.allSatisfy { $0["isOnGPU"] as? Bool == false } && report["bytes"] as? Int == 0)
    // Scratch and attention fit, predictors do not; then nothing after them goes there, though it would fit.
    let attention = 2 * 2 * (64 * 64 + 2 * 64 * 32 + 64 * 64)
    let two = try await json("--vram-budget \(attention + 2000)B -c 1 --scratch 1000 --turn-cost 0")
    let kept = try #require(two["parts"] as? [[String: Any]]).filter { $0["isOnGPU"] as? Bool == true }
    #expect(kept.map { $0["kind"] as? String } == ["scratch", "attention"])
    #expect(two["bytes"] as? Int == attention + 1000)
  }

  @Test func whatDoesNotFitIsTold() async throws {
    try writeProfile("m.profile.gguf")
    let attention = 2 * 2 * (64 * 64 + 2 * 64 * 32 + 64 * 64)
    #expect(
      try await place("--vram-budget \(attention + 2000)B -c 1 --scratch 1000").error
        == "Note: what is left of the budget has no room for predictors (0.13 MiB), so that it and all parts below stay in "
        + "main memory; a shorter context (--ctx-size) needs less.\n")
  }

  @Test func aFileBeingReadIsNotWrittenOver() async throws {
    let outcome = try await place("--vram-budget 1G -o %m.gguf")
    #expect(
      outcome.error
        == "Error: The file \"\(folder.file("m.gguf"))\" is being read; the result needs another name.\n")
    try writeProfile("p")
    #expect(try await place("--vram-budget 1G --profile %p -o %p").status != 0)
  }

  @Test(
    arguments: [
      ("0", 0), ("123456", 123_456), ("8GiB", 8 << 30), ("8G", 8 << 30), ("8g", 8 << 30), ("500MiB", 500 << 20),
      ("500 MB", 500_000_000), ("1.5K", 1536), ("1.5kB", 1500), ("2T", 2 << 40), ("12B", 12), ("0.3", 0),
    ])
  func sizes(text: String, bytes: Int) { #expect(ByteSize(text)?.bytes == bytes) }

  @Test(
    arguments: [
      "", "G", "-1", "1e9", "8 GiBs", "8Gi", "0x10", "99999999999999999999", "9999999T", "99999999999999.5T", "1.G",
      "٣",
    ])
  func noSizes(text: String) { #expect(ByteSize(text) == nil) }
}
