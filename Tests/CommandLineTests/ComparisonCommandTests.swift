import Foundation
import PowerInferTestKit
import Testing

/// `bench --compare` and `perplexity --compare` as a person at a shell has them.
@Suite(.serialized) struct ComparisonCommandTests {
  private func run(
    _ arguments: String, variables: [String: String] = [:]
  ) async throws -> Executable.Outcome {
    let examples = try ExampleFiles.shared.get().folder.path
    let words = arguments.split(separator: " ").map { String($0).replacing("@", with: examples + "/") }
    return try await Executable.run(words, environment: variables)
  }

  private func json(_ arguments: String, variables: [String: String] = [:]) async throws -> [String: Any] {
    let outcome = try await run(arguments + " --json", variables: variables)
    #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  /// The rows of a report without what differs from run to run.
  private func figures(_ report: [String: Any]) throws -> NSArray {
    let sources = try #require(report["sources"] as? [[String: Any]])
    return sources.map { $0.filter { !["median_ts", "samples_ts"].contains($0.key) } } as NSArray
  }

  @Test(arguments: ["bench -n 4 -r 2 -m", "perplexity"])
  func oneTableOnStandardOutput(command: String) async throws {
    let outcome = try await run("\(command) @sparse.gguf --compare -f @text.txt -c 16 --chunks 3 -t 1")
    #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
    let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
    let titles = ["source", "t/s", "active", "computed", "recall", "kept", "perplexity", "change"]
    #expect(lines[0].split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } == titles)
    #expect(lines.dropFirst(2).prefix(3).map { $0.prefix(11) } == ["| dense    ", "| gate     ", "| predictor"])
    #expect(lines[3].contains("| 100.00 % | 100.00 % |") && lines[3].hasSuffix("   +0.00 ± 0.00 % |"))
    #expect(lines[5] == "" && lines[6].hasPrefix("Without bits: 2 of 2 layers ask whole gates: "))
    #expect(lines[7].hasPrefix("Without threshold: The threshold source needs"))
    let decoded =
      command == "perplexity" ? "8 tokens decoded after 8, median of 5" : "4 tokens decoded after 8, median of 2"
    #expect(lines[8] == "sparse.gguf: 3 chunks of 16 tokens, 7 of them scored; \(decoded) turns; 1 thread")
    #expect(lines.count == 10 && lines[9] == "")
  }

  /// Both commands find the same, for any number of threads; what a plain run finds is in the table.
  @Test func figuresAreTheSameEverywhere() async throws {
    let bench = try await json("bench -m @bamboo.gguf -n 2 -r 1 --compare -f @text.txt -c 20 --chunks 5 -t 1")
    let perplexity = try await json("perplexity @bamboo.gguf --compare -f @text.txt -c 20 --chunks 5 -t 3")
    #expect(try figures(bench) == figures(perplexity))
    let sources = try #require(bench["sources"] as? [[String: Any]])
    for (index, mode) in ["dense", "gate", "predictor"].enumerated() {
      for options in ["-t 2", "-t 1 -b 7"] {
        let report = try await json(
          "perplexity @bamboo.gguf -f @text.txt -c 20 --chunks 5 --sparsity \(mode) \(options)")
        #expect(report["sparsity"] as? String == mode)
        let found = (report["result"] as? [String: Any])?["perplexity"] as? [String: Double]
        #expect(found?["value"] == sources[index]["perplexity"] as? Double && found?["value"] != nil)
      }
    }
    #expect(sources[2]["perplexity"] as? Double != sources[0]["perplexity"] as? Double)
  }

  @Test func smallTextsUnlessMoreIsAskedFor() async throws {
    let report = try await json("bench -m @sparse.gguf -n 1 -r 1 --compare -f @text.txt -c 9")
    #expect(report["n_chunks"] as? Int == 4 && report["n_gen"] as? Int == 1 && report["n_turns"] as? Int == 1)
    let all = try await json("perplexity @sparse.gguf --compare -f @text.txt -c 9")
    #expect(try #require(all["n_chunks"] as? Int) > 20)
  }

  @Test func thresholdsAndVariablesAreHeeded() async throws {
    let command = "perplexity @sparse.gguf --compare -f @text.txt -c 16 --chunks 2"
    let report = try await json(
      "\(command) --per-layer --sparse-threshold -inf", variables: ["POWERINFER_SPARSITY": "gate"])
    let sources = try #require(report["sources"] as? [[String: Any]])
    #expect(sources.count == 3 && sources[2]["predictor_threshold"] as? String == "-inf")
    #expect(sources[2]["computed_share"] as? Double == 1 && sources[2]["perplexity_change"] as? Double == 0)
    #expect((sources[2]["layers"] as? [[String: Any]])?.map { $0["recall"] as? Double } == [1, 1])
    let none = try await json(command, variables: ["POWERINFER_SPARSE_THRESHOLD": "inf"])
    #expect((none["sources"] as? [[String: Any]])?[2]["computed_share"] as? Double == 0)
  }

  @Test func csvAndLayers() async throws {
    let csv = try await run("bench -m @falcon.gguf -n 1 -r 1 --compare -f @text.txt -c 9 -o csv")
    #expect(csv.status == 0 && csv.output.split(separator: "\n").count == 4)
    let layers = try await run("perplexity @falcon.gguf --compare -f @text.txt -c 9 --chunks 1 --per-layer")
    #expect(
      layers.status == 0 && layers.output.contains("\ngate:\n\n| layer |") && layers.output.contains("\npredictor:\n"))
    #expect(layers.output.split(separator: "\n").filter { $0.hasPrefix("|     1 |") }.count == 2)
  }

  /// What `logits` shows after a prompt is what decoding it token by token gives, but for the order of sums.
  @Test func logitsLeaveOutWhatDecodingDoes() async throws {
    func best(_ options: String) async throws -> [String: Double] {
      let report = try await json("logits -m @sparse.gguf --tokens 5,9,200,17,3 --top 500 \(options)")
      let positions = try #require(report["positions"] as? [[String: Any]])
      let top = try #require(positions.last?["top"] as? [[String: Any]])
      return try Dictionary(
        uniqueKeysWithValues: top.map { (try #require($0["token"]), try #require($0["logit"] as? Double)) }
          .map { ("\($0)", $1) })
    }
    func distance(_ a: [String: Double], _ b: [String: Double]) throws -> Double {
      #expect(a.count == b.count && a.count > 100)
      return try a.map { abs($1 - (try #require(b[$0]))) }.max() ?? .infinity
    }
    let predicted = try await best("--sparsity predictor")
    let dense = try await best("--sparsity dense")
    #expect(try await distance(best("--sparsity predictor -b 1"), predicted) < 1e-3)
    #expect(try await distance(best("--sparsity gate"), dense) == 0)
    #expect(try distance(dense, predicted) > 1e-2)
  }
}
