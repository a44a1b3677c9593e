import Foundation
import PowerInferGGUF
import PowerInferModel
import PowerInferSparsity
import PowerInferTestKit
import Testing

/// `powerinfer train-predictor` as a person at a shell has it.
@Suite(.serialized) struct TrainPredictorCommandTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try TinyModel(magic: .powerInfer, weightType: .f16).write(to: folder.file("relu.gguf"))
    try folder.write("text.txt", try ExampleFiles.shared.get().folder.read("text.txt"))
  }

  private let command = "train-predictor %relu.gguf -f %text.txt -c 16 --epochs 2 --rank 32"

  private func arguments(_ line: String) -> [String] {
    line.split(separator: " ").map { String($0).replacing("%", with: folder.path + "/") }
  }

  /// Runs it in which `%name` is a file of this test's folder.
  private func run(_ line: String) async throws -> Executable.Outcome { try await Executable.run(arguments(line)) }

  @Test func theModelIsWrittenWithItsPredictors() async throws {
    let outcome = try await run(command + " -o %out.gguf --type q4_0")
    #expect(outcome.status == 0, "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(lines.count == 7)
    #expect(
      lines[0] == "| layer | rank |       size |   active | computed |   recall | precision |     kept |    kept² |")
    for (line, layer) in zip(lines[2...], ["0", "1", "all"]) {
      let row = #/\| +(\d|all) \| +(32)? \| +0\.\d\d MiB( \| +\d+\.\d\d %){6} \|/#
      #expect(line.wholeMatch(of: row) != nil && line.contains(" \(layer) |"), "\(line)")
    }
    #expect(lines[5].hasPrefix("perplexity ") && lines[5].hasSuffix(" % more"), "\(lines[5])")
    #expect(lines[6].wholeMatch(of: #/\d+ tokens learnt from, \d+ measured with, \d+\.\d s/#) != nil, "\(lines[6])")
    #expect(outcome.error == "The model with its predictors is \(folder.file("out.gguf")).\n")
    #expect(try folder.names() == ["out.gguf", "relu.gguf", "text.txt"])
    let model = try LanguageModel(opening: folder.file("out.gguf"))
    #expect(try PredictorQuality(metadata: model.file.metadata)?.text == "text.txt")
    #expect(try await run("run -m %out.gguf --sparsity predictor -q --raw --ignore-eos -n 2 hello").status == 0)
  }

  @Test func aReportForMachinesHasEverything() async throws {
    let outcome = try await run(command + " -o %out.gguf --kept 0.9 --passes 1 --json --work-dir %w --keep-work -t 1")
    #expect(outcome.status == 0 && outcome.error == "")
    let report = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(report["text"] as? String == "text.txt" && report["threads"] as? Int == 1)
    let layers = try #require(report["layers"] as? [[String: Any]])
    #expect(layers.map { $0["rank"] as? Int } == [32, 32])
    let shares = try #require(layers[0]["shares"] as? [String: Double])
    #expect(shares.keys.sorted() == ["active", "computed", "kept", "keptSquares", "precision", "recall"])
    for key in ["change", "densePerplexity", "perplexity"] {
      #expect((report[key] as? [String: Double])?["value"] != nil)
    }
    #expect(try folder.names() == ["out.gguf", "relu.gguf", "text.txt", "w"])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("w")).contains("layer-0-1.result"))
  }

  /// Killed at any moment and begun again, until it comes to its end.
  @Test func killedWorkGoesOnToTheSameBytes() async throws {
    let line = command + " -o %out.gguf --epochs 4 -q -t 2"
    #expect(try await run(line + " --keep-work").status == 0)
    let whole = try folder.read("out.gguf")
    try FileManager.default.removeItem(atPath: folder.file("out.gguf.training"))
    var (kills, random) = (0, SeededGenerator(seed: 5))
    var milliseconds = 20
    while true {
      try FileManager.default.removeItem(atPath: folder.file("out.gguf"))
      // A shell keeps the time: while other tests keep every core busy, a task may wake seconds late.
      let process = Process()
      process.executableURL = URL(filePath: "/bin/sh")
      let seconds = Double(milliseconds + random.below(40)) / 1000
      let script = "\"$@\" > /dev/null 2>&1 & sleep \(seconds); kill -KILL $! 2> /dev/null; wait"
      process.arguments = ["-c", script, "sh", Executable.url.path] + arguments(line)
      try process.run()
      // Sooner or later it comes to its end first.
      milliseconds += 30
      process.waitUntilExit()
      if FileManager.default.fileExists(atPath: folder.file("out.gguf")) { break }
      kills += 1
      try folder.write("out.gguf", "")
    }
    #expect(kills > 1)
    #expect(try folder.read("out.gguf") == whole)
    #expect(try await run(line).status == 0)
    #expect(try folder.read("out.gguf") == whole)
    #expect(try folder.names() == ["out.gguf", "relu.gguf", "text.txt"])
  }

  @Test func otherOptionsNeedAWord() async throws {
    #expect(try await run(command + " -o %out.gguf -q --keep-work").status == 0)
    let other = try await run(command + " -o %out.gguf -q --seed 2")
    #expect(
      other.error
        == "Error: \"\(folder.file("out.gguf")).training\" holds work begun with another set of options; repeat that command "
        + "to go on with it, or give --restart to begin anew.\n")
    #expect(other.status == 1)
    #expect(try await run(command + " -o %out.gguf -q --seed 2 --restart").status == 0)
    #expect(try folder.names() == ["out.gguf", "relu.gguf", "text.txt"])
  }
}
