import Foundation
import PowerInferGGUF
import PowerInferPlatform
import PowerInferTestKit
import Testing

@testable import PowerInferCommandLine

/// Texts and paths that are not UTF-8, files whose metadata is wrong, and prompts for models without a template.
@Suite struct ForeignInputTests {
  private func model() throws -> String { try ExampleFiles.shared.get().folder.path + "/model.gguf" }

  private func ids(_ input: [UInt8]) async throws -> Executable.Outcome {
    try await Executable.run(["tokenize", "-m", model(), "--ids"], input: input)
  }

  /// Python's `bytes.decode("utf-8", "replace")` of the same bytes gives "café\u{FFFD}\r\nhello".
  @Test func aFewWrongBytesAreReplaced() async throws {
    let wrong = try await ids(Array("café".utf8) + [0xE9] + Array("\r\nhello".utf8))
    let right = try await ids(Array("café\u{FFFD}\r\nhello".utf8))
    #expect(wrong.status == 0 && wrong.output == right.output && right.error == "")
    #expect(wrong.error == "Note: Standard input is not all UTF-8; what is not was replaced by U+FFFD.\n")
    let marked = try await ids([0xEF, 0xBB, 0xBF] + Array("hello".utf8))
    #expect(try await marked.output == ids(Array("hello".utf8)).output && marked.error == "")
    let answer = try await Executable.run(["run", "-m", model(), "-q", "-n", "1", "-t", "1"], input: [0x68, 0xE9])
    #expect(answer.status == 0 && answer.error.hasPrefix("Note: Standard input is not all UTF-8"))
  }

  #if os(Linux)
    /// Names that are not UTF-8, of the model and of a text, as arguments and as a variable.
    @Test func pathsMayBeAnyBytes() async throws {
      let folder = try TemporaryFolder()
      let script = """
        name="$(printf 'm\\351.gguf')"; text="$(printf 't\\377.txt')"
        cp "$1" "$2/$name"; printf hello > "$2/$text"
        "$0" tokenize -m "$2/$name" --ids -f "$2/$text" &&
        POWERINFER_MODEL="$2/$name" "$0" tokenize --ids hello &&
        "$0" quantize "$2/$name" "$2/$text.gguf" q8_0 -t 1 >/dev/null && test -f "$2/$text.gguf" && rm "$2/$text.gguf" &&
        "$0" tokenize -m "$2/$text.gguf" hello
        """
      let outcome = try await Executable.run(
        ["-c", script, Executable.url.path, model(), folder.path], program: URL(filePath: "/bin/sh"))
      let expected = try await ids(Array("hello".utf8)).output
      #expect(outcome.output == expected + expected, "\(outcome.error)")
      #expect(outcome.error == "Error: There is no model file at \(folder.path)/t\u{FFFD}.txt.gguf.\n")
    }
  #endif

  @Test func aWrongTokenIDIsNotedAndOverridden() async throws {
    let folder = try TemporaryFolder()
    var tiny = TinyModel()
    tiny.extraMetadata.set("tokenizer.ggml.eos_token_id", .uint32(99999))
    let path = try tiny.write(to: folder.file("wrong.gguf"))
    let note =
      "Note: Metadata key \"tokenizer.ggml.eos_token_id\" is 99999, but the vocabulary has \(tiny.vocabularySize) tokens; it "
      + "counts as absent.\n"
    let tokens = try await Executable.run(["tokenize", "-m", path, "--ids", "hello"])
    #expect(tokens.status == 0 && tokens.error == note)
    let arguments = ["run", "-m", path, "-q", "-n", "1", "-t", "1", "hello"]
    let run = try await Executable.run(arguments)
    #expect(run.status == 0 && run.error == note)
    let overridden = try await Executable.run(arguments + ["--override-kv", "tokenizer.ggml.eos_token_id=int:2"])
    #expect(overridden.status == 0 && overridden.error == "")
  }

  @Test func aModelWithoutATemplateChatsWithANamedOne() async throws {
    let path = try ExampleFiles.shared.get().folder.path + "/no-template.gguf"
    let arguments = ["run", "-m", path, "-q", "--json", "-n", "0", "-t", "1", "hello"]
    func promptTokens(_ more: [String]) async throws -> Int {
      let outcome = try await Executable.run(arguments + more)
      #expect(outcome.status == 0, "\(outcome.error)")
      let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
      return try #require((report?["statistics"] as? [String: Any])?["promptTokens"] as? Int)
    }
    let plain = try await promptTokens([])
    #expect(try await promptTokens(["--chat-template", "vicuna", "--system", "Be brief."]) > plain + 10)
    let shown = try await Executable.run(["template", "--chat-template", "vicuna", "--system", "Be brief.", "hello"])
    #expect(shown.output == "Be brief.\n\nUSER: hello\nASSISTANT:")
    #expect(try await Executable.run(["template", "--list-templates"]).output.split(separator: "\n").count == 55)
  }
}
