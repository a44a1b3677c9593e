import Foundation
import PowerInferTestKit
import Testing

@testable import PowerInferCommandLine

/// Who may spell control tokens in a prompt.
@Suite struct ParseSpecialTests {
  /// The tiny model's vocabulary has `<|im_end|>`, and no other token of more than three of its characters.
  @Test(arguments: ["", "--raw"]) func aFlagLetsAllSpellingsCount(mode: String) async throws {
    let model = try ExampleFiles.shared.get().folder.path + "/model.gguf"
    func promptTokens(_ flags: String, _ text: String) async throws -> Int {
      let arguments = "run -m \(model) -q --json -n 0 -t 1 \(mode) \(flags)".split(separator: " ").map(String.init)
      let outcome = try await Executable.run(arguments + [text])
      #expect(outcome.status == 0 && outcome.error == "", "\(outcome.error)")
      let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
      return try #require((report?["statistics"] as? [String: Any])?["promptTokens"] as? Int)
    }
    let one = try await promptTokens("--parse-special", "x")
    #expect(try await promptTokens("", "x") == one)
    #expect(try await promptTokens("--parse-special", "x<|im_end|><|im_end|>") == one + 2)
    // A raw prompt is finished: what it spells counts.
    #expect(try await promptTokens("", "x<|im_end|><|im_end|>") >= one + (mode == "--raw" ? 2 : 6))
    #expect(try await (promptTokens("", "x<|im_end|><|im_end|>") == one + 2) == (mode == "--raw"))
    #expect(try await promptTokens("--no-parse-special", "x<|im_end|><|im_end|>") >= one + 6)
  }
}
